"""The simulated desk on the bus, at the pace of the wall clock."""

import threading
import time
from collections import Counter
from typing import Any

from bus.base import Bus
from bus.publish import Publisher
from domain.events import OrderMessage
from domain.instants import MILLISECOND, SECOND, parse_rfc3339
from domain.vocabulary import Topic
from sources.simulator.script import Simulation

_MOST_WAITING = 200
_FORGET_NS = 120 * SECOND
Event = tuple[str, int]
"""(order id, event time in UNIX ns)"""


class PublishedAt:
    """When each order event was put on the bus, for a while; safe from several threads."""

    def __init__(self) -> None:
        self._times: dict[Event, int] = {}
        self._lock = threading.Lock()

    def note(self, events: list[Event], now_ns: int) -> None:
        """Events that are on the bus as of now."""
        with self._lock:
            for event in events:
                self._times.setdefault(event, now_ns)
            while self._times:
                oldest = next(iter(self._times))
                if self._times[oldest] > now_ns - _FORGET_NS:
                    return
                del self._times[oldest]

    def take(self, event: Event) -> int | None:
        """Its publication, UNIX ns; None the second time, or where it was not noted."""
        with self._lock:
            return self._times.pop(event, None)


class DeskFeed:
    """Publishes a simulation from a thread of its own, each message when it is due."""

    def __init__(self, bus: Bus, simulation: Simulation) -> None:
        self.counts: Counter[str] = Counter()
        """Messages published, by type."""
        self.published_at = PublishedAt()
        self._publisher = Publisher(bus)
        self._simulation = simulation
        self._events: list[Event] = []
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="desk", daemon=True)

    def __enter__(self) -> "DeskFeed":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Publish nothing more."""
        self._stop.set()
        self._thread.join()

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        try:
            self._publish()
        except Exception as error:
            self._error = error

    def _publish(self) -> None:
        for due_ns, topic, message in self._simulation.run_live(time.time_ns):
            wait_ns = due_ns - time.time_ns()
            if wait_ns > MILLISECOND or len(self._publisher) >= _MOST_WAITING:
                self._flush()
            if wait_ns > 0 and self._stop.wait(wait_ns / SECOND):
                return
            if self._stop.is_set():
                return
            self._add(topic, message)

    def _add(self, topic: Topic, message: Any) -> None:
        if isinstance(message, bytes):
            self._publisher.add_raw(topic, 0, message)
            self.counts["garbage"] += 1
            return
        self._publisher.add(message, topic)
        if isinstance(message, OrderMessage):
            self.counts[message.type] += 1
            self._events.append((message.order_id, parse_rfc3339(message.ts_event)))
        else:
            self.counts[str(topic)] += 1

    def _flush(self) -> None:
        now = time.time_ns()
        self._publisher.flush()
        self.published_at.note(self._events, now)
        self._events.clear()
