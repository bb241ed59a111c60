"""From the orders' numbers to alerts."""
