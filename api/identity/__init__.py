"""Who calls, what they may do, and whose orders they may see."""
