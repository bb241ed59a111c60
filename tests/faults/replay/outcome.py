"""What a run leaves behind, without what depends on the wall clock alone."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import msgspec
import psycopg
import redis
from psycopg.rows import dict_row

from bus.base import START, Bus
from bus.repeats import Repeats
from domain.records import WALL_CLOCK_FIELDS
from domain.topics import OPEN_ALERTS, OPEN_ORDERS, STATUS_PREFIX, alert_key
from domain.vocabulary import Topic

TABLES = {
    "execution_monitoring_ts": "order_id, seq",
    "fills": "order_id, pos, source",
    "orders": "order_id",
    "order_events": "order_id, pos, source",
    "alerts": "alert_id",
    "alert_transitions": "alert_id, seq",
}
"""Tables that are compared, and an order of their rows."""
_ALERT = ("seq", "desk", "body", "orders")


@dataclass(slots=True)
class Outcome:
    """Rows, statuses and events by their names, and how many events came again.

    Events are those of `execution-updates`, `execution-events` and `execution-alerts`.
    """

    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    statuses: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[str, bytes] = field(default_factory=dict)
    order: dict[str, list[int]] = field(default_factory=dict)
    """Sequence numbers of each order's statuses, in the order in which they came first."""
    alerts: dict[str, list[str]] = field(default_factory=dict)
    """Ids of the events of each desk's alerts in each partition, likewise."""
    repeated: int = 0
    spoilt: list[str] = field(default_factory=list)
    """Events that came again under the same id with other contents."""

    def count(self) -> Mapping[str, int]:
        """How much there is of each kind."""
        return {
            **{table: len(rows) for table, rows in self.rows.items()},
            "statuses": len(self.statuses),
            "events": len(self.events),
        }

    def differences(self, other: "Outcome") -> list[str]:
        """What is not the same here as there, in words, the first of each kind."""
        found = [f"event {key} came again with other contents" for key in self.spoilt[:3]]
        for table in TABLES:
            found += _differ(table, _by_text(self.rows[table]), _by_text(other.rows[table]))
        for name in ("statuses", "events", "order", "alerts"):
            found += _differ(name, getattr(self, name), getattr(other, name))
        return found


def _by_text(rows: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    found: dict[str, int] = {}
    for row in rows:
        text = msgspec.json.encode(row, enc_hook=str).decode()
        found[text] = found.get(text, 0) + 1
    return found


def _differ(what: str, ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> list[str]:
    missing = [key for key in theirs if key not in ours]
    added = [key for key in ours if key not in theirs]
    other = [key for key in ours if key in theirs and ours[key] != theirs[key]]
    found: list[str] = []
    for words, keys in (("missing", missing), ("too many", added), ("other", other)):
        if keys:
            found.append(f"{what}: {len(keys)} {words}, first {keys[0][:600]}")
    if other:
        found += _paths(ours[other[0]], theirs[other[0]])[:5]
    return found


def _paths(ours: Any, theirs: Any, path: str = "") -> list[str]:
    """Where two values differ, and how."""
    if isinstance(ours, bytes) and ours[:1] == theirs[:1] == b"{":
        ours, theirs = msgspec.json.decode(ours), msgspec.json.decode(theirs)
    if isinstance(ours, dict) and isinstance(theirs, dict):
        keys = ours.keys() | theirs.keys()
        pairs = [(f"{path}.{key}", ours.get(key), theirs.get(key)) for key in sorted(keys)]
        return [words for name, a, b in pairs for words in _paths(a, b, name)]
    return [] if ours == theirs else [f"  {path}: here {ours!r:.200}, there {theirs!r:.200}"]


def without_wall_clock(value: Any) -> Any:
    """The same with no member that says when it was computed."""
    if isinstance(value, dict):
        return {k: without_wall_clock(v) for k, v in value.items() if k not in WALL_CLOCK_FIELDS}
    return value


def outcome(bus: Bus, status: "redis.Redis", history_url: str) -> Outcome:
    """Everything that a run has left."""
    found = Outcome()
    with psycopg.connect(history_url, row_factory=dict_row) as connection:
        for table, order in TABLES.items():
            rows = connection.execute(f"SELECT * FROM {table} ORDER BY {order}").fetchall()  # type: ignore
            found.rows[table] = [without_wall_clock(row) for row in rows]
    found.statuses = _statuses(status)
    _read_events(bus, found)
    return found


def _statuses(status: Any) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key in status.scan_iter(f"{STATUS_PREFIX}*", 10_000):
        fields = {k.decode(): v for k, v in status.hgetall(key).items()}
        fields["body"] = without_wall_clock(msgspec.json.decode(fields["body"]))
        found[key.decode()] = fields
    for key in (OPEN_ORDERS, OPEN_ALERTS):
        found[key] = dict(status.zrange(key, 0, -1, withscores=True))
    # What is over, and earlier steps, an emptied store does not get back: the history has them.
    for alert_id in found[OPEN_ALERTS]:
        key = alert_key(alert_id.decode())
        found[key] = dict(zip(_ALERT, status.hmget(key, _ALERT), strict=True))
    return found


def _read_events(bus: Bus, found: Outcome) -> None:
    repeats = Repeats()
    reader = bus.reader()
    topics = (Topic.EXECUTION_UPDATES, Topic.EXECUTION_EVENTS, Topic.EXECUTION_ALERTS)
    for place in [(topic, p) for topic in topics for p in range(bus.partitions(topic))]:
        position = START
        while batch := reader.read({place: position}, 1000, 0).get(place):
            position = batch[-1].position
            for message in batch:
                events = msgspec.json.decode(message.body)
                for event in events if isinstance(events, list) else [events]:
                    is_new = repeats.is_new(event["event_id"])
                    _add(found, event, is_new=is_new)
                    if is_new and place[0] is Topic.EXECUTION_ALERTS:
                        desk = f"{event['monitoring']['desk']} in {place[1]}"
                        found.alerts.setdefault(desk, []).append(event["event_id"])
    reader.close()


def _add(found: Outcome, event: dict[str, Any], *, is_new: bool) -> None:
    key = event["event_id"]
    plain = {k: without_wall_clock(v) for k, v in without_wall_clock(event).items()}
    body = msgspec.json.encode(plain, order="deterministic")
    if not is_new:
        found.repeated += 1
        if found.events[key] != body:
            found.spoilt.append(key)
        return
    found.events[key] = body
    if event.get("kind") == "status":
        found.order.setdefault(event["order_id"], []).append(event["status"]["seq"])
