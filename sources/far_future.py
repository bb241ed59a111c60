"""What no file can hold: events of long after the others.

A message on the bus says when it was stored, so an event dated after that is found at once. A
file says no such thing; but one event of another century would move time past everything else
in it, and open orders would be marked until then. So a file has a last day.
"""

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from itertools import islice

from domain.errors import Refused
from domain.reasons import DeadLetterReason

LASTS_DAYS = 366
"""How long after its first events the others of a file may be."""
_LOOKED_AT = 101
_DIGITS = len("2026-11-20")


def last_day(times: Iterable[str]) -> str | None:
    """The last day on which an event may lie, by the first times of a file in RFC 3339.

    The middle one of a hundred counts, so that a wrong time among them does no harm. None
    where there are none.
    """
    days = sorted(filter(None, map(_day, islice(times, _LOOKED_AT))))
    if not days:
        return None
    try:
        return (_middle(days) + timedelta(days=LASTS_DAYS)).isoformat()
    except OverflowError:
        return None


def _middle(days: Sequence[date]) -> date:
    return days[(len(days) - 1) // 2]


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text[:_DIGITS])
    except ValueError:
        return None


def refuse_far_future(ts_event: object, last: str | None) -> None:
    """Raises Refused where an event in RFC 3339 lies after the file's last day."""
    if last is None or not isinstance(ts_event, str) or ts_event[:_DIGITS] <= last:
        return
    if _day(ts_event) is not None:
        raise Refused(
            DeadLetterReason.FUTURE,
            f"ts_event is {ts_event[:40]}, more than {LASTS_DAYS} days after the file's "
            "first events",
        )
