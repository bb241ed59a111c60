"""Changes of alerts in the status store: each alert, the open ones, and the orders they concern."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
from redis.exceptions import NoScriptError, RedisError

from bus.redis_errors import connect, is_passing, refusal
from domain.alert_records import OPEN_STATES, alert_record, transition_record
from domain.alerts import DATA, AlertChange
from domain.errors import ServerError
from domain.instants import MILLISECOND
from domain.topics import (
    OPEN_ALERTS,
    alert_key,
    open_alerts_key,
    order_alerts_key,
    status_key,
    updates_channel,
)
from sinks.alert_scripts import CHANGE, TELL_ORDER, TOLD

_AT_ONCE = 1_000
"""Calls in one round trip."""
_encode = msgspec.json.Encoder().encode
_read_ids = msgspec.json.Decoder(list[str]).decode


@dataclass(frozen=True, slots=True)
class AlertSettings:
    """How alerts are kept in the status store."""

    ttl_s: float = 86_400.0
    """How long an alert that is over stays."""
    feed_length: int = 10_000
    """Changes kept in the feed, at least, and updates in that of the orders."""
    most_transitions: int = 200
    """Newest steps kept of an alert's life, beside the first."""
    timeout_s: float = 5.0


class AlertStore:
    """Writes changes, the oldest first. What is no newer than what is stored changes nothing."""

    def __init__(self, url: str, settings: AlertSettings) -> None:
        self._settings = settings
        self._ttl_ms = round(settings.ttl_s * 1000)
        self._client: Any = connect(url, settings.timeout_s)
        self._shas: dict[str, str] = {}

    def send(self, changes: Sequence[AlertChange]) -> None:
        """Write them; may be called again with the same.

        Raises redis-py's errors where the server is away, ServerError where it refuses.
        """
        try:
            self._send(changes)
        except NoScriptError:
            self._shas.clear()
            self._send(changes)
        except RedisError as error:
            if is_passing(error):
                raise
            raise ServerError(f"the status store refused an alert: {refusal(error)}") from error

    def _send(self, changes: Sequence[AlertChange]) -> None:
        before = self._run([self._change(change) for change in changes])
        newest = {
            change.alert.alert_id: (change, _read_ids(orders))
            for change, orders in zip(changes, before, strict=True)
            if orders is not None and change.alert.type != DATA
        }
        self._run([call for found in newest.values() for call in self._told_orders(*found)])
        self._run([
            (TOLD, 1, alert_key(change.alert.alert_id), change.alert.seq, _encode(_orders(change)))
            for change, orders in newest.values()
            if orders != _orders(change)
        ])  # fmt: skip

    def _change(self, change: AlertChange) -> tuple[Any, ...]:
        alert, settings = change.alert, self._settings
        record, step = alert_record(alert), transition_record(change.transition)
        started_ms = alert.started_at // MILLISECOND
        return (
            CHANGE, 3, alert_key(alert.alert_id), OPEN_ALERTS, open_alerts_key(alert.desk),
            alert.seq, alert.alert_id, alert.desk, _encode(alert), _encode(change.transition),
            _encode({"alert": record, "transition": step}),
            started_ms if alert.state in OPEN_STATES else "", self._ttl_ms,
            settings.feed_length, settings.most_transitions,
        )  # fmt: skip

    def _told_orders(self, change: AlertChange, before: Sequence[str]) -> Iterator[tuple[Any, ...]]:
        """Brings the statuses of its orders up to date, of those too that it concerns no more."""
        alert, now = change.alert, set(_orders(change))
        for order_id in dict.fromkeys([*_orders(change), *before]):
            yield (
                TELL_ORDER, 4, alert_key(alert.alert_id), order_alerts_key(order_id),
                status_key(order_id), updates_channel(order_id), alert.seq, alert.alert_id,
                order_id, str(alert.type) if order_id in now else "", self._ttl_ms,
                self._settings.feed_length,
            )  # fmt: skip

    def _run(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        answers: list[Any] = []
        for at in range(0, len(calls), _AT_ONCE):
            answers += self._run_some(calls[at : at + _AT_ONCE])
        return answers

    def _run_some(self, calls: Sequence[tuple[Any, ...]]) -> list[Any]:
        for script in {call[0] for call in calls} - self._shas.keys():
            self._shas[script] = self._client.script_load(script)
        with self._client.pipeline(transaction=False) as pipe:
            for script, *arguments in calls:
                pipe.evalsha(self._shas[script], *arguments)
            return pipe.execute()


def _orders(change: AlertChange) -> list[str]:
    """The orders whose statuses show the alert."""
    return change.alert.order_ids if change.alert.state in OPEN_STATES else []
