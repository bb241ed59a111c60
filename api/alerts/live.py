"""Alerts in the status store: one with its life, and the open ones page by page."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from analytics.history.alerts import AlertFilter, AlertPlace
from api.history.attention import next_places
from api.identity.caller import Caller
from domain.alert_records import OPEN_STATES, Record, alert_record, transition_record
from domain.alerts import Alert, Transition
from domain.instants import MILLISECOND, parse_rfc3339
from domain.topics import alert_key, open_alerts_key

_READ_AT_ONCE = 200
_MOST_READ = 10_000
_alert = msgspec.json.Decoder(Alert).decode
_transition = msgspec.json.Decoder(Transition).decode
_OPEN = frozenset(map(str, OPEN_STATES))


@dataclass(frozen=True, slots=True)
class Live:
    """An alert as the status store has it."""

    alert: Alert
    transitions: Sequence[Transition]

    def record(self) -> Record:
        """With its life, as it is shown."""
        steps = [transition_record(step) for step in self.transitions]
        return {**alert_record(self.alert), "transitions": steps}


@dataclass(frozen=True, slots=True)
class Part:
    """Alerts of one source, those that began last first, as far as `end`; None: all there are."""

    records: Sequence[Record]
    end: AlertPlace | None


async def live_alert(store: Any, alert_id: str) -> Live | None:
    """One alert, None where the status store has none (any more)."""
    members: Mapping[bytes, bytes] = await store.hgetall(alert_key(alert_id))
    if b"body" not in members:
        return None
    steps = [_transition(raw) for name, raw in members.items() if name[1:].isdigit()]
    return Live(_alert(members[b"body"]), sorted(steps, key=lambda step: step.seq))


async def live_records(store: Any, alert_ids: Sequence[str]) -> list[Record | None]:
    """Alerts by their ids, in this order."""
    if not alert_ids:
        return []
    async with store.pipeline(transaction=False) as pipe:
        for alert_id in alert_ids:
            pipe.hget(alert_key(alert_id), "body")
        bodies = await pipe.execute()
    return [None if body is None else alert_record(_alert(body)) for body in bodies]


async def open_alerts(
    store: Any, chosen: AlertFilter, caller: Caller, *, limit: int, after: AlertPlace | None
) -> Part:
    """Up to `limit` open alerts that fit and the caller may see."""
    keys = [open_alerts_key(desk) for desk in _desks(chosen, caller)]
    place = None if after is None else (float(after.started_ms), after.alert_id)
    found: list[Record] = []
    for _ in range(_MOST_READ // _READ_AT_ONCE):
        batch = await next_places(store, keys, place, _READ_AT_ONCE)
        records = await live_records(store, [alert_id for _, alert_id in batch])
        for at, record in zip(batch, records, strict=True):
            place = at
            if record is None or not caller.sees(record["desk"]) or not fits(record, chosen):
                continue
            found.append(record)
            if len(found) == limit:
                return Part(found, place_of(record))
        if len(batch) < _READ_AT_ONCE:
            return Part(found, None)
    return Part(found, None if place is None else AlertPlace(int(place[0]), place[1]))


def _desks(chosen: AlertFilter, caller: Caller) -> Sequence[str]:
    """Desks whose sets are read; an empty name is everybody's."""
    if chosen.desk is not None:
        return [chosen.desk] if caller.sees(chosen.desk) else []
    return [""] if caller.desks is None else sorted(caller.desks)


def place_of(record: Record) -> AlertPlace:
    """Where an alert stands in a list."""
    return AlertPlace(parse_rfc3339(record["started_at"]) // MILLISECOND, record["alert_id"])


def fits(record: Record, chosen: AlertFilter) -> bool:
    """Whether an alert is among those asked for."""
    for name, wanted in (("desk", chosen.desk), ("scope", chosen.scope)):
        if wanted is not None and record[name] != wanted:
            return False
    listed = (("type", chosen.types), ("state", chosen.states), ("severity", chosen.severities))
    if any(wanted and record[name] not in wanted for name, wanted in listed):
        return False
    if chosen.is_open is not None and (record["state"] in _OPEN) is not chosen.is_open:
        return False
    if chosen.order_id is not None and chosen.order_id not in {
        record["scope"],
        *record["order_ids"],
    }:
        return False
    return _begun_within(record, chosen.since_ns, chosen.until_ns)


def _begun_within(record: Record, since_ns: int | None, until_ns: int | None) -> bool:
    at = parse_rfc3339(record["started_at"])
    return (since_ns is None or at >= since_ns) and (until_ns is None or at < until_ns)
