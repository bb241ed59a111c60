"""From the moment a mark could be judged to its alert on the bus, as the bus server saw both.

A mark can be judged once every partition's clock is past it; the last to pass are those that
carry clocks alone. Stored times have milliseconds: an alert counts as stored at the end of its
own, a clock at the beginning, so that a figure is a millisecond too long and never too short.
"""

from collections.abc import Iterator
from typing import Any

import msgspec
import numpy as np

from bus.base import START, Bus, Stored
from domain.instants import parse_rfc3339
from domain.vocabulary import Topic

_AT_ONCE = 1_000
_CLOCKS_ONLY = (Topic.CONTROL, Topic.REFERENCE)
_RAISED = "RAISED"


class _Clock(msgspec.Struct):
    type: str = ""
    ts_event: Any = None


class _Life(msgspec.Struct):
    change: str


class _Alert(msgspec.Struct):
    timestamp: str
    monitoring: _Life


_read_clock = msgspec.json.Decoder(_Clock).decode
_read_alert = msgspec.json.Decoder(_Alert).decode


def alert_figures(bus: Bus, since_ns: int) -> dict[str, Any]:
    """Percentiles over the alerts raised at marks since then, event time in ns; and their number.

    `alert_…` from the last clock past the mark, `alert_…_of_mark` from the mark itself, whose
    event time is the wall clock's.
    """
    at, stored = _raised(bus, since_ns)
    if not len(at):
        return {"alerts": 0}
    waits = np.full(len(at), -np.inf)
    for topic in _CLOCKS_ONLY:
        for partition in range(bus.partitions(topic)):
            waits = np.maximum(waits, _first_past(bus, topic, partition, at))
    found: dict[str, Any] = {"alerts": len(at)}
    for name, since in (("", waits), ("_of_mark", at / 1e6)):
        for share in (50, 99):
            ms = float(np.percentile(stored + 1 - since, share))
            found[f"alert_p{share}_ms{name}"] = round(ms, 1)
    return found


def _raised(bus: Bus, since_ns: int) -> tuple[np.ndarray, np.ndarray]:
    """Event times in ns and stored times in ms of the alerts raised."""
    found: list[tuple[int, int]] = []
    for partition in range(bus.partitions(Topic.EXECUTION_ALERTS)):
        for message in _messages(bus, Topic.EXECUTION_ALERTS, partition):
            alert = _read_alert(message.body)
            at = parse_rfc3339(alert.timestamp)
            if alert.monitoring.change == _RAISED and at >= since_ns:
                found.append((at, _ms(message)))
    table = np.array(found, np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _first_past(bus: Bus, topic: Topic, partition: int, at: np.ndarray) -> np.ndarray:
    """When, in ms, a partition first had a clock past each of these times."""
    times: list[int] = []
    stored: list[int] = []
    for message in _messages(bus, topic, partition):
        clock = _read_clock(message.body)
        if clock.type == "clock":
            times.append(parse_rfc3339(clock.ts_event))
            stored.append(_ms(message))
    place = np.searchsorted(np.array(times, np.int64), at, side="right")
    return np.array(stored)[np.minimum(place, len(stored) - 1)]


def _messages(bus: Bus, topic: Topic, partition: int) -> Iterator[Stored]:
    place = (topic, partition)
    reader = bus.reader()
    position = START
    while batch := reader.read({place: position}, _AT_ONCE, 0).get(place):
        yield from batch
        position = batch[-1].position
    reader.close()


def _ms(message: Stored) -> int:
    return int(message.position.partition("-")[0])
