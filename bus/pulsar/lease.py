"""The clock writer's lease: an exclusive producer on a topic that exists for nothing else.

The broker lets one producer in and fences off every other, and lets go when the connection
is lost. A holder that does not write for its lease's length lets go by itself.
"""

import threading
import time
from contextlib import suppress
from typing import Any

from bus.pulsar.admin import Admin
from bus.pulsar.errors import failure, in_words, pulsar_module
from bus.pulsar.layout import CLOCK_TOPIC
from bus.pulsar.link import Link
from domain.errors import BusDown, BusError

_TAKEN = ("ProducerFenced", "ProducerBusy")


class ClockLease:
    """At most one lease, held over a connection of its own."""

    def __init__(self, link: Link, admin: Admin) -> None:
        self._link = link
        self._admin = admin
        self._lock = threading.RLock()
        self._owner = ""
        self._producer: Any = None
        self._until = 0.0
        self._watch: threading.Thread | None = None

    def take(self, owner: str, ttl_ms: int) -> str | None:
        """Hold the lease for `ttl_ms` from now; the holder's name where there is one."""
        with self._lock:
            self._expire()
            if self._producer is not None and self._owner != owner:
                return self._owner
            if self._producer is None:
                self._producer = self._open(owner)
                if self._producer is None:
                    return self._other_than(owner)
                self._owner = owner
            self._keep(ttl_ms)
            return None

    def _open(self, owner: str) -> Any:
        pulsar = pulsar_module()
        try:
            return self._link.client().create_producer(
                self._link.access.topic(CLOCK_TOPIC),
                producer_name=owner,
                send_timeout_millis=round(1000 * self._link.timeout_s),
                access_mode=pulsar.ProducerAccessMode.Exclusive,
            )
        except pulsar.PulsarException as error:
            name = type(error).__name__
            if name in _TAKEN:
                return None
            self._link.drop()
            raise failure(name, self._link.access.shown, str(error)) from error

    def _other_than(self, owner: str) -> str:
        """Who holds it. Raises BusDown where that is nobody but a former connection of ours.

        A broker that answered too late lets us in when we have left, and notices only then.
        """
        stats = self._admin.get(f"{self._admin.topic_path(CLOCK_TOPIC)}/stats") or {}
        names = {each.get("producerName") for each in stats.get("publishers", ())}
        others = sorted(name for name in names if name and name != owner)
        if not others:
            raise BusDown("the broker has not let go of a former connection of this clock yet")
        return others[0]

    def renew(self, owner: str, ttl_ms: int) -> bool:
        """Write to the topic, which only the holder can; whether `owner` still is it."""
        with self._lock:
            self._expire()
            if self._producer is None or self._owner != owner:
                return False
            try:
                with in_words(self._link.access.shown):
                    self._producer.send(b"")
            except BusError as error:
                self._let_go()
                self._link.drop()
                if any(name in str(error) for name in _TAKEN):
                    return False
                raise
            self._keep(ttl_ms)
            return True

    def release(self, owner: str) -> None:
        """Let another take it at once."""
        with self._lock:
            if self._owner == owner:
                self._let_go()

    def _keep(self, ttl_ms: int) -> None:
        self._until = time.monotonic() + ttl_ms / 1000
        if self._watch is None:
            self._watch = threading.Thread(target=self._watch_over, name="lease", daemon=True)
            self._watch.start()

    def _watch_over(self) -> None:
        while True:
            with self._lock:
                self._expire()
                if self._producer is None:
                    self._watch = None
                    return
                left = self._until - time.monotonic()
            time.sleep(max(left, 0.005))

    def _expire(self) -> None:
        if self._producer is not None and time.monotonic() > self._until:
            self._let_go()

    def _let_go(self) -> None:
        producer, self._producer, self._owner = self._producer, None, ""
        if producer is not None:
            with suppress(pulsar_module().PulsarException):
                producer.close()

    def close(self) -> None:
        """Let go of whatever is held."""
        with self._lock:
            self._let_go()
