"""How kernels are compiled, under the name by which operators know it."""

from metrics.kernel import Row, Table, kernel

__all__ = ["Row", "Table", "kernel"]
