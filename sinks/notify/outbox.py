"""The running whole: what takes alerts, and a courier on a thread of its own for each channel."""

import threading
import time
from collections.abc import Callable, Sequence

import structlog

from domain.channels import Notify, Trial
from domain.instants import SECOND
from sinks.notify.courier import Courier, Pace, recover
from sinks.notify.intake import Alert, Intake
from sinks.notify.store import State, Store

KEEP_S = 30 * 86_400.0
"""How long it is known what became of a page."""
_MOST_WAIT_S = 30.0
_SWEEP_S = 3_600.0
_FAILED_S = 5.0
_END_S = 8.0
"""How long an attempt that is under way may take to end."""
_log = structlog.get_logger("notify")


class Outbox:
    """Takes alerts and tests, and sends pages; no channel waits for another."""

    def __init__(
        self,
        notify: Notify,
        store: Store,
        *,
        clock: Callable[[], int] = time.time_ns,
        pace: Pace | None = None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._intake = Intake(notify, store)
        self._couriers = [
            Courier(notify, name, store, clock=clock, pace=pace) for name in notify.channels
        ]
        self._changed = threading.Condition()
        self._generation = 0
        self._stopped = False
        self._swept = 0
        self._notify = notify
        self._threads = [
            threading.Thread(target=self._run, args=(one,), name=f"notify-{one.name}", daemon=True)
            for one in self._couriers
        ]

    def start(self) -> None:
        """Repeat what a crash left in doubt, and go on."""
        again = recover(self._store, self._notify, self._clock())
        if again:
            _log.warning("pages_repeated", pages=again)
        for thread in self._threads:
            thread.start()

    def take(self, told: Sequence[Alert | Trial]) -> None:
        """Store what follows from these; it is on the disk when this returns."""
        now = self._clock()
        self._intake.take(told, now)
        if now - self._swept > _SWEEP_S * SECOND:
            self._swept = now
            sweep(self._store, now)
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Let attempts that are under way end, and stop."""
        with self._changed:
            self._stopped = True
            self._changed.notify_all()
        until = time.monotonic() + _END_S
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(until - time.monotonic(), 0.0))

    def _run(self, courier: Courier) -> None:
        while not self._stopped:
            generation = self._generation
            try:
                wait_s = courier.step()
            except Exception:
                _log.exception("courier_failed", channel=courier.name)
                wait_s = _FAILED_S
            if wait_s <= 0.0:
                continue
            with self._changed:
                self._changed.wait_for(
                    lambda seen=generation: self._stopped or self._generation != seen,
                    min(wait_s, _MOST_WAIT_S),
                )
        courier.close()


def sweep(store: Store, now: int) -> None:
    """Forget what came to its end long ago."""
    before = now - round(KEEP_S * SECOND)
    live = f"state IN ('{State.WAITING}', '{State.SENDING}')"
    with store.writing() as db:
        db.execute(f"DELETE FROM notifications WHERE changed < ? AND NOT {live}", (before,))
        db.execute(
            "DELETE FROM alerts WHERE changed < ? AND NOT EXISTS (SELECT 1 FROM notifications n "
            f"WHERE n.alert_id = alerts.alert_id AND {live})",
            (before,),
        )
