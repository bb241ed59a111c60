"""Arrow columns as arrays for kernels, with a note of every value that could not be taken."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from domain.errors import Refused
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.keys import key_of
from domain.profiles import profile_text
from sources.hashing import Hashed, hash_integers, hash_names

UNKNOWN = 255
"""Code of a text that is none of the expected ones."""
NO_SEQ = -1
_BAD_SEQ = -2
_FURTHEST = 1 << 62


_PER_SECOND = {"s": 1, "ms": 1_000, "us": 1_000_000, "ns": SECOND}
_NOT_UTF8 = dict.fromkeys(range(0xDC80, 0xDD00), "\0")
"""How `surrogateescape` shows bytes that are no text."""


def readable(array: Any) -> Any:
    """Texts as they are; bytes that are not UTF-8 become NUL, which no name may hold."""
    kind = array.type
    if pt.is_dictionary(kind):
        texts = readable(array.dictionary)
        if texts is array.dictionary:
            return array
        return pa.DictionaryArray.from_arrays(array.indices, texts)
    is_text = pt.is_string(kind) or pt.is_large_string(kind)
    if not (is_text or pt.is_binary(kind) or pt.is_large_binary(kind)):
        return array
    try:
        array.validate(full=True)
        return array if is_text else array.cast(pa.large_string())
    except pa.ArrowInvalid:
        raw = array.cast(pa.large_binary()).to_pylist()
    return pa.array([None if v is None else _readable(v) for v in raw], pa.large_string())


def _readable(raw: bytes) -> str:
    return raw.decode(errors="surrogateescape").translate(_NOT_UTF8)


class Column(NamedTuple):
    """Values, and `lost`: True where there was a value that is not one of the wanted kind."""

    values: np.ndarray
    lost: np.ndarray | None = None


def numbers(array: Any) -> Column:
    """Numbers as float64, NaN where missing."""
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    if pt.is_floating(array.type) or pt.is_integer(array.type) or pt.is_decimal(array.type):
        return Column(_filled(array.cast(pa.float64(), safe=False), np.float64, np.nan))
    if pt.is_null(array.type):
        return Column(np.full(len(array), np.nan))
    texts = pl.Series(_texts(array))
    values = texts.str.strip_chars().cast(pl.Float64, strict=False)
    lost = values.is_null() & texts.is_not_null()
    return Column(values.fill_null(float("nan")).to_numpy(), lost.to_numpy())


def sequences(array: Any) -> Column:
    """Whole numbers from 0, NO_SEQ where missing; what is below 0 or no such number is lost."""
    if pt.is_null(array.type):
        return Column(np.full(len(array), NO_SEQ, np.int64))
    if pt.is_integer(array.type):
        wide = array.cast(pa.int64(), safe=False)
        missing = _nulls(wide)
        values = _filled(wide, np.int64, NO_SEQ)
    else:
        series = pl.Series(array if pt.is_floating(array.type) else _texts(array))
        missing = series.is_null().to_numpy()
        whole = series.cast(pl.Int64, strict=False).fill_null(_BAD_SEQ).to_numpy()
        values = np.where(missing, NO_SEQ, whole)
    lost = ~missing & ((values < 0) | (values >= 1 << 62))
    return Column(values, lost)


def times(array: Any) -> Column:
    """UNIX ns from integers (ns), Arrow timestamps (UTC where no zone is said) or RFC 3339."""
    kind = array.type
    if pt.is_null(kind):
        return Column(np.full(len(array), NO_TIME, np.int64))
    if pt.is_integer(kind):
        stamps = array.cast(pa.int64(), safe=False)
    elif pt.is_timestamp(kind):
        stamps = array.cast(pa.int64())
        ns = SECOND // _PER_SECOND[kind.unit]
        values = _filled(stamps, np.int64, 0)
        far = (values >= _FURTHEST // ns) | (values <= -_FURTHEST // ns)
        missing = _nulls(stamps)
        return Column(np.where(missing | far, NO_TIME, values * ns), far & ~missing)
    else:
        stamps = _times_of_texts(_texts(array))
        if stamps is None:
            return _slow_times(_texts(array).to_pylist())
    values = _filled(stamps, np.int64, NO_TIME)
    return Column(values, ~_nulls(stamps) & ((values <= -_FURTHEST) | (values >= _FURTHEST)))


def _times_of_texts(array: Any) -> Any:
    """Texts that are all UNIX ns, or all RFC 3339, as int64; None where some are neither."""
    for kind in (pa.int64(), pa.timestamp("ns", "UTC")):
        try:
            return array.cast(kind).cast(pa.int64())
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            continue
    return None


def _slow_times(texts: list[str | None]) -> Column:
    values = np.full(len(texts), NO_TIME, np.int64)
    lost = np.zeros(len(texts), np.bool_)
    for i, text in enumerate(texts):
        if text:
            try:
                values[i] = int(text) if text.isdecimal() else parse_rfc3339(text)
            except (ValueError, OverflowError):
                lost[i] = True
    return Column(values, lost | (values >= _FURTHEST))


class Names(NamedTuple):
    """A column of names: what it hashes to, and the distinct texts where they are few.

    `codes` index `texts` and `text_keys`; without a dictionary all three are None.
    """

    hashed: Hashed
    codes: np.ndarray | None = None
    texts: list[str] | None = None
    text_keys: np.ndarray | None = None


def names(array: Any) -> Names:
    """Keys of a column of names; missing and empty ones have key 0."""
    if pt.is_integer(array.type):
        wide = array.cast(pa.int64(), safe=False)
        return Names(hash_integers(_filled(wide, np.int64, 0), _nulls(wide)))
    if pt.is_null(array.type):
        n = len(array)
        zero = np.zeros(n, np.uint64), np.zeros(n, np.uint32), np.zeros(n, np.bool_)
        return Names(Hashed(*zero))
    if not pt.is_dictionary(array.type):
        return Names(hash_names(_texts(array)))
    texts = pa.concat_arrays(
        [_texts(array.dictionary).cast(pa.large_string()), pa.array([""], pa.large_string())]
    )
    each = hash_names(texts)
    nothing = len(array.dictionary)
    codes = _filled(array.indices.cast(pa.int64()), np.int64, nothing)
    return Names(each.take(codes), codes, texts.fill_null("").to_pylist(), each.key)


class Profiles(NamedTuple):
    """A column of schedules: a key for each row, 0 for none; which are wrong; texts by key."""

    keys: np.ndarray
    lost: np.ndarray
    texts: dict[int, str]


def profiles(array: Any) -> Profiles:
    """Schedules that algorithms sent: lists of numbers, or one text parted by `;`."""
    n = len(array)
    found = Profiles(np.zeros(n, np.uint64), np.zeros(n, np.bool_), {})
    for row in np.flatnonzero(np.asarray(array.is_valid())).tolist():
        value = array[row].as_py()
        if value == "":
            continue
        shares = value.split(";") if isinstance(value, str) else value
        try:
            text = profile_text([float(share) for share in shares])
        except (Refused, ValueError, TypeError):
            found.lost[row] = True
            continue
        found.keys[row] = key = key_of(text)
        found.texts[key] = text
    return found


def codes(array: Any, meaning: Mapping[str, int]) -> Column:
    """Code of each text by `meaning`; missing and empty are 0, others UNKNOWN and lost."""
    if not pt.is_dictionary(array.type):
        array = _texts(array).dictionary_encode()
    known = {**meaning, "": 0}
    found = [known.get(t or "", UNKNOWN) for t in array.dictionary.to_pylist()] + [0]
    table = np.array(found, np.uint8)
    values = table[_filled(array.indices.cast(pa.int64()), np.int64, len(found) - 1)]
    return Column(values, values == UNKNOWN)


def flags(array: Any) -> tuple[np.ndarray, np.ndarray]:
    """(truth, whether it is said at all) of a column of booleans."""
    if not pt.is_boolean(array.type):
        array = pc.call_function(
            "equal", [pc.call_function("utf8_lower", [_texts(array)]), pa.scalar("true")]
        )
    return _filled(array.cast(pa.uint8()), np.uint8, 0) != 0, ~_nulls(array)


def _texts(array: Any) -> Any:
    if pt.is_dictionary(array.type):
        array = array.dictionary_decode()
    return (
        array
        if pt.is_string(array.type) or pt.is_large_string(array.type)
        else array.cast(pa.string())
    )


def _nulls(array: Any) -> np.ndarray:
    """True where a value is missing."""
    valid = array.buffers()[0] if array.null_count else None
    if valid is None:
        return np.zeros(len(array), np.bool_)
    bits = np.unpackbits(np.frombuffer(valid, np.uint8), bitorder="little")
    return bits[array.offset : array.offset + len(array)] == 0


def _filled(array: Any, dtype: Any, missing: float) -> np.ndarray:
    """A fresh, writable array of plain values; kernels are then compiled for one kind only."""
    data = array.buffers()[1]
    if data is None:
        return np.full(len(array), missing, dtype)
    values = np.frombuffer(data, dtype)[array.offset : array.offset + len(array)].copy()
    if array.null_count:
        values[_nulls(array)] = missing
    return values
