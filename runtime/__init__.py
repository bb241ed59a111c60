"""Processes, settings and logs: what an entry point sets up before anything trades."""
