"""REST, WebSocket and the dashboard."""
