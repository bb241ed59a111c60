"""One subscription to the status feed, handed to every WebSocket."""
