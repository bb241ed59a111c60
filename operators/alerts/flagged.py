"""Orders whose own events do not add up, where somebody wants an alert of that."""

from collections.abc import Iterator

import msgspec
import numpy as np

from domain.alerts import NO_DESK, Crossing, rank
from domain.flags import ANOMALIES, RAISES, Flag, Flags
from domain.instants import END_OF_TIME, SECOND
from domain.published import AlertEvidence, Severity
from domain.rows import MarketFlag, Rows
from domain.vocabulary import OrderState
from rules.crossings import metrics_of, number

HOLDS_NS = 3600 * SECOND
"""What happened stays true: its alert ends by itself after an hour of event time."""
_FORGET_NS = 4 * 86_400 * SECOND
"""After the newest sign: the same one would be told again."""


class _Told(msgspec.Struct, array_like=True):
    """What was told of an order; times in ns."""

    order_id: str
    desk: str
    bits: int
    severity: Severity
    until: int
    """When its alert ends, END_OF_TIME once it has."""
    forget_at: int
    closed: bool


_pack = msgspec.msgpack.encode
_TOLD = msgspec.msgpack.Decoder(dict[int, _Told])


class Flagged:
    """The orders of one group that were told of."""

    def __init__(self, flags: Flags, config_version: str = "") -> None:
        self._levels = [
            (flag, int(bit), flags[flag]) for flag, bit in ANOMALIES.items() if flag in flags
        ]
        self._mask = sum(bit for _, bit, _ in self._levels)
        self._version = config_version
        self._told: dict[int, _Told] = {}
        self._due = END_OF_TIME

    def take(self, rows: Rows) -> list[Crossing]:
        """What the final states among these tell for the first time."""
        status = rows.status
        if not self._mask or not len(status):
            return []
        final = (status["provisional"] == 0) & (status["market_flags"] & MarketFlag.SHOWS_ONLY == 0)
        found = final & (status["anomalies"] & self._mask != 0)
        return [
            crossing
            for at in np.flatnonzero(found).tolist()
            for crossing in self._tell(status[at], rows)
        ]

    def pass_time(self, until: int) -> list[Crossing]:
        """What ends by itself up to and with an instant."""
        if self._due > until:
            return []
        ended: list[Crossing] = []
        for order, told in list(self._told.items()):
            if told.until <= until:
                ended.append(_end(told))
            if told.forget_at <= until:
                del self._told[order]
        self._next_due()
        return sorted(ended, key=lambda crossing: (crossing.t, crossing.scope))

    def dump(self) -> bytes:
        """What was told, packed."""
        return _pack(self._told)

    def load(self, kept: bytes) -> None:
        """Take back what `dump` gave."""
        self._told = _TOLD.decode(kept)
        self._next_due()

    def _next_due(self) -> None:
        times = (min(told.until, told.forget_at) for told in self._told.values())
        self._due = min(times, default=END_OF_TIME)

    def _tell(self, row: np.void, rows: Rows) -> Iterator[Crossing]:
        order, t = int(row["order"]), int(row["known"])
        bits = int(row["anomalies"]) & self._mask
        before = self._told.get(order)
        # What time alone ends has ended by now, whenever that is looked for.
        if before is not None and before.until <= t:
            yield _end(before)
        if before is not None and before.forget_at <= t:
            before = None
        if before is not None:
            before.closed = OrderState(int(row["state"])).is_closed
        if before is not None and before.bits | bits == before.bits:
            return
        new = bits if before is None else bits & ~before.bits
        flag, _, severity = max(
            (level for level in self._levels if new & level[1]), key=lambda one: rank(one[2])
        )
        holds = before is not None and before.until < END_OF_TIME
        if before is not None and holds and rank(severity) <= rank(before.severity):
            before.bits |= bits
            return
        names = rows.names
        order_id, desk = names[order], names.get(int(row["desk"]), NO_DESK)
        known = bits | (before.bits if before is not None else 0)
        closed = OrderState(int(row["state"])).is_closed
        self._told[order] = _Told(
            order_id, desk, known, severity, t + HOLDS_NS, t + _FORGET_NS, closed
        )
        self._due = min(self._due, t + HOLDS_NS)
        yield Crossing(
            t=t, scope=order_id, type=RAISES, seq=int(row["seq"]), severity=severity, desk=desk,
            order_ids=[order_id], symbol=names.get(int(row["symbol"]), ""),
            progress=number(row["execution_progress"]),
            expected_progress=number(row["expected_progress"]),
            metrics=metrics_of(row),
            evidence=_evidence(flag, row, self._version),
            recommendation=_words(flag, row),
        )  # fmt: skip


def _end(told: _Told) -> Crossing:
    """What is told when an alert ends by itself."""
    t, told.until = told.until, END_OF_TIME
    return Crossing(
        t=t, scope=told.order_id, type=RAISES, desk=told.desk, ended=told.closed,
        order_ids=[told.order_id],
    )  # fmt: skip


def _evidence(flag: Flag, row: np.void, version: str) -> AlertEvidence:
    found = AlertEvidence(n=int(row["fills"]), config_version=version)
    if flag is Flag.OVERFILL:
        found.expected, found.actual = number(row["order_qty"]), number(row["cum_qty"])
        found.threshold = found.expected
    return found


def _words(flag: Flag, row: np.void) -> str:
    if flag is Flag.OVERFILL:
        done, asked = float(row["cum_qty"]), float(row["order_qty"])
        return f"Agree the fills with whoever works the order: {done:,g} executed of {asked:,g}"
    return "Agree the order's state with whoever works it: an event could not follow the one before"
