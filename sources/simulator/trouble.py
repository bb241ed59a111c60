"""Faults of venues and algorithms, asked for by time: what the trading itself feels."""

from collections.abc import Sequence

from domain.instants import MILLISECOND, SECOND
from sources.simulator.spec import FaultKind, FaultSpec


class Trouble:
    """Which faults are on. Times are UNIX ns of the simulation."""

    def __init__(self, faults: Sequence[FaultSpec], start_ns: int) -> None:
        self._of: dict[FaultKind, list[FaultSpec]] = {}
        for fault in faults:
            self._of.setdefault(fault.kind, []).append(fault)
        self._start = start_ns

    def active(
        self,
        kind: FaultKind,
        t: int,
        *,
        venue: str | None = None,
        symbol: str | None = None,
        algorithm: str | None = None,
        broker: str | None = None,
    ) -> FaultSpec | None:
        """The fault of this kind that is on; one that names nothing concerns everything."""
        for fault in self._of.get(kind, ()):
            seconds = (t - self._start) / SECOND
            if (
                fault.start_s <= seconds < fault.end_s
                and fault.venue in {None, venue}
                and fault.symbol in {None, symbol}
                and fault.algorithm in {None, algorithm}
                and fault.broker in {None, broker}
            ):
                return fault
        return None

    def dead(self, venue: str, t: int) -> bool:
        """Whether the venue answers nothing."""
        return self.active("dead_venue", t, venue=venue) is not None

    def quiet(self, venue: str, t: int) -> bool:
        """Whether the venue shows and trades nothing, and nobody sends orders there."""
        return self.active("quiet_venue", t, venue=venue) is not None

    def extra_delay_ns(self, venue: str, t: int) -> int:
        """Time that a slow venue adds to each answer."""
        fault = self.active("slow_venue", t, venue=venue)
        return round(fault.delay_ms * MILLISECOND) if fault else 0

    def reject_rate(self, venue: str, t: int) -> float:
        """Chance that a venue refuses a route out of fault, 0–1."""
        fault = self.active("rejecting_venue", t, venue=venue)
        return fault.rate if fault else 0.0

    def toxic_bps(self, venue: str, t: int) -> float:
        """How far the price runs against us after each fill at this venue."""
        fault = self.active("toxic_venue", t, venue=venue)
        return fault.bps if fault else 0.0

    def overfill_rate(self, venue: str, t: int) -> float:
        """Chance that a completed order is executed a lot further, 0–1."""
        fault = self.active("overfilling_venue", t, venue=venue)
        return fault.rate if fault else 0.0

    def stalled(self, algorithm: str, symbol: str, t: int) -> bool:
        """Whether the algorithm sleeps."""
        return self.active("stalled_algorithm", t, algorithm=algorithm, symbol=symbol) is not None

    def costly_bps(self, algorithm: str, broker: str, symbol: str, t: int) -> float:
        """How much worse than the venue's price an algorithm at a broker books each fill."""
        fault = self.active(
            "costly_algorithm", t, algorithm=algorithm, broker=broker, symbol=symbol
        )
        return fault.bps if fault else 0.0
