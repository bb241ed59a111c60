"""How kernels are compiled, in one place."""

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeAlias

import numba
import numpy as np
from numba.core import config

_OPTIONS: dict[str, Any] = {
    "cache": True, "nogil": True, "error_model": "numpy", "_nrt": False,
}  # fmt: skip

Row: TypeAlias = Any
"""A row of a structured array, with its fields as attributes."""
Table: TypeAlias = Any
"""An array, mostly a structured one, as a kernel takes it."""


def kernel(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile for arrays and scalars, cached on disk, without the interpreter's lock.

    A kernel makes no arrays, it is given room: so it need not count references to those it
    is given either, which would cost it two fifths of its time.

    With NUMBA_DISABLE_JIT the same source runs as plain Python, for coverage.
    """
    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        return _interpreted(function)
    return numba.njit(function, **_OPTIONS)


class _Row:
    """A row of a structured array with its fields as attributes, as kernels see it."""

    __slots__ = ("void",)

    def __init__(self, void: np.void) -> None:
        object.__setattr__(self, "void", void)

    def __getattr__(self, name: str) -> Any:
        return self.void[name]

    def __setattr__(self, name: str, value: Any) -> None:
        self.void[name] = value


class _Rows(np.ndarray):
    """A structured array that gives its rows as `_Row`."""

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return _Row(found) if isinstance(found, np.void) else found

    def __setitem__(self, index: Any, value: Any) -> None:
        super().__setitem__(index, value.void if isinstance(value, _Row) else value)


_here = threading.local()


def _interpreted(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def call(*args: Any) -> Any:
        if getattr(_here, "inside", False):
            return function(*args)
        _here.inside = True
        try:
            with np.errstate(all="ignore"):
                return function(*(_with_fields(a) for a in args))
        finally:
            _here.inside = False

    return call


def _with_fields(value: Any) -> Any:
    if isinstance(value, np.ndarray) and value.dtype.names and not isinstance(value, _Rows):
        return value.view(_Rows)
    if isinstance(value, np.void) and value.dtype.names:
        return _Row(value)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_with_fields(item) for item in value))
    return value
