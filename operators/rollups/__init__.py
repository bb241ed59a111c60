"""Venues, and algorithms at brokers, over the orders of every desk."""
