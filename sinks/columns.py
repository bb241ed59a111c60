"""Rows turned into columns: a record array into one contiguous array for each field.

Reading one field of wide rows touches every line of memory that they lie in, so a hundred
fields would read the whole a hundred times. Here it is read once, some rows at a time.
"""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numba import njit

_WORD = 8
_BLOCK = 64


@njit(cache=True, nogil=True, error_model="numpy")
def _turn(rows: Any, wanted: np.ndarray, out: Any, at: int) -> None:
    n = rows.shape[0]
    for first in range(0, n, _BLOCK):
        last = min(first + _BLOCK, n)
        for k in range(wanted.shape[0]):
            word = wanted[k]
            for i in range(first, last):
                out[k, at + i] = rows[i, word]


def columns_of(parts: Sequence[np.ndarray], names: Iterable[str]) -> dict[str, np.ndarray]:
    """Fields of rows that lie in several arrays of one dtype, joined, by name.

    The dtype's size is a multiple of eight bytes and no number crosses an eight-byte word,
    as in STATUS and ORDER.
    """
    dtype = parts[0].dtype
    assert dtype.itemsize % _WORD == 0
    fields: Any = dtype.fields
    at = {name: int(fields[name][1]) for name in names}
    words = sorted({offset // _WORD for offset in at.values()})
    place = {word: k for k, word in enumerate(words)}
    out = np.empty((len(words), sum(map(len, parts))), np.uint64)
    wanted = np.array(words, np.int64)
    row = 0
    for part in parts:
        shape = (len(part), dtype.itemsize // _WORD)
        _turn(part.view(np.uint64).reshape(shape), wanted, out, row)
        row += len(part)
    return {name: _field(out[place[at[name] // _WORD]], dtype[name], at[name]) for name in at}


def _field(words: np.ndarray, dtype: np.dtype, offset: int) -> np.ndarray:
    """One field out of the words that hold it."""
    if dtype.itemsize == _WORD:
        return words.view(dtype)
    per_word = _WORD // dtype.itemsize
    return words.view(dtype)[offset % _WORD // dtype.itemsize :: per_word]
