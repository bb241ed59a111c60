"""What the routes on history share: their shapes, their questions, their rows."""
