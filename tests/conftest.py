"""Compiled kernels are kept per state of the sources, as the command does, so none is stale."""

import sys

from runtime.kernels import use_kernel_cache

if "numba" not in sys.modules:
    use_kernel_cache()
