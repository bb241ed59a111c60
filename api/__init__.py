"""The HTTP and WebSocket service: live status, sessions, identity, and reads of history."""
