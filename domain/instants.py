"""UNIX nanoseconds inside, RFC 3339 UTC outside."""

import re
from datetime import UTC, datetime
from functools import lru_cache

NO_TIME = -(1 << 63)
"""A time that is not known; sorts before every other."""
END_OF_TIME = (1 << 63) - 1
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
_FURTHEST = 1 << 62

_SHAPE = re.compile(
    r"(\d{4}-\d{2}-\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?"
    r"(?:[Zz]|([+-])(\d{2}):(\d{2}))",
    re.ASCII,
)


def parse_rfc3339(text: str) -> int:
    """Nanoseconds since 1970 of an RFC 3339 time with an offset.

    Raises ValueError with what is wrong: no offset or no such one, no such day, not a time at
    all, or before 1824 or after 2116, where sums of times would not fit 64 bits.
    """
    found = _SHAPE.fullmatch(text)
    if found is None:
        raise ValueError(f"expected a time such as 2026-11-20T14:30:00.5Z, got {text!r}")
    day, hour, minute, second, fraction, sign, offset_h, offset_m = found.groups()
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise ValueError(f"no such time of day: {text!r}")
    if sign and (int(offset_h) > 23 or int(offset_m) > 59):
        raise ValueError(f"no such offset from UTC: {text!r}")
    midnight = _midnight(day)
    seconds = midnight + int(hour) * 3600 + int(minute) * 60 + int(second)
    if sign:
        shift = int(offset_h) * 3600 + int(offset_m) * 60
        seconds += -shift if sign == "+" else shift
    ns = seconds * SECOND + int((fraction or "0").ljust(9, "0"))
    if not -_FURTHEST < ns < _FURTHEST:
        raise ValueError(f"expected a time from 1824 to 2116, got {text!r}")
    return ns


_days: dict[str, int] = {}


def _midnight(day: str) -> int:
    known = _days.get(day)
    if known is None:
        if len(_days) > 4096:
            _days.clear()
        known = _days[day] = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp())
    return known


@lru_cache(maxsize=4096)
def _to_second(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def format_rfc3339(ns: int) -> str:
    """RFC 3339 UTC with as many digits as the value needs (0, 3, 6 or 9)."""
    seconds, fraction = divmod(ns, SECOND)
    stamp = _to_second(seconds)
    if fraction == 0:
        return stamp + "Z"
    digits = f"{fraction:09d}"
    while digits.endswith("000"):
        digits = digits[:-3]
    return f"{stamp}.{digits}Z"
