"""Measured speed: generated workloads, the stream, and what it is compared with."""
