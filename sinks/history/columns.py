"""Values as PostgreSQL's binary COPY format has them."""

from collections.abc import Callable, Sequence
from enum import Enum
from struct import Struct
from typing import Any

_NULL = b"\xff\xff\xff\xff"
_F8 = Struct(">id").pack
_I8 = Struct(">iq").pack
_I4 = Struct(">ii").pack
_FLAG = {True: b"\0\0\0\1\1", False: b"\0\0\0\1\0"}
_LENGTH = Struct(">i").pack
_COUNT = Struct(">h").pack
_US_TO_2000 = 946_684_800_000_000
"""PostgreSQL counts microseconds from 2000."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"


def _text(value: str | None) -> bytes:
    if value is None:
        return _NULL
    body = value.encode()
    return _LENGTH(len(body)) + body


def _f8(value: float | None) -> bytes:
    return _NULL if value is None else _F8(8, value)


def _i8(value: int | None) -> bytes:
    return _NULL if value is None else _I8(8, value)


def _i4(value: int | None) -> bytes:
    return _NULL if value is None else _I4(4, value)


def _flag(value: bool) -> bytes:
    return _FLAG[value]


def _time(ns: int | None) -> bytes:
    return _NULL if ns is None else _I8(8, ns // 1_000 - _US_TO_2000)


def _json(raw: bytes | None) -> bytes:
    return _NULL if raw is None else _LENGTH(len(raw)) + raw


def _jsonb(raw: bytes | None) -> bytes:
    return _NULL if raw is None else _LENGTH(len(raw) + 1) + b"\1" + raw


class Kind(Enum):
    """Type of a column, and how a value of it is written."""

    TEXT = (_text,)
    F8 = (_f8,)
    I8 = (_i8,)
    I4 = (_i4,)
    FLAG = (_flag,)
    TIME = (_time,)
    """timestamptz, from UNIX ns; what is below a microsecond is cut."""
    JSON = (_json,)
    JSONB = (_jsonb,)

    def __init__(self, encode: Callable[[Any], bytes]) -> None:
        self.encode = encode


def row_encoder(kinds: Sequence[Kind]) -> Callable[[Sequence[Any]], bytes]:
    """Turns one value of each kind into a row of COPY."""
    encoders = [kind.encode for kind in kinds]
    count = _COUNT(len(encoders))

    def encode(values: Sequence[Any]) -> bytes:
        parts = [f(value) for f, value in zip(encoders, values, strict=True)]
        return count + b"".join(parts)

    return encode
