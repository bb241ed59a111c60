"""All symbols' events of the rest of the market, merged in order of time."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from sources.simulator.curves import Session
from sources.simulator.paths import Factor, Stream, Window
from sources.simulator.spec import SimulationSpec

GAP_VARIANCE = 0.3
"""Variance of the jump between sessions as a share of a session's."""
_WINDOW_EVENTS = 4_000
_SHORTEST_S = 0.25


class Event(NamedTuple):
    """`owner` is the symbol's index; `detail` counts the events of this kind in the window."""

    t: int
    owner: int
    log_fair: float
    kind: int
    detail: int


class Crowd:
    """Draws the market without us: the same for a seed whatever the desk does."""

    def __init__(self, spec: SimulationSpec, seed: np.random.SeedSequence) -> None:
        factor_seed, *seeds = seed.spawn(len(spec.symbols) + 1)
        index = {s.symbol: s for s in spec.symbols}.get(spec.index_symbol or "")
        self._factor = (
            Factor(factor_seed, index.sigma_daily_bps * 1e-4, index.tail_df) if index else None
        )
        self._streams = [
            Stream(
                s,
                spec.venues,
                self._factor,
                is_index=s is index,
                session_s=spec.session_s,
                seed=child,
            )
            for s, child in zip(spec.symbols, seeds, strict=True)
        ]
        rate = sum(s.quotes_per_s + s.trades_per_s for s in spec.symbols)
        self._length_s = max(_SHORTEST_S, _WINDOW_EVENTS / rate)
        self.windows: list[Window] = []
        """Details of the events that are being given, by symbol."""

    def gap(self) -> None:
        """Move prices as they do between two sessions."""
        if self._factor is not None:
            self._factor.gap(self._factor.sigma**2 * GAP_VARIANCE)
        for stream in self._streams:
            stream.gap(GAP_VARIANCE)

    def events(self, session: Session, start_ns: int, end_ns: int) -> Iterator[Event]:
        """Events between two times of a session; each symbol begins with a quote."""
        at, end = float(session.seconds(start_ns)), float(session.seconds(end_ns))
        for stream in self._streams:
            stream.begin(at)
        first = True
        while at < end:
            until = min(at + self._length_s, end)
            yield from self._window(session, at, until, first=first)
            at, first = until, False

    def _window(
        self, session: Session, start_s: float, end_s: float, *, first: bool
    ) -> Iterator[Event]:
        if self._factor is not None:
            self._factor.extend(session, start_s, end_s)
        windows = [s.window(session, start_s, end_s, first=first) for s in self._streams]
        self.windows = windows
        times = np.concatenate([w.times for w in windows])
        owners = np.repeat(np.arange(len(windows)), [len(w.times) for w in windows])
        order = np.argsort(times, kind="stable")
        columns = (
            times,
            owners,
            np.concatenate([w.log_fair for w in windows]),
            np.concatenate([w.kinds for w in windows]),
            np.concatenate([w.detail for w in windows]),
        )
        yield from map(Event, *(column[order].tolist() for column in columns))
