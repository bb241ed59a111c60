"""The alert stage: what the rules saw, made alerts with a life, for each group of desks."""
