"""Alerts from the status store, as records and as a table."""

import time
from collections.abc import Sequence
from typing import Any

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from domain.alert_records import Record, alert_record, at_least, transition_record
from domain.alerts import Alert, Transition, rank
from domain.instants import SECOND, parse_rfc3339
from domain.published import Severity
from domain.topics import alert_key, open_alerts_key

_AT_ONCE = 200
_COLOUR = {"CRITICAL": "bold red", "HIGH": "red", "MEDIUM": "yellow", "LOW": "dim"}
_alert = msgspec.json.Decoder(Alert).decode
_transition = msgspec.json.Decoder(Transition).decode


def open_alerts(
    client: Any, *, desk: str = "", least: Severity | None = None, order_id: str | None = None
) -> list[Record]:
    """Open alerts, the most severe first, of those the ones that began last."""
    ids = [raw.decode() for raw in client.zrange(open_alerts_key(desk), 0, -1, desc=True)]
    found: list[Record] = []
    for at in range(0, len(ids), _AT_ONCE):
        with client.pipeline(transaction=False) as pipe:
            for alert_id in ids[at : at + _AT_ONCE]:
                pipe.hget(alert_key(alert_id), "body")
            bodies = pipe.execute()
        found += [alert_record(_alert(body)) for body in bodies if body is not None]
    kept = [
        one for one in found
        if at_least(one["severity"], least) and order_id in {None, one["scope"], *one["order_ids"]}
    ]  # fmt: skip
    return sorted(kept, key=lambda one: -rank(one["severity"]))


def alert_of(client: Any, alert_id: str) -> tuple[Alert, list[Transition]] | None:
    """One alert and the steps of its life, None where the status store has none (any more)."""
    members = client.hgetall(alert_key(alert_id))
    if b"body" not in members:
        return None
    steps = [_transition(raw) for name, raw in members.items() if name[1:].isdigit()]
    return _alert(members[b"body"]), sorted(steps, key=lambda step: step.seq)


def whole_record(alert: Alert, steps: Sequence[Transition]) -> Record:
    """An alert with its life."""
    return {**alert_record(alert), "transitions": [transition_record(step) for step in steps]}


def alerts_table(records: Sequence[Record], now_ns: int | None = None) -> Table:
    """A row for each alert: how urgent, what about, what to do, its id."""
    now = time.time_ns() if now_ns is None else now_ns
    table = Table(box=box.SIMPLE_HEAD, caption=None if records else "no open alerts")
    table.caption_justify = "left"
    for name in ("severity", "state", "age", "alert"):
        table.add_column(
            name, justify="right" if name == "age" else "left", no_wrap=name != "alert"
        )
    for one in records:
        about = (one["scope"], one["symbol"], one["desk"])
        lines = [
            f"{one['type']}  {' · '.join(part for part in about if part)}",
            one["recommendation"],
            f"explained by {one['suppressed_by']}" if one["suppressed_by"] else "",
            one["alert_id"],
        ]
        table.add_row(
            Text(one["severity"], style=_COLOUR[one["severity"]]), one["state"],
            age((now - parse_rfc3339(one["started_at"])) / SECOND),
            Text("\n".join(line for line in lines if line)),
        )  # fmt: skip
    return table


def age(seconds: float) -> str:
    """Such as `12 s`, `8 min` or `3.5 h`."""
    seconds = max(seconds, 0.0)
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7_200 else f"{seconds / 3600:.1f} h"
