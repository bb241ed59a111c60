"""Alerts for callers: those in the status store, those of history, and what is done to them."""
