"""Benchmarks; see README.md in this folder."""

import sys

from runtime.kernels import use_kernel_cache

if "numba" not in sys.modules:
    use_kernel_cache()
