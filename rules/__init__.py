"""Alert conditions and their life cycle, as pure functions."""
