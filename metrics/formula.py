"""One formula, three uses: inside a compiled kernel, on numbers, on whole arrays.

The decorated function is scalar and positional. `kernel` is its compiled form, for other
kernels to call; calling the object broadcasts the same code over arrays, so a stream that
computes row by row and a batch that computes columns agree to the last bit.
"""

import inspect
from collections.abc import Callable, Mapping
from types import FunctionType
from typing import Any, TypeAlias, overload

import numpy as np
from numba import config, njit, vectorize
from numpy.typing import NDArray

FloatArray: TypeAlias = NDArray[np.float64]
Values: TypeAlias = float | NDArray[Any]
"""A number or an array of numbers; integers and booleans are taken as numbers too."""

compiled = njit(cache=True, nogil=True, error_model="numpy")
"""How plain functions of numbers are compiled."""


class _Definition:
    """What scalar formulas and formulas over a tape share: a name, words, a signature."""

    kernel: Callable[..., float]
    """The compiled function: positional arguments, callable from other kernels."""

    def __init__(self, definition: Callable[..., float]) -> None:
        self.__doc__ = definition.__doc__
        self.__module__ = definition.__module__
        self.__name__ = self.__qualname__ = definition.__name__
        self.__wrapped__ = definition
        self.kernel = compiled(definition)
        parameters = inspect.signature(definition).parameters
        self.parameters = tuple(parameters)
        self._types = [
            np.dtype(np.int64 if p.annotation is int else np.float64) for p in parameters.values()
        ]
        self._defaults = {
            name: p.default for name, p in parameters.items() if p.default is not p.empty
        }

    def __repr__(self) -> str:
        return f"<formula {self.__module__}.{self.__name__}{inspect.signature(self.__wrapped__)}>"

    def _arguments(self, subject: object, named: Mapping[str, object]) -> list[Any]:
        """The arguments in positional order; TypeError where one is missing or unknown."""
        first, *rest = self.parameters
        given = {first: subject, **self._defaults, **named}
        missing = [name for name in rest if name not in given]
        unknown = [name for name in named if name not in rest]
        if missing or unknown:
            raise TypeError(
                f"{self.__name__} takes {first} and then {', '.join(rest) or 'nothing'} by name; "
                f"missing: {', '.join(missing) or 'none'}, unknown: {', '.join(unknown) or 'none'}"
            )
        return [given[name] for name in self.parameters]


class Formula(_Definition):
    """A scalar formula that broadcasts: `slippage_bps(avg_px, benchmark=arrival, side=1)`.

    Numbers give a float, arrays an array of float64 of their common shape. NaN where the
    value is not defined.
    """

    def __init__(self, definition: Callable[..., float]) -> None:
        super().__init__(definition)
        self._elementwise = _elementwise(definition)

    @overload
    def __call__(self, subject: float, /, **named: float) -> float: ...
    @overload
    def __call__(self, subject: NDArray[Any], /, **named: Values) -> FloatArray: ...
    @overload
    def __call__(self, subject: Values, /, **named: Values) -> Any: ...
    def __call__(self, subject: Values, /, **named: Values) -> Any:
        """The value for each element of the arguments, broadcast together."""
        columns = [
            np.asarray(value, dtype)
            for value, dtype in zip(self._arguments(subject, named), self._types, strict=True)
        ]
        if all(column.ndim == 0 for column in columns):
            return float(self.kernel(*(column.item() for column in columns)))
        with np.errstate(all="ignore"):
            return self._elementwise(*columns)


class TapeFormula(_Definition):
    """A formula that reads whole columns, in order of time, and gives one number.

    Its array parameters are one-dimensional and of one length; the others are numbers.
    """

    def __init__(self, definition: Callable[..., float]) -> None:
        super().__init__(definition)
        annotations = [p.annotation for p in inspect.signature(definition).parameters.values()]
        self._is_column = [annotation is FloatArray for annotation in annotations]

    def __call__(self, subject: NDArray[Any], /, **named: Values) -> float:
        """The one number; ValueError where columns differ in length."""
        arguments = [
            _column(value) if is_column else np.asarray(value, dtype).item()
            for value, dtype, is_column in zip(
                self._arguments(subject, named), self._types, self._is_column, strict=True
            )
        ]
        lengths = {np.size(a) for a, c in zip(arguments, self._is_column, strict=True) if c}
        if len(lengths) > 1:
            raise ValueError(f"{self.__name__} needs columns of one length, got {sorted(lengths)}")
        return float(self.kernel(*arguments))


def formula(definition: Callable[..., float]) -> Formula:
    """Make a scalar function of floats (or ints) a Formula."""
    return Formula(definition)


def tape_formula(definition: Callable[..., float]) -> TapeFormula:
    """Make a function of columns a TapeFormula."""
    return TapeFormula(definition)


def _elementwise(definition: Callable[..., float]) -> Callable[..., FloatArray]:
    # A twin under another name: the two compiled forms must not share a cache file.
    name = f"{definition.__name__}_elementwise"
    twin = FunctionType(
        definition.__code__.replace(co_name=name, co_qualname=name),
        definition.__globals__,
        name,
        definition.__defaults__,
    )
    twin.__module__ = definition.__module__
    twin.__qualname__ = name
    is_compiled = not config.DISABLE_JIT  # pyright: ignore[reportAttributeAccessIssue]
    return vectorize(cache=True)(twin) if is_compiled else np.vectorize(twin, otypes=[np.float64])


def _column(values: object) -> FloatArray:
    column = np.ascontiguousarray(values, np.float64)
    if column.ndim != 1:
        raise ValueError(f"a column has one dimension, got {column.ndim}")
    return column if column.flags.writeable else column.copy()
