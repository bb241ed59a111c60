"""The `execmon` command."""
