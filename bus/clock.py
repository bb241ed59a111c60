"""Clock messages: they move event time through silence, in every partition of the inputs.

One writer serves a bus. Live, `run` writes wall time less the feed's lag; a replay calls
`tick` with its own event time. The two never share a bus.
"""

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Sequence

import structlog

from bus.base import Bus, ClockKind, Place
from domain.errors import BusDown, BusError
from domain.instants import MILLISECOND, format_rfc3339
from domain.vocabulary import INPUT_TOPICS, Topic
from domain.wire import CLOCK_TYPE, encode

LEASE_MS = 2_000
_MOST_BACK_OFF_S = 1.0


class ClockWriter:
    """The only writer of clock messages of a bus; use as a context manager.

    `lag_ms` is taken off wall time, so that messages on their way are not overtaken.
    """

    def __init__(
        self,
        bus: Bus,
        *,
        kind: ClockKind = "wall",
        interval_ms: float = 250.0,
        lag_ms: float = 50.0,
        topics: Sequence[Topic] = INPUT_TOPICS,
        lease_ms: int = LEASE_MS,
    ) -> None:
        self.bus = bus
        self.kind: ClockKind = kind
        self.interval_s = interval_ms / 1000.0
        self.lag_ns = round(lag_ms * MILLISECOND)
        self.lease_ms = max(lease_ms, round(4 * interval_ms))
        self.owner = f"{socket.gethostname()} process {os.getpid()} {uuid.uuid4().hex[:8]}"
        self.ticks = 0
        """Clock messages written to each partition so far."""
        self._topics = tuple(topics)
        self._places: list[Place] = []
        self._log = structlog.get_logger("clock")

    def begin(self, wait_s: float | None = None) -> None:
        """Become the writer; waits for a writer that died to be forgotten (one lease).

        Raises BusError naming the other writer where one is alive, or where the bus has
        clocks of the other kind.
        """
        self._places = [(t, p) for t in self._topics for p in range(self.bus.partitions(t))]
        deadline = time.monotonic() + (self.lease_ms / 1000 + 0.2 if wait_s is None else wait_s)
        while True:
            other = self.bus.take_clock(self.owner, self.kind, self.lease_ms)
            if other is None:
                return
            if time.monotonic() >= deadline:
                raise BusError(
                    f"a clock writer is already running on this bus ({other}); "
                    "stop that one first: two clocks would disagree"
                )
            time.sleep(0.05)

    def end(self) -> None:
        """Let another writer begin at once."""
        try:
            self.bus.release_clock(self.owner)
        except BusDown:
            self._log.warning("clock_not_released", lease_ms=self.lease_ms)

    def __enter__(self) -> "ClockWriter":
        self.begin()
        return self

    def __exit__(self, *_: object) -> None:
        self.end()

    def tick(self, ts_ns: int) -> None:
        """Write this event time, UNIX ns, to every partition.

        Raises BusError where another writer took over, BusDown where the bus is away.
        """
        body = encode({"type": CLOCK_TYPE, "ts_event": format_rfc3339(ts_ns)})
        if not self.bus.tick(self.owner, body, self._places, self.lease_ms):
            self._take_again()
            if not self.bus.tick(self.owner, body, self._places, self.lease_ms):
                raise BusError("the clock's lease was lost twice within one message")
        self.ticks += 1

    def _take_again(self) -> None:
        other = self.bus.take_clock(self.owner, self.kind, self.lease_ms)
        if other is not None:
            raise BusError(f"another clock writer took over this bus ({other}); this one ends")

    def run(self, stop: threading.Event, wall_ns: Callable[[], int] = time.time_ns) -> None:
        """Write wall time less the lag at every interval until `stop` is set.

        While the bus is away it tries again, ever more slowly up to once a second.
        """
        due = time.monotonic()
        back_off_s = 0.0
        while not stop.is_set():
            try:
                self.tick(wall_ns() - self.lag_ns)
            except BusDown as error:
                if not back_off_s:
                    self._log.warning("clock_waits_for_bus", error=str(error))
                back_off_s = min(max(2 * back_off_s, 0.05), _MOST_BACK_OFF_S)
                stop.wait(back_off_s)
                due = time.monotonic()
                continue
            if back_off_s:
                self._log.info("clock_found_bus")
                back_off_s = 0.0
            due = max(due + self.interval_s, time.monotonic())
            stop.wait(due - time.monotonic())


class ClockThread:
    """A clock writer on a thread of its own, for the process that starts everything.

    An error ends the thread; `check` and the end of the block raise it.
    """

    def __init__(self, writer: ClockWriter) -> None:
        self.writer = writer
        self._stop = threading.Event()
        self._error: Exception | None = None
        self._thread = threading.Thread(target=self._run, name="clock", daemon=True)

    def _run(self) -> None:
        try:
            self.writer.run(self._stop)
        except Exception as error:
            self._error = error

    def check(self) -> None:
        """Raise what ended the thread, if anything did."""
        if self._error:
            raise self._error

    def __enter__(self) -> "ClockThread":
        self.writer.begin()
        self._thread.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self.writer.end()
        if kind is None:
            self.check()
