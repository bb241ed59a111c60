"""The order stage: life cycle, fills, benchmarks and metrics of every order."""
