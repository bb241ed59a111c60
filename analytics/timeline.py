"""The life of an order as a list of steps, with the time from each to the next."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from domain.instants import format_rfc3339

_MS = 1_000_000
_ROUTE = "route_"
_FROM_EVENT = ("order_id", "parent_order_id", "symbol", "venue", "side", "order_qty", "limit_px",
               "last_qty", "last_px", "cum_qty", "leaves_qty", "fee", "avg_px", "liquidity",
               "reject_reason", "seq")  # fmt: skip
_LATER = ("ack_ms", "known_at", "route_id", "exec_id", "exec_ref_id", *_FROM_EVENT[1:])


def steps_of(
    events: Iterable[Mapping[str, Any]],
    *,
    order_id: str,
    decision_ns: int | None = None,
    previous_ns: int | None = None,
) -> Iterator[dict[str, Any]]:
    """Each event as a step: the decision first where its time is known.

    `events` are rows of `order_events`, oldest first; `previous_ns` is the time of the step
    before the first. `since_previous_ms` lies between a step and the one shown before it,
    `ack_ms` between a route's sending and the answer to it.
    """
    if decision_ns is not None and previous_ns is None:
        yield _step("decision", order_id, decision_ns, None)
        previous_ns = decision_ns
    for event in events:
        yield _of_event(event, previous_ns)
        previous_ns = event["ts_ns"]


def _step(kind: str, order_id: str, ts_ns: int, previous_ns: int | None) -> dict[str, Any]:
    return {
        "type": kind,
        "ts": format_rfc3339(ts_ns),
        "since_previous_ms": None if previous_ns is None else (ts_ns - previous_ns) / _MS,
        "order_id": order_id,
        **dict.fromkeys(_LATER),
    }


def _of_event(event: Mapping[str, Any], previous_ns: int | None) -> dict[str, Any]:
    kind, ts_ns = event["type"], event["ts_ns"]
    is_route = kind.startswith(_ROUTE)
    sent_ns, known_ns = event["sent_ns"], event["known_ns"]
    return {
        **_step(kind, event["order_id"], ts_ns, previous_ns),
        "ack_ms": None if sent_ns is None else (ts_ns - sent_ns) / _MS,
        "known_at": None if known_ns is None else format_rfc3339(known_ns),
        "route_id": event["exec_id"] if is_route else None,
        "exec_id": None if is_route else event["exec_id"],
        "exec_ref_id": event["exec_ref_id"],
        **{name: event[name] for name in _FROM_EVENT},
    }
