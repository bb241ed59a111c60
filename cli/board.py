"""Open orders from the status store, those that need attention first, as rows and a table."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from rich import box
from rich.table import Table
from rich.text import Text

from cli.output import number
from domain.instants import SECOND, parse_rfc3339
from domain.topics import open_orders_key, status_key

Status = Mapping[str, Any]
_BAR = 12
_PAGE = 200
_MOST_PAGES = 25
_GOOD, _BAD = "green", "red"


def open_orders(
    client: Any, *, desk: str = "", limit: int = 30, children: bool = False
) -> list[Status]:
    """Statuses of open orders by falling attention, at most `limit`.

    Children of another order are left out unless `children`.
    """
    found: list[Status] = []
    for page in range(_MOST_PAGES):
        first = page * _PAGE
        ids = client.zrange(open_orders_key(desk), first, first + _PAGE - 1, desc=True)
        for status in _bodies(client, ids):
            if children or not status.get("parent_order_id"):
                found.append(status)
                if len(found) == limit:
                    return found
        if len(ids) < _PAGE:
            break
    return found


def status_of(client: Any, order_id: str) -> Status | None:
    """The newest status of one order, its alerts in their place; None if not known."""
    body, alerts = client.hmget(status_key(order_id), ["body", "alerts"])
    return None if body is None else _decoded(body, alerts)


def _bodies(client: Any, ids: Sequence[bytes]) -> list[Status]:
    with client.pipeline(transaction=False) as pipe:
        for order_id in ids:
            pipe.hmget(status_key(order_id.decode()), ["body", "alerts"])
        found = pipe.execute()
    return [_decoded(body, alerts) for body, alerts in found if body is not None]


def _decoded(body: bytes, alerts: bytes | None) -> Status:
    status = msgspec.json.decode(body)
    if alerts:
        status["alerts"] = msgspec.json.decode(alerts)
    return status


def age_s(status: Status, now_ns: int) -> float | None:
    """Seconds since the event time of a status; never negative."""
    text = status.get("last_updated")
    return None if text is None else max(0.0, (now_ns - parse_rfc3339(text)) / SECOND)


@dataclass(frozen=True, slots=True)
class _Column:
    name: str
    is_number: bool = False
    spare: int = 0
    """When it goes where the terminal is narrow: the highest first; 0 for never."""


_COLUMNS = (
    _Column("order"),
    _Column("desk", spare=5),
    _Column("symbol"),
    _Column("side", spare=3),
    _Column("algo", spare=4),
    _Column("state", spare=2),
    _Column("progress"),
    _Column("filled", is_number=True, spare=6),
    _Column("of", is_number=True, spare=1),
    _Column("avg px", is_number=True, spare=7),
    _Column("slippage bps", is_number=True),
    _Column("vs vwap bps", is_number=True, spare=8),
    _Column("part.", is_number=True),
    _Column("age s", is_number=True),
)
_GAP = 3
_EDGES = 2


def board(
    statuses: Sequence[Status], *, now_ns: int | None = None, title: str = "", width: int = 160
) -> Table:
    """A table of statuses, as many columns as fit; cost is positive, and red, when bad for us."""
    now = time.time_ns() if now_ns is None else now_ns
    rows = [_cells(status, now) for status in statuses]
    kept = _fitting(rows, width)
    caption = None if rows else "no open orders"
    table = Table(title=title or None, title_justify="left", box=box.SIMPLE_HEAD, caption=caption)
    table.caption_justify = "left"
    for i in kept:
        column = _COLUMNS[i]
        table.add_column(column.name, justify="right" if column.is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(row[i] for i in kept))
    return table


def _fitting(rows: Sequence[Sequence[Text]], width: int) -> list[int]:
    """Columns that fit, the most dispensable left out first."""
    needed = [max((row[i].cell_len for row in rows), default=0) for i in range(len(_COLUMNS))]
    needed = [max(n, len(c.name)) + _GAP for n, c in zip(needed, _COLUMNS, strict=True)]
    kept = list(range(len(_COLUMNS)))
    while sum(needed[i] for i in kept) + _EDGES > width:
        spare = max(kept, key=lambda i: _COLUMNS[i].spare)
        if not _COLUMNS[spare].spare:
            break
        kept.remove(spare)
    return kept


def _cells(status: Status, now_ns: int) -> list[Text]:
    participation = status.get("participation_rate")
    share = "–" if participation is None else f"{100 * participation:.1f}%"
    age = age_s(status, now_ns)
    plain = [
        str(status.get(name) or "–") for name in ("order_id", "desk", "symbol", "side", "algo")
    ]
    state = str(status.get("state") or "–").replace("_", " ").lower()
    return [
        *(Text(text) for text in plain),
        Text(state + (" *" if status.get("provisional") else "")),
        Text(bar(status.get("execution_progress"), status.get("expected_progress"))),
        Text(number(status.get("cum_qty"), 0)),
        Text(number(status.get("order_qty"), 0)),
        Text(number(status.get("avg_px"), 4)),
        _cost(status.get("slippage_bps")),
        _cost(status.get("slippage_interval_vwap_bps")),
        Text(share),
        Text(number(age, 1)),
    ]


def _cost(bps: float | None) -> Text:
    if bps is None:
        return Text("–")
    return Text(f"{bps:+,.2f}", style=_BAD if bps > 0 else _GOOD)


def bar(progress: float | None, expected: float | None = None) -> str:
    """Progress as a bar, a mark where the schedule expects it: `━━━━╸──┊────  36%`."""
    if progress is None:
        return "–"
    filled = min(max(progress, 0.0), 1.0) * _BAR
    cells = ["━" if i + 1 <= filled else "╸" if i + 0.5 <= filled else "─" for i in range(_BAR)]
    if expected is not None:
        at = min(int(max(expected, 0.0) * _BAR), _BAR - 1)
        if cells[at] == "─":
            cells[at] = "┊"
    return f"{''.join(cells)} {100 * progress:3.0f}%"
