"""Message buses: partitioned, replayable from a position, ordered within a partition."""
