"""The replay that is disturbed: one desk's day, always the same, cut into slices.

It has what a feed does to a desk: messages that come twice, late or out of order, and event-time
clocks between them. Whoever publishes it in slices of any size stores the same messages.
"""

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus.base import Bus
from bus.clock import ClockWriter
from bus.publish import Publisher
from domain.alerts import Silence
from domain.events import OrderMessage
from domain.instants import MILLISECOND, SECOND, format_rfc3339, parse_rfc3339
from domain.keys import group_of
from domain.vocabulary import Topic
from rules.inhibition import EVERY_DESK
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation
from tests.faults.replay.buses import Patient

TICK_NS = SECOND // 4
LEAD_NS = SECOND // 5
"""Clocks are ahead of the desk, so that most of what it says is late for its partition."""
SILENT_NS = 5 * SECOND
LATE_EVERY = 5
"""Every so many order events one is dated before its partition's clock."""
LAST = set({group_of(f"LAST-{n}"): f"LAST-{n}" for n in range(200)}.values())
"""An order id of every group, whose row says that the group has written all rows."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A clock message of this event time."""

    ts_ns: int


Said = tuple[Topic, Any] | Tick


def replay(messages: int, *, seed: int = 11) -> list[Said]:
    """So many messages of a simulated desk, and what ends them."""
    said: list[Said] = []
    newest = ticked = orders = 0
    simulation = Simulation(demo_spec(events_per_s=60, open_parents=12), seed)
    found = (pair for pair in simulation.messages() if not isinstance(pair[1], bytes))
    held: tuple[Topic, Any] | None = None
    for number, (topic, message) in enumerate(itertools.islice(found, messages)):
        if number == messages * 2 // 3:
            said.append((Topic.CONTROL, _silence(newest)))
        if isinstance(message, dict):
            said.append((topic, message))
            continue
        newest = max(newest, parse_rfc3339(message.ts_event))
        if newest - ticked > TICK_NS:
            said.append(Tick(newest + LEAD_NS))
            ticked = newest
            if held:
                said.append(held)
                held = None
        if topic is Topic.ORDERS:
            orders += 1
            if held is None and orders % LATE_EVERY == 0:
                held = (topic, message)
                continue
        said.append((topic, message))
        if topic is Topic.ORDERS and orders % LATE_EVERY == 3:
            said.append((topic, message))
    return [*said, *([held] if held else []), *_end(newest + SECOND)]


def _silence(ts_ns: int) -> Silence:
    """Every alert is silent for some seconds, so that alerts change in mid-replay."""
    return Silence(
        ts_event=format_rfc3339(ts_ns), scope=EVERY_DESK, silence_id="s1", by="ann",
        until=format_rfc3339(ts_ns + SILENT_NS),
    )  # fmt: skip


def _end(ts_ns: int) -> Iterator[Said]:
    """Ask for every status, so that a store that lost them has them; then the last orders."""
    at = format_rfc3339(ts_ns)
    yield Tick(ts_ns - MILLISECOND)
    yield Topic.CONTROL, {"type": "status_republish_requested", "ts_event": at, "order_id": "*"}
    for order_id in sorted(LAST):
        yield (
            Topic.ORDERS,
            OrderMessage(
                type="order_accepted", ts_event=at, order_id=order_id, symbol="END",
                side="BUY", order_qty=1.0,
            ),
        )  # fmt: skip
    yield Tick(ts_ns + MILLISECOND)


class Teller:
    """Publishes a replay bit by bit; use as a context manager."""

    def __init__(self, bus: Bus, said: Sequence[Said]) -> None:
        self._said = said
        self._at = 0
        patient: Any = Patient(bus)
        self._publisher = Publisher(patient)
        self._clock = ClockWriter(patient, kind="event")

    def __enter__(self) -> "Teller":
        self._clock.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self._clock.end()

    @property
    def left(self) -> int:
        """Messages not yet published."""
        return len(self._said) - self._at

    def tell(self, count: int) -> None:
        """Publish the next so many."""
        until = min(self._at + count, len(self._said))
        for said in self._said[self._at : until]:
            if isinstance(said, Tick):
                self._publisher.flush()
                self._clock.tick(said.ts_ns)
            else:
                self._publisher.add(said[1], said[0])
        self._publisher.flush()
        self._at = until
