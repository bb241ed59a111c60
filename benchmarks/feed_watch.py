"""Reads the feed of the status store while a benchmark runs, and keeps what each entry shows."""

import threading
import time
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
import redis

from domain.instants import MILLISECOND, parse_rfc3339
from domain.topics import FEED

_COUNT = 1_000
_PAUSE_S = 0.02


class _Status(msgspec.Struct):
    order_id: str
    fills: int
    provisional: bool
    published_at: str


_DECODER = msgspec.json.Decoder(_Status)


@dataclass(frozen=True, slots=True)
class Shown:
    """One element for each entry of the feed, in its order."""

    order: np.ndarray
    """Number of the order, as its id begins."""
    fills: np.ndarray
    provisional: np.ndarray
    published_ns: np.ndarray
    """When the sink made the status."""
    readable_ns: np.ndarray
    """When the server had it, rounded up to its millisecond."""


class FeedWatch:
    """Reads on a thread of its own; use as a context manager."""

    def __init__(self, url: str) -> None:
        self._client: Any = redis.Redis.from_url(url)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._rows: list[tuple[int, int, bool, str, int]] = []
        self._newest: dict[int, int] = {}
        self._error: Exception | None = None
        self._total = 0

    def __enter__(self) -> "FeedWatch":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        self._client.close()

    def until_shown(self, fills: int, patience_s: float) -> None:
        """Return once so many fills are shown, or none is any more for so long."""
        seen, since = -1, time.monotonic()
        while self._total < fills:
            if self._error is not None:
                raise self._error
            if self._total != seen:
                seen, since = self._total, time.monotonic()
            if time.monotonic() - since > patience_s:
                return
            time.sleep(0.05)

    def shown(self) -> Shown:
        """Everything that was read."""
        order, fills, provisional, published, ms = zip(*self._rows, strict=True)
        return Shown(
            np.array(order, np.uint64),
            np.array(fills, np.int64),
            np.array(provisional, bool),
            np.array([parse_rfc3339(text) for text in published], np.int64),
            (np.array(ms, np.int64) + 1) * MILLISECOND,
        )

    def _run(self) -> None:
        try:
            self._read()
        except Exception as error:
            self._error = error

    def _read(self) -> None:
        position, added = "0-0", 0
        while True:
            found = self._client.xrange(FEED, f"({position}", "+", count=_COUNT)
            for raw, fields in found:
                position = raw.decode()
                self._take(_DECODER.decode(fields[b"body"]), int(position.partition("-")[0]))
            added += len(found)
            if len(found) == _COUNT:
                self._must_be_whole(position, added)
                continue
            if self._stop.wait(_PAUSE_S):
                return

    def _must_be_whole(self, position: str, read: int) -> None:
        first = self._client.xrange(FEED, "-", "+", count=1)[0][0].decode()
        if read > _COUNT and _rank(first) > _rank(position):
            raise SystemExit("the feed was trimmed before it was read: nothing can be said")

    def _take(self, status: _Status, ms: int) -> None:
        order = int(status.order_id[3:9])
        self._rows.append((order, status.fills, status.provisional, status.published_at, ms))
        self._total += max(status.fills - self._newest.get(order, 0), 0)
        self._newest[order] = max(status.fills, self._newest.get(order, 0))


def _rank(position: str) -> tuple[int, int]:
    ms, _, n = position.partition("-")
    return int(ms), int(n)
