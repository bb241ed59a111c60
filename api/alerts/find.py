"""Alerts wherever they are: open ones in the status store, past ones in history.

The status store is ahead of history, so what both have is shown as the store has it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import HTTPConnection

from analytics.history.alerts import (
    AlertFilter,
    AlertPlace,
    find_alert,
    list_alerts,
    list_transitions,
)
from api.alerts.live import Live, Part, fits, live_alert, live_records, open_alerts, place_of
from api.context import Context
from api.deps import note
from api.identity.caller import Caller
from api.problems import Problem
from domain.alert_records import Record

_NOTHING = Part((), None)


@dataclass(frozen=True, slots=True)
class AlertPage:
    """Alerts, those that began last first, and where the next page begins."""

    records: Sequence[Record]
    more: AlertPlace | None


def alert_not_found(alert_id: str) -> Problem:
    """The alert is not known, or not the caller's to see: both look the same."""
    return Problem(404, "alert-not-found", f"nothing is known of alert {alert_id!r}")


async def page_of_alerts(
    context: Context, chosen: AlertFilter, caller: Caller, *, limit: int, after: AlertPlace | None
) -> AlertPage:
    """Up to `limit` alerts that fit; a page may hold fewer and still have one behind it.

    Open ones come from the status store, past ones from history. Raises Problem 503 where
    history is needed and there is none.
    """
    live = past = _NOTHING
    if chosen.is_open is not False:
        live = await open_alerts(context.status, chosen, caller, limit=limit + 1, after=after)
    if chosen.is_open is not True:
        past = await _past(context, chosen, caller, limit + 1, after)
    found = {record["alert_id"]: record for record in (*past.records, *live.records)}
    placed = sorted(((_key(place_of(r)), r) for r in found.values()), key=lambda p: p[0])
    ends = [_key(part.end) for part in (live, past) if part.end is not None]
    # Behind the nearest end of a source there may be more of it: leave that to the next page.
    end = min(ends, default=None)
    whole = [pair for pair in placed if end is None or pair[0] <= end]
    page = [record for _, record in whole[:limit]]
    if len(whole) > limit:
        return AlertPage(page, place_of(page[-1]))
    return AlertPage(page, None if end is None else AlertPlace(-end[0], end[1].text))


@dataclass(frozen=True, slots=True)
class _Backwards:
    """A text that sorts the other way round."""

    text: str

    def __lt__(self, other: "_Backwards") -> bool:
        return self.text > other.text

    def __le__(self, other: "_Backwards") -> bool:
        return self.text >= other.text


def _key(place: AlertPlace) -> tuple[int, _Backwards]:
    return -place.started_ms, _Backwards(place.alert_id)


async def _past(
    context: Context, chosen: AlertFilter, caller: Caller, limit: int, after: AlertPlace | None
) -> Part:
    async with context.history() as connection:
        rows = await list_alerts(connection, chosen, desks=caller.desks, limit=limit, after=after)
    newer = await live_records(context.status, [row["alert_id"] for row in rows])
    both = [row if live is None else live for row, live in zip(rows, newer, strict=True)]
    end = place_of(rows[-1]) if len(rows) == limit else None
    return Part([record for record in both if fits(record, chosen)], end)


async def visible_alert(
    request: HTTPConnection, context: Context, caller: Caller, alert_id: str
) -> tuple[Live | None, Record]:
    """An alert with its life, live where it is. Raises the 404 and notes who was refused."""
    live = await live_alert(context.status, alert_id)
    record = await _stored(context, alert_id) if live is None else live.record()
    if record is None:
        raise alert_not_found(alert_id)
    if not caller.sees(record["desk"]):
        note(request, caller.name, "refused", target=alert_id, why="another desk's alert")
        raise alert_not_found(alert_id)
    return live, record


async def _stored(context: Context, alert_id: str) -> Record | None:
    if context.pool is None:
        return None
    async with context.history() as connection:
        record = await find_alert(connection, alert_id)
        if record is None:
            return None
        return {**record, "transitions": await list_transitions(connection, alert_id)}
