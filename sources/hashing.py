"""Keys and group hashes of whole columns of names: `domain.keys` for a million at a time."""

from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numba import njit
from numba.core import config

from domain.keys import crc_of, key_of

_MAX_ID_BYTES = 100
_OFFSET = np.uint64(0xCBF29CE484222325)
_PRIME = np.uint64(0x100000001B3)
_MIX_1 = np.uint64(0xFF51AFD7ED558CCD)
_MIX_2 = np.uint64(0xC4CEB9FE1A85EC53)
_33 = np.uint64(33)


def _crc_table() -> np.ndarray:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, np.uint32(0xEDB88320) ^ (table >> 1), table >> 1)
    return table


_CRC = _crc_table()


class Hashed(NamedTuple):
    """Columns as long as the names: `key_of`, `crc_of`, and names worth a closer look.

    `odd` marks every name that could break the rules of ids (too long, control characters)
    and perhaps some that do not. A missing or empty name has key 0.
    """

    key: np.ndarray
    crc: np.ndarray
    odd: np.ndarray

    def take(self, rows: np.ndarray | slice) -> "Hashed":
        """The same for these rows."""
        return Hashed(self.key[rows], self.crc[rows], self.odd[rows])


def hash_names(names: Any) -> Hashed:
    """Hash an Arrow array of texts, or of integers by their decimal digits.

    Missing names count as empty.
    """
    texts = names.cast(pa.large_string())
    if texts.null_count:
        texts = texts.fill_null("")
    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        return _hash_slowly(texts.to_pylist())
    n = len(texts)
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64)[texts.offset : texts.offset + n + 1]
    raw = np.frombuffer(data or b"", np.uint8)
    out = Hashed(np.empty(n, np.uint64), np.empty(n, np.uint32), np.empty(n, np.bool_))
    _hash(starts, raw, _CRC, *out)
    return out


def hash_integers(values: np.ndarray, missing: np.ndarray) -> Hashed:
    """Hash the decimal digits of int64 ids; those marked missing get key 0."""
    if config.DISABLE_JIT:  # pyright: ignore[reportAttributeAccessIssue]
        digits = [str(v) for v in values.tolist()]
        return _hash_slowly(
            ["" if gone else text for text, gone in zip(digits, missing.tolist(), strict=True)]
        )
    n = len(values)
    out = Hashed(np.empty(n, np.uint64), np.empty(n, np.uint32), np.zeros(n, np.bool_))
    _hash_digits(values, missing, _CRC, out.key, out.crc)
    return out


def _hash_slowly(texts: list[str]) -> Hashed:
    return Hashed(
        np.array([key_of(t) for t in texts], np.uint64),
        np.array([crc_of(t) for t in texts], np.uint32),
        np.array([len(t) > _MAX_ID_BYTES or not t.isprintable() for t in texts], np.bool_),
    )


@njit(cache=True, nogil=True, error_model="numpy")
def _hash(starts, raw, table, keys, crcs, odds):  # type: ignore[no-untyped-def]
    for i in range(starts.shape[0] - 1):
        text = raw[starts[i] : starts[i + 1]]
        keys[i], crcs[i] = _hash_one(text, table)
        odd = text.shape[0] > _MAX_ID_BYTES
        for j in range(text.shape[0]):
            byte = text[j]
            odd |= byte < 32 or byte == 127
            odd |= byte == 0xC2 and j + 1 < text.shape[0] and text[j + 1] < 0xA0
        odds[i] = odd


@njit(cache=True, nogil=True, error_model="numpy")
def _hash_digits(values, missing, table, keys, crcs):  # type: ignore[no-untyped-def]
    digits = np.empty(20, np.uint8)
    for i in range(values.shape[0]):
        first = 20
        if not missing[i]:
            negative = values[i] < 0
            rest = np.uint64(values[i])
            if negative:
                rest = ~rest + np.uint64(1)
            while True:
                first -= 1
                digits[first] = np.uint64(48) + rest % np.uint64(10)
                rest = rest // np.uint64(10)
                if rest == 0:
                    break
            if negative:
                first -= 1
                digits[first] = 45
        keys[i], crcs[i] = _hash_one(digits[first:], table)


@njit(cache=True, nogil=True, error_model="numpy")
def _hash_one(text, table):  # type: ignore[no-untyped-def]
    value = _OFFSET
    crc = np.uint32(0xFFFFFFFF)
    for byte in text:
        value = (value ^ np.uint64(byte)) * _PRIME
        crc = table[(crc ^ np.uint32(byte)) & np.uint32(0xFF)] ^ (crc >> np.uint32(8))
    value = (value ^ (value >> _33)) * _MIX_1
    value = (value ^ (value >> _33)) * _MIX_2
    value = value ^ (value >> _33)
    if text.shape[0] == 0:
        value = np.uint64(0)
    elif value == 0:
        value = np.uint64(1)
    return value, crc ^ np.uint32(0xFFFFFFFF)
