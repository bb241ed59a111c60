"""The runnable flows."""
