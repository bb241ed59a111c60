"""Finding FIX messages in the lines of a log."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

SOH = b"\x01"
_START = re.compile(rb"(?<![0-9])8=(FIXT?\.\d\.\d(?:SP\d)?)(\x01|;|\||\^A|\^)")
_REMAINS = re.compile(rb"8=FIX|[\x01;|^]35=")
"""What only a FIX message has: left in a line without a message, it is a damaged one."""


class Found(NamedTuple):
    """One message: its tags, first occurrence of each, and all pairs in order."""

    raw: bytes
    fields: dict[str, str]
    pairs: list[tuple[str, str]]
    length_ok: bool
    checksum_ok: bool

    def values(self, tag: str) -> list[str]:
        """Every value of a tag that may repeat."""
        return [value for name, value in self.pairs if name == tag]


class Damaged(NamedTuple):
    """Bytes that began as a message but cannot be one, and why."""

    raw: bytes
    words: str


def messages_of(line: bytes) -> Iterator[Found | Damaged]:
    """Every message of a line, with whatever stands before, between and behind left out.

    The delimiter is the one behind the first field: SOH, `;`, `|`, `^` or `^A`. A line
    without any trace of FIX gives nothing.
    """
    starts = list(_START.finditer(line))
    if not starts:
        if _REMAINS.search(line):
            yield Damaged(line, "expected 8=FIX.4.2 or the like at the start, then 9= and 35=")
        return
    for i, start in enumerate(starts):
        end = starts[i + 1].start() if i + 1 < len(starts) else len(line)
        yield _message(line[start.start() : end], start[2])


def _message(text: bytes, delimiter: bytes) -> Found | Damaged:
    trailer = _trailer(delimiter).search(text)
    if trailer is None:
        return Damaged(text, "the message has no checksum (tag 10) at its end: it was cut off")
    raw = text[: trailer.end()]
    checked = text[: trailer.start() + len(delimiter)]
    pairs = [
        (tag, value)
        for part in _decoded(raw).split(delimiter.decode())
        for tag, is_pair, value in (part.partition("="),)
        if is_pair
    ]
    fields = dict(reversed(pairs))
    if "35" not in fields:
        return Damaged(raw, "the message does not say its type (tag 35)")
    return Found(
        raw, fields, pairs, _length_ok(checked, delimiter, fields.get("9", "")),
        _checksum(checked, delimiter) == int(trailer[1]),
    )  # fmt: skip


@lru_cache
def _trailer(delimiter: bytes) -> re.Pattern[bytes]:
    mark = re.escape(delimiter)
    return re.compile(mark + rb"10=(\d{3})(?=" + mark + rb"|\s|$)")


def _decoded(raw: bytes) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError:
        return raw.decode("latin-1")


def _length_ok(checked: bytes, delimiter: bytes, stated: str) -> bool:
    """Whether tag 9 counts the bytes behind it, up to tag 10, with one-byte delimiters."""
    second = checked.find(delimiter, checked.find(delimiter + b"9=") + 1)
    body = checked[second + len(delimiter) :]
    length = len(body) - body.count(delimiter) * (len(delimiter) - 1)
    return stated.isascii() and stated.isdigit() and int(stated) == length


def _checksum(checked: bytes, delimiter: bytes) -> int:
    """Sum of all bytes before tag 10 modulo 256, the delimiter counted as SOH."""
    return sum(checked.replace(delimiter, SOH) if delimiter != SOH else checked) & 255
