"""Where results go: status store, bus topics, files. Each flushes when an epoch closes."""
