"""Alerts by filter and page, one alert, and the steps of its life.

Lists are merged with those of the status store, so the order is one that both have: the
millisecond in which an alert began, then its id, byte by byte.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import msgspec
from psycopg.sql import SQL, Composable

from analytics.history.connection import (
    Connection,
    Desks,
    Row,
    all_of,
    desk_list,
    fetch_all,
    fetch_one,
    fragment,
)
from domain.instants import format_rfc3339

_ENTITLED = SQL("(%(desks)s::text[] IS NULL OR a.desk = ANY(%(desks)s))")
_COLUMNS = (
    'a.alert_id, a.dedupe_key, a.transition, a.desk, a.scope, a."type", a.state, a.severity, '
    "a.rule_severity, a.symbol, a.order_ids, a.started_ns, a.changed_ns, a.ended_ns, "
    "a.current_progress, a.expected_progress, a.execution_speed, a.cost_efficiency, "
    "a.recommendation, a.evidence, a.severity_history, a.suppressed_by, a.group_id, "
    "a.snoozed_until_ns, a.acked_by, a.closed_by, a.close_reason"
)
_SELECT = fragment(f"SELECT {_COLUMNS} FROM alerts AS a WHERE ")
_SAME = (
    "alert_id", "desk", "scope", "type", "state", "severity", "rule_severity", "symbol",
    "order_ids", "current_progress", "expected_progress", "execution_speed", "cost_efficiency",
    "recommendation", "suppressed_by", "acked_by", "closed_by", "close_reason", "dedupe_key",
    "evidence", "severity_history",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertFilter:
    """Which alerts are asked for; None does not choose."""

    is_open: bool | None = None
    desk: str | None = None
    types: tuple[str, ...] = ()
    states: tuple[str, ...] = ()
    severities: tuple[str, ...] = ()
    scope: str | None = None
    order_id: str | None = None
    """Alerts that concern this order, those about its venue or algorithm included."""
    since_ns: int | None = None
    """Begun then or later."""
    until_ns: int | None = None
    """Begun before; not included."""


@dataclass(frozen=True, slots=True)
class AlertPlace:
    """The last alert of a page: its beginning, UNIX ms, and its id."""

    started_ms: int
    alert_id: str


async def list_alerts(
    connection: Connection,
    chosen: AlertFilter,
    *,
    desks: Desks,
    limit: int,
    after: AlertPlace | None = None,
) -> list[Row]:
    """Up to `limit` alerts that fit, those that began last first, as records."""
    conditions: list[Composable] = [_ENTITLED]
    values: dict[str, Any] = {"desks": desk_list(desks), "limit": limit}
    for name, condition in _CONDITIONS.items():
        value = getattr(chosen, name)
        if value is not None and value != ():
            conditions.append(condition)
            values[name] = list(value) if isinstance(value, tuple) else value
    if chosen.is_open is not None:
        conditions.append(SQL("(a.ended_ns IS NULL) = %(is_open)s"))
        values["is_open"] = chosen.is_open
    if chosen.order_id is not None:
        conditions.append(SQL("(a.scope = %(order_id)s OR a.order_ids @> %(orders)s::jsonb)"))
        values["order_id"] = chosen.order_id
        values["orders"] = msgspec.json.encode([chosen.order_id]).decode()
    if after is not None:
        conditions.append(SQL("(a.started_ms, a.alert_id) < (%(after_ms)s, %(after_id)s)"))
        values |= {"after_ms": after.started_ms, "after_id": after.alert_id}
    query = SQL("{}{} ORDER BY a.started_ms DESC, a.alert_id DESC LIMIT %(limit)s").format(
        _SELECT, all_of(conditions)
    )
    return [_record(row) for row in await fetch_all(connection, query, values)]


_CONDITIONS: Mapping[str, SQL] = {
    "desk": SQL("a.desk = %(desk)s"),
    "types": SQL('a."type" = ANY(%(types)s)'),
    "states": SQL("a.state = ANY(%(states)s)"),
    "severities": SQL("a.severity = ANY(%(severities)s)"),
    "scope": SQL("a.scope = %(scope)s"),
    "since_ns": SQL("a.started_ns >= %(since_ns)s"),
    "until_ns": SQL("a.started_ns < %(until_ns)s"),
}


async def find_alert(connection: Connection, alert_id: str) -> Row | None:
    """One alert as a record, whoever's it is; None where history has none."""
    query = SQL("{}a.alert_id = %(alert_id)s").format(_SELECT)
    row = await fetch_one(connection, query, {"alert_id": alert_id})
    return None if row is None else _record(row)


_STEPS = SQL("""
SELECT seq, at_ns, change, state, severity, "by", why FROM alert_transitions
WHERE alert_id = %(alert_id)s ORDER BY seq
""")


async def list_transitions(connection: Connection, alert_id: str) -> list[Row]:
    """The published steps of an alert's life as records, the first one first."""
    rows = await fetch_all(connection, _STEPS, {"alert_id": alert_id})
    return [{"seq": row.pop("seq"), "at": format_rfc3339(row.pop("at_ns")), **row} for row in rows]


def _record(row: Row) -> Row:
    """As `domain.alert_records` shows a live one."""
    times = {f"{name}_at": _time(row[f"{name}_ns"]) for name in ("started", "changed", "ended")}
    return {
        **{name: row[name] for name in _SAME},
        **times,
        "group": row["group_id"],
        "snoozed_until": _time(row["snoozed_until_ns"]),
        "seq": row["transition"],
    }


def _time(ns: int | None) -> str | None:
    return None if ns is None else format_rfc3339(ns)
