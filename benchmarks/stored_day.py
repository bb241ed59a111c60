"""A desk's messages stored on a bus before anybody reads them, and their end made visible."""

from collections.abc import Iterable, Sequence
from typing import Any

from benchmarks.bus_load import Plan, Slice, encoded
from bus.base import Bus
from bus.clock import ClockWriter
from bus.publish import Publisher
from domain.instants import SECOND, format_rfc3339
from domain.keys import GROUPS, group_of
from domain.topics import status_key

START_NS = 1_795_185_000 * SECOND
"""Event time of second 0: 2026-11-20 14:30 UTC."""
LAST = [*{group_of(name): name for name in (f"LAST-{n}" for n in range(20 * GROUPS))}.values()]
"""An order id of every group."""
END_S = 1.0
"""After the stretch the last orders come."""
_CLOCK_S = 0.25


def store_day(bus: Bus, plan: Plan) -> int:
    """Store everything with event-time clocks; gives the number of events."""
    slices, _, _ = encoded(plan, START_NS)
    with ClockWriter(bus, kind="event") as clock:
        ticked = -plan.accept_s
        clock.tick(_ns(ticked))
        for due_s, messages in _together(slices):
            while due_s - ticked > _CLOCK_S:
                ticked += _CLOCK_S
                clock.tick(_ns(ticked))
            bus.append(messages)
        end_s = plan.seconds + END_S
        publisher = Publisher(bus)
        for name in LAST:
            publisher.add(
                {"type": "order_accepted", "order_id": name, "symbol": "S000", "side": "BUY",
                 "order_qty": 1.0, "ts_event": format_rfc3339(_ns(end_s))}
            )  # fmt: skip
        publisher.flush()
        clock.tick(_ns(end_s + 0.001))
    return sum(message.body.count(b'"ts_event"') for _, some in slices for message in some)


def _ns(at_s: float) -> int:
    return START_NS + round(at_s * SECOND)


def _together(slices: Sequence[Slice], most: int = 200) -> Iterable[Slice]:
    """Slices in bundles, for fewer round trips; a clock falls between bundles only."""
    waiting: list[Any] = []
    due_s = 0.0
    for slice_due_s, messages in slices:
        waiting += messages
        due_s = slice_due_s
        if len(waiting) >= most:
            yield due_s, waiting
            waiting = []
    if waiting:
        yield due_s, waiting


def is_done(status: Any) -> bool:
    """Whether every group has shown its last order as final."""
    bodies = [status.hget(status_key(name), "body") for name in LAST]
    return all(body is not None and b'"provisional":false' in body for body in bodies)
