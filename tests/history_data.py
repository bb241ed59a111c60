"""Orders as the monitor sees them, through its real flow, into a real store of history."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from cli.replay.run import ReplayOptions, replay
from domain.instants import format_rfc3339, parse_rfc3339
from domain.rows import Rows
from sinks.history.events import events_of, rows_of
from sinks.history.writer import HistoryClient, Origin, Sourced, pack
from sinks.status import StatusPartition, StatusSettings
from sinks.updates import updates_of
from sources.ndjson import NdjsonReader

T0 = parse_rfc3339("2026-11-20T14:30:00Z")
SECOND = 1_000_000_000
PARENT = "A/1 #ü"
FIRST, SECOND_CHILD = f"{PARENT}.1", f"{PARENT}.2"
OPEN, OTHERS, NOBODYS = "A2", "E1", "N1"
US, EU = "US-CASH", "EU-CASH"
_AMZN = {"symbol": "AMZN", "currency": "USD"}
_SAP = {"symbol": "SAP", "currency": "EUR"}


def at(t: float) -> str:
    """The instant `t` seconds after 14:30."""
    return format_rfc3339(T0 + round(t * SECOND))


def _market() -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = []
    for i in range(-20, 400):
        mid = 225.0 + 0.01 * ((i * 7) % 11) + 0.0005 * i
        events += [
            {"type": "quote", "symbol": "AMZN", "bid": round(mid - 0.01, 4),
             "ask": round(mid + 0.01, 4), "bid_size": 300, "ask_size": 500, "t": i},
            {"type": "trade", "symbol": "AMZN", "price": round(mid, 4), "size": 150,
             "venue": "XNAS", "t": i + 0.4},
            {"type": "quote", "symbol": "SAP", "bid": 120.0 + 0.01 * (i % 5),
             "ask": 120.03 + 0.01 * (i % 5), "t": i + 0.1},
            {"type": "trade", "symbol": "SAP", "price": 120.02, "size": 90, "t": i + 0.7},
        ]  # fmt: skip
    return events


def _child(order_id: str, t: float, type_: str, **more: Any) -> dict[str, Any]:
    return {"type": type_, "order_id": order_id, "parent_order_id": PARENT,
            "root_order_id": PARENT, "side": "BUY", **_AMZN, "t": t, **more}  # fmt: skip


def _desk_orders() -> list[dict[str, Any]]:
    parent = {"order_id": PARENT, "side": "BUY", **_AMZN}
    return [
        {"type": "order_accepted", **parent, "order_qty": 1000, "ord_type": "LIMIT",
         "limit_px": 226.0, "algo": "TWAP", "broker": "BRK1", "strategy": "index-add",
         "desk": US, "trader": "t07", "client": "C1", "cl_ord_id": "CL1",
         "algo_params": {"schedule": "TWAP", "start": at(0), "end": at(300)},
         "decision_ts": at(-5), "decision_px": 224.9, "t": 0.000123456},
        _child(FIRST, 1, "order_accepted", order_qty=500, desk=US),
        _child(FIRST, 1.1, "route_sent", route_id="R1", venue="XNAS", order_qty=500),
        _child(FIRST, 1.1004, "route_acknowledged", route_id="R1", venue="XNAS"),
        _child(FIRST, 2.5, "order_filled", exec_id="E77", last_qty=200, last_px=225.01,
               cum_qty=200, leaves_qty=300, venue="XNAS", liquidity="REMOVED", fee=0.6),
        _child(FIRST, 2.5, "order_filled", exec_id="E77", last_qty=200, last_px=225.01,
               cum_qty=200, leaves_qty=300, venue="XNAS", liquidity="REMOVED", fee=0.6),
        _child(FIRST, 4.25, "order_filled", exec_id="E78", last_qty=300, last_px=225.05,
               cum_qty=500, leaves_qty=0, venue="XNAS", liquidity="ADDED", fee=-0.2),
        _child(SECOND_CHILD, 10, "order_accepted", order_qty=400, desk=US),
        _child(SECOND_CHILD, 10.2, "route_sent", route_id="R2", venue="ARCX", order_qty=400),
        _child(SECOND_CHILD, 10.2031, "route_rejected", route_id="R2", venue="ARCX",
               reject_reason=3),
        _child(SECOND_CHILD, 10.3, "route_sent", route_id="R3", venue="BATS", order_qty=400),
        _child(SECOND_CHILD, 10.3007, "route_acknowledged", route_id="R3", venue="BATS"),
        _child(SECOND_CHILD, 20, "order_filled", exec_id="F1", last_qty=100, last_px=225.08,
               cum_qty=100, leaves_qty=300, venue="BATS", fee=0.1),
        _child(SECOND_CHILD, 25, "order_filled", exec_id="F2", last_qty=100, last_px=225.09,
               cum_qty=200, leaves_qty=200, venue="BATS", fee=0.1),
        _child(SECOND_CHILD, 40, "fill_corrected", exec_id="F2c", exec_ref_id="F2",
               last_qty=100, last_px=225.06, cum_qty=200),
        _child(SECOND_CHILD, 50, "fill_busted", exec_id="F1b", exec_ref_id="F1"),
        _child(SECOND_CHILD, 60, "order_cancelled"),
        {"type": "order_replaced", **parent, "order_qty": 900, "t": 100},
        {"type": "order_cancelled", **parent, "t": 310},
    ]  # fmt: skip


def _other_orders() -> list[dict[str, Any]]:
    return [
        {"type": "order_accepted", "order_id": OPEN, "side": "SELL", **_AMZN, "order_qty": 2000,
         "algo": "VWAP", "broker": "BRK2", "desk": US, "trader": "t08", "t": 15},
        {"type": "order_filled", "order_id": OPEN, "side": "SELL", **_AMZN, "exec_id": "G1",
         "last_qty": 700, "last_px": 225.02, "cum_qty": 700, "venue": "XNAS", "fee": 1.4, "t": 30},
        {"type": "order_accepted", "order_id": OTHERS, "side": "SELL", **_SAP, "order_qty": 1000,
         "algo": "POV", "broker": "BRK1", "desk": EU, "trader": "t20", "t": 5,
         "decision_ts": at(4), "decision_px": 120.05},
        {"type": "order_filled", "order_id": OTHERS, "side": "SELL", **_SAP, "exec_id": "H1",
         "last_qty": 1000, "last_px": 119.98, "cum_qty": 1000, "venue": "XETR", "fee": 3.0,
         "t": 45},
        {"type": "order_accepted", "order_id": NOBODYS, "side": "BUY", **_AMZN, "order_qty": 100,
         "t": 50},
    ]  # fmt: skip


def example_events() -> list[dict[str, Any]]:
    """Two desks and an order without one: a parent with children, busts, another's order."""
    events = sorted([*_market(), *_desk_orders(), *_other_orders()], key=lambda e: e["t"])
    return [{**{k: v for k, v in e.items() if k != "t"}, "ts_event": at(e["t"])} for e in events]


def many_orders(
    count: int, *, first: int = 0, desk: str = US, since_s: float = 1000.0
) -> list[dict[str, Any]]:
    """Orders that were only accepted, some at the same instant."""
    return [
        {"type": "order_accepted", "order_id": f"M{n:05d}", "side": "BUY", "symbol": "IBM",
         "order_qty": 100 + n % 7, "desk": desk, "ts_event": at(since_s + n // 3)}
        for n in range(first, first + count)
    ]  # fmt: skip


def monitored(events: Iterable[dict[str, Any]], folder: Path, marks_s: float = 60.0) -> list[Rows]:
    """What the monitor's own dataflow makes of the events."""
    file = folder / "events.ndjson"
    file.write_bytes(b"\n".join(map(msgspec.json.encode, events)) + b"\n")
    found: list[Rows] = []
    replay([NdjsonReader(file)], ReplayOptions(marks_s=marks_s), seen=found.append)
    return found


def without_records(rows: Sequence[Rows]) -> list[Rows]:
    """The same while the orders still work: no record is written yet."""
    return [
        Rows(
            status=r.status,
            status_venues=r.status_venues,
            executed=r.executed,
            timeline=r.timeline,
            names=r.names,
        )
        for r in rows
    ]


def store_history(rows: Sequence[Rows], url: str) -> int:
    """Write what the bus would carry into the history store; gives the number of rows."""
    refused: list[str] = []
    client = HistoryClient(url, lambda row, words: refused.append(words))
    found: list[Sourced] = []
    for part in rows:
        events = list(updates_of(part, T0, "test"))
        body = b"[" + b",".join(events) + b"]"
        origin = Origin(0, "1-0", body, T0)
        found += [Sourced(row, origin) for event in events_of(body) for row in rows_of(event)]
    client.send(pack(found))
    client.close()
    assert not refused
    return len(found)


def store_live(rows: Sequence[Rows], url: str) -> None:
    """Write the statuses into the status store."""
    sink = StatusPartition(url, StatusSettings(conflate_ms=0))
    sink.write_batch(list(rows))
    sink.snapshot()
    sink.close()
