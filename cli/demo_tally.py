"""What the monitor has shown, as a client of its pub/sub channel sees it."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from redis.exceptions import RedisError

from cli.demo_feed import PublishedAt
from domain.instants import MILLISECOND, parse_rfc3339
from domain.topics import UPDATES_PREFIX

MOST_LATENCIES = 200_000


class _Shown(msgspec.Struct):
    order_id: str
    as_of: str
    published_at: str | None = None
    cause: str | None = None
    fills: int = 0
    has_children: bool = False


_DECODER = msgspec.json.Decoder(_Shown)


@dataclass(frozen=True, slots=True)
class Latencies:
    """Percentiles from an event's publication to that of the status it caused, ms."""

    count: int
    p50_ms: float | None
    p99_ms: float | None
    p999_ms: float | None


class Tally:
    """Counts orders, fills and updates, and times them; listens on a thread of its own."""

    def __init__(self, client: Any, published_at: PublishedAt) -> None:
        self.updates = 0
        self._published_at = published_at
        self._fills: dict[str, int] = {}
        self._latencies_ms: list[float] = []
        self._since_ns = 0
        self._pubsub: Any = client.pubsub(ignore_subscribe_messages=True)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="tally", daemon=True)

    def __enter__(self) -> "Tally":
        self._pubsub.psubscribe(f"{UPDATES_PREFIX}*")
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def stop(self) -> None:
        """Listen no more."""
        self._stop.set()
        self._thread.join()
        self._pubsub.close()

    def begin(self) -> None:
        """Time only events that are published from now on."""
        self._since_ns = time.time_ns()

    @property
    def orders(self) -> int:
        """Orders and child orders shown so far."""
        return len(self._fills)

    @property
    def fills(self) -> int:
        """Executions counted in the newest status of every order without children."""
        return sum(list(self._fills.values()))

    def latencies(self) -> Latencies:
        """Percentiles so far; None while nothing was timed."""
        found = np.array(self._latencies_ms)
        if not len(found):
            return Latencies(0, None, None, None)
        p50, p99, p999 = np.percentile(found, [50, 99, 99.9]).tolist()
        return Latencies(len(found), p50, p99, p999)

    def _run(self) -> None:
        while not self._stop.is_set():
            try:
                message = self._pubsub.get_message(timeout=0.1)
            except (RedisError, OSError, ValueError):
                self._stop.wait(0.1)
                continue
            if message is not None:
                self._take(_DECODER.decode(message["data"]))

    def _take(self, shown: _Shown) -> None:
        self.updates += 1
        self._fills[shown.order_id] = 0 if shown.has_children else shown.fills
        if shown.cause in {None, "mark"} or shown.published_at is None:
            return
        began = self._published_at.take((shown.order_id, parse_rfc3339(shown.as_of)))
        if began is None or not 0 < self._since_ns <= began:
            return
        if len(self._latencies_ms) < MOST_LATENCIES:
            ms = (parse_rfc3339(shown.published_at) - began) / MILLISECOND
            self._latencies_ms.append(ms)
