"""A process that publishes a load on a schedule that waits for nobody."""

import threading
import time
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from queue import SimpleQueue
from typing import Any

import numpy as np
import redis

from benchmarks.bus_load import SLICE_S, Plan, Slice, encoded
from bus.base import Outgoing
from domain.instants import SECOND
from domain.topics import stream_key

_PER_EVENT_S = 25e-6
"""Time that encoding may take, generously: event times are fixed before it."""


@dataclass(frozen=True, slots=True)
class Sent:
    """What was sent: each fill, and how the sender kept its schedule."""

    start_ns: int
    """Wall clock of second 0."""
    order: np.ndarray
    """Number of each fill's order, in order of time."""
    due_s: np.ndarray
    """When each fill was to be published."""
    stored_s: np.ndarray
    """When the bus had taken it."""
    late_p99_ms: float
    """How far behind its schedule the sender began to send."""


class DeskProcess:
    """Sends a plan from a process of its own; use as a context manager."""

    def __init__(self, bus_url: str, plan: Plan) -> None:
        context = get_context("spawn")
        self._here, there = context.Pipe()
        self._process = context.Process(target=_run, args=(bus_url, plan, there), daemon=True)
        self.plan = plan
        self.start_ns = 0
        """Wall clock of second 0, once it is known."""

    def __enter__(self) -> "DeskProcess":
        self._process.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.join()

    def begin(self) -> None:
        """Encode the messages, then send them."""
        self._here.send("begin")
        self.start_ns = self._answer()

    def wait_until_running(self) -> None:
        """Return at second 0."""
        time.sleep(max(self.start_ns - time.time_ns(), 0) / SECOND)

    def finish(self) -> Sent:
        """What was sent, once all of it was."""
        return self._answer()

    def _answer(self) -> Any:
        while not self._here.poll(1.0):
            if not self._process.is_alive():
                raise SystemExit("the process that publishes has ended")
        found = self._here.recv()
        if isinstance(found, str):
            raise SystemExit(found)
        return found


def _run(bus_url: str, plan: Plan, pipe: Connection) -> None:
    pipe.recv()
    count = plan.orders + (plan.seconds + plan.accept_s) * plan.events_per_s
    start_ns = time.time_ns() + round((1.0 + count * _PER_EVENT_S + plan.accept_s) * SECOND)
    pipe.send(start_ns)
    try:
        pipe.send(_sent(bus_url, *encoded(plan, start_ns), start_ns))
    except SystemExit as error:
        pipe.send(str(error))


def _sent(
    bus_url: str, slices: list[Slice], order: np.ndarray, due_s: np.ndarray, start_ns: int
) -> Sent:
    wire = _Wire(bus_url, start_ns)
    packed = [(due, len(messages), wire.packed(messages)) for due, messages in slices]
    if (time.time_ns() - start_ns) / SECOND > packed[0][0]:
        raise SystemExit("the machine is too busy: the messages were not encoded in time")
    late_s = np.empty(len(packed))
    for i, (due, count, commands) in enumerate(packed):
        ahead_s = due - (time.time_ns() - start_ns) / SECOND
        if ahead_s > 0:
            time.sleep(ahead_s)
        late_s[i] = (time.time_ns() - start_ns) / SECOND - due
        wire.send(count, commands)
    stored_s = wire.finish()
    dues = np.array([due for due, _, _ in packed])
    late_ms = 1e3 * float(np.percentile(late_s[dues >= 0], 99))
    return Sent(
        start_ns, order, due_s, stored_s[np.searchsorted(dues, due_s - SLICE_S / 2)],
        round(late_ms, 3),
    )  # fmt: skip


class _Wire:
    """Appends without waiting for the answers, as a publisher with a full pipe does."""

    def __init__(self, bus_url: str, start_ns: int) -> None:
        self._start_ns = start_ns
        self._connection: Any = redis.Redis.from_url(bus_url).connection_pool.make_connection()
        self._connection.connect()
        self._counts: SimpleQueue[int] = SimpleQueue()
        self._stored_s: list[float] = []
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def packed(self, messages: list[Outgoing]) -> list[bytes]:
        """The commands of a slice, as they go over the wire."""
        return self._connection.pack_commands(
            ("XADD", stream_key(m.topic, m.partition), "*", "content-type", m.content_type,
             "body", m.body)
            for m in messages
        )  # fmt: skip

    def send(self, count: int, commands: list[bytes]) -> None:
        """Send a slice of so many messages."""
        self._counts.put(count)
        self._connection.send_packed_command(commands, check_health=False)

    def finish(self) -> np.ndarray:
        """Second at which the bus had taken each slice."""
        self._counts.put(0)
        self._thread.join()
        self._connection.disconnect()
        return np.array(self._stored_s)

    def _read(self) -> None:
        while count := self._counts.get():
            for _ in range(count):
                self._connection.read_response()
            self._stored_s.append((time.time_ns() - self._start_ns) / SECOND)
