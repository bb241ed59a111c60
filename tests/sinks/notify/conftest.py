"""Alerts as the monitor publishes them, and a store of the test's own."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from domain.channels import Notify
from domain.channels_check import notify_of
from domain.instants import SECOND, format_rfc3339
from sinks.notify.courier import Courier, Pace, recover
from sinks.notify.intake import Alert, Intake
from sinks.notify.store import Store
from tests.alert_messages import alert_event, raw_of
from tests.receivers import HttpReceiver, MailReceiver

T0 = 1_789_997_600 * SECOND
"""2026-09-21 13:33:20 UTC, a Monday."""


@pytest.fixture
def http() -> Iterator[HttpReceiver]:
    with HttpReceiver() as found:
        yield found


@pytest.fixture
def mail() -> Iterator[MailReceiver]:
    with MailReceiver() as found:
        yield found


@pytest.fixture
def store(tmp_path) -> Iterator[Store]:
    found = Store(tmp_path)
    yield found
    found.close()


class Rig:
    """Channels, routes and a clock that the test moves; sends to real servers, step by step."""

    def __init__(self, store: Store, notify: Notify) -> None:
        self.store = store
        self.notify = notify
        self.now = T0
        self._intake = Intake(notify, store)
        self.couriers = self._new()

    def _new(self) -> dict[str, Courier]:
        pace = Pace(first_s=1.0, most_s=8.0)
        return {
            name: Courier(self.notify, name, self.store, clock=lambda: self.now, pace=pace)
            for name in self.notify.channels
        }

    def restart(self) -> int:
        """As after a crash; gives how many pages are repeated."""
        self.couriers = self._new()
        return recover(self.store, self.notify, self.now)

    def take(self, *events: Any) -> None:
        self._intake.take([Alert(event, raw_of(event)) for event in events], self.now)

    def raise_(self, order: str = "A/1 #ü", **more: Any) -> Any:
        """An alert that began now."""
        event = alert_event(order, at=self.now, **more)
        self.take(event)
        return event

    def go(self, seconds: float = 0.0) -> None:
        """Let time pass, second by second where anything is waited for, and send what is due."""
        until = self.now + round(seconds * SECOND)
        while True:
            waits = [self._spent(courier) for courier in self.couriers.values()]
            step = min([*waits, (until - self.now) / SECOND])
            if self.now >= until:
                return
            self.now = min(self.now + max(round(step * SECOND), 1_000_000), until)

    @staticmethod
    def _spent(courier: Courier) -> float:
        while not (wait := courier.step()):
            pass
        return wait

    def states(self, channel: str = "hook") -> list[str]:
        return [row["state"] for row in self.rows(channel)]

    def rows(self, channel: str = "hook") -> list[Any]:
        return self.store.rows(
            "SELECT * FROM notifications WHERE channel = ? ORDER BY number", (channel,)
        )

    def at(self, ns: int) -> str:
        return format_rfc3339(ns)


@pytest.fixture
def rig(store, http, mail) -> Callable[..., Rig]:
    """`rig(["hook"], quiet="22:00-07:00 UTC")`: channels on the servers, one route to them."""

    def make(channels=("hook",), *, more=None, routes=None, link="https://x.example", **route):
        known = {
            "hook": {"kind": "webhook", "url": f"{http.url}/hook", "secret": "s" * 16},
            "slack": {"kind": "slack", "url": f"{http.url}/slack"},
            "teams": {"kind": "teams", "url": f"{http.url}/teams"},
            "duty": {"kind": "pagerduty", "url": http.url, "routing_key": "R"},
            "mail": {"kind": "smtp", "host": "127.0.0.1", "port": mail.port, "security": "none",
                     "sender": "execmon@example.com", "to": ["desk@example.com"]},
        }  # fmt: skip
        table = {name: {**known[name], **(more or {})} for name in channels}
        ways = [{"channels": list(channels), **route}] if routes is None else routes
        return Rig(store, notify_of({"channels": table, "routes": ways, "link": link}))

    return make
