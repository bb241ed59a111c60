"""Bringing the bus's events to one subscriber, in stored order, at least once."""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import structlog

from bus.base import START, Bus, Place, Reader, Stored
from domain.errors import BusDown, BusError, Refused
from domain.subscriptions import Subscription, wants
from domain.vocabulary import Topic
from domain.wire import split_json
from sinks.notify.carriers import open_carrier
from sinks.notify.courier import Pace
from sinks.notify.outcome import End, Outcome
from sinks.notify.store import Store

MOST_EVENTS = 500
MOST_BYTES = 1 << 20
"""Carried at once, a single event apart."""
_READ = 200
_BLOCK_MS = 500
_log = structlog.get_logger("subscriptions")


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a subscription has come."""

    positions: dict[str, dict[str, str]]
    delivered: int
    last_delivered_ns: int | None
    failing_since_ns: int | None
    words: str


class Runner:
    """One subscription on a thread of its own; where it stands is in the store.

    What was sent and not confirmed, or confirmed and not yet stored, is sent again with the
    same ids.
    """

    def __init__(
        self,
        bus: Bus,
        store: Store,
        subscription: Subscription,
        *,
        pace: Pace | None = None,
        clock: Callable[[], int] = time.time_ns,
    ) -> None:
        self.subscription = subscription
        self._bus = bus
        self._store = store
        self._clock = clock
        self._pace = pace or Pace()
        self._stopped = threading.Event()
        self._carrier = open_carrier(bus, subscription)
        self._reader: Reader | None = None
        self._positions = self._kept()
        self._delivered = 0
        self._last_delivered: int | None = None
        self._failures = 0
        self._failing_since: int | None = None
        self._words = ""
        self._thread = threading.Thread(
            target=self._run, name=f"subscription-{subscription.subscription_id}", daemon=True
        )

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def ask_to_end(self) -> None:
        """Send nothing more after the present request."""
        self._stopped.set()

    def join(self, seconds: float) -> None:
        """Wait for the end."""
        if self._thread.is_alive():
            self._thread.join(seconds)

    def progress(self) -> Progress:
        """How far it has come."""
        positions: dict[str, dict[str, str]] = {}
        for (topic, partition), position in list(self._positions.items()):
            positions.setdefault(topic, {})[str(partition)] = position
        return Progress(
            positions, self._delivered, self._last_delivered, self._failing_since, self._words
        )

    def step(self) -> float:
        """Send what has arrived, if it has; seconds to wait before the next time."""
        try:
            self._reader = self._reader or self._bus.reader()
            found = self._reader.read(self._positions, _READ, _BLOCK_MS)
        except BusDown as error:
            return self._failed(f"the bus does not answer: {error}")
        except BusError as error:
            return self._failed(str(error))
        for place, messages in found.items():
            outcome = self._send(place, messages)
            if outcome is not None:
                return self._failed(outcome.words, outcome.after_s)
        return 0.0

    def _send(self, place: Place, messages: Sequence[Stored]) -> Outcome | None:
        """Send what is wanted of these in some requests; how the first that failed did."""
        events: list[bytes] = []
        size, behind = 0, ""
        for message in messages:
            wanted = self._wanted(message)
            more = sum(map(len, wanted))
            if events and (len(events) + len(wanted) > MOST_EVENTS or size + more > MOST_BYTES):
                outcome = self._carry(place, behind, events)
                if outcome is not None:
                    return outcome
                events, size = [], 0
            events += wanted
            size, behind = size + more, message.position
        return self._carry(place, behind, events)

    def _wanted(self, message: Stored) -> list[bytes]:
        since = self.subscription.start.since_ns
        if since is not None and message.ts < since:
            return []
        try:
            return [raw for raw in split_json(message.body) if wants(self.subscription, raw)]
        except Refused:
            return []

    def _carry(self, place: Place, behind: str, events: Sequence[bytes]) -> Outcome | None:
        if events:
            now = self._clock()
            outcome = self._carrier.carry(place, behind, events, now)
            if outcome.end is not End.DELIVERED:
                return outcome
            self._delivered += len(events)
            self._last_delivered = now
        self._keep(place, behind)
        if self._failures:
            _log.info("subscription_goes_on", subscription=self.subscription.subscription_id)
        self._failures, self._failing_since, self._words = 0, None, ""
        return None

    def _failed(self, words: str, after_s: float | None = None) -> float:
        self._failures += 1
        if self._failing_since is None:
            self._failing_since = self._clock()
            _log.warning(
                "subscription_waits",
                subscription=self.subscription.subscription_id,
                why=words,
            )
        self._words = words
        return max(self._pace.after(self._failures), after_s or 0.0)

    def _key(self) -> str:
        return f"{self.subscription.subscription_id}/{self.subscription.generation}"

    def _kept(self) -> dict[Place, str]:
        """Where it stands, else where it begins."""
        rows = self._store.rows("SELECT * FROM positions WHERE subscription_id = ?", (self._key(),))
        kept = {(row["topic"], row["partition"]): row["position"] for row in rows}
        start = self.subscription.start.positions
        return {
            (topic, partition): kept.get(
                (str(topic), partition), start.get(topic, {}).get(str(partition), START)
            )
            for topic in self.subscription.topics
            for partition in range(self._bus.partitions(topic))
        }

    def _keep(self, place: Place, position: str) -> None:
        with self._store.writing() as db:
            db.execute(
                "INSERT OR REPLACE INTO positions VALUES (?, ?, ?, ?)",
                (self._key(), str(place[0]), place[1], position),
            )
        self._positions[Topic(place[0]), place[1]] = position

    def _run(self) -> None:
        while not self._stopped.is_set():
            try:
                wait_s = self.step()
            except Exception as error:
                _log.exception("subscription_failed", subscription=self._key())
                wait_s = self._failed(f"a defect of the product: {error}")
            self._stopped.wait(wait_s)
        self._carrier.close()
        if self._reader is not None:
            self._reader.close()
