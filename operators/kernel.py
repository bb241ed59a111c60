"""How kernels are compiled, in one place."""

from collections.abc import Callable
from typing import Any

import numba


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for arrays and scalars, cached on disk, without the interpreter's lock."""
    return numba.njit(function, cache=True, nogil=True, error_model="numpy")
