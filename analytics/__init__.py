"""After the trade: benchmarks, cost analysis and every read of the history."""
