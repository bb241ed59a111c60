"""What the rest of the market does: fair prices, quotes and trades, a window at a time."""

from dataclasses import dataclass

import numpy as np

from domain.instants import SECOND
from sources.simulator.curves import Session
from sources.simulator.spec import SymbolSpec, VenueSpec

QUOTE = 0
"""Kind of a window's event; +1 and −1 are trades by a buyer and by a seller."""
_FACTOR_STEP_S = 0.25
_GRID_NS = 1_000


@dataclass(slots=True)
class Window:
    """Events of one symbol, in order of time. `detail` counts within the kind."""

    times: np.ndarray
    log_fair: np.ndarray
    kinds: np.ndarray
    detail: np.ndarray
    spread_noise: list[float]
    sizes: list[list[list[int]]]
    """Of each quote: shares at the best bid and at the best ask of each venue."""
    deeper: list[int]
    """Of each quote: shares a level behind the best."""
    trade_sizes: list[int]
    trade_venue: list[float]
    """Uniform numbers that choose the venue of a trade."""


def increments(rng: np.random.Generator, variance: np.ndarray, tail_df: float | None) -> np.ndarray:
    """Independent steps with these variances, Student where `tail_df` says, else Gaussian."""
    if tail_df is None:
        return rng.standard_normal(len(variance)) * np.sqrt(variance)
    scale = np.sqrt((tail_df - 2) / tail_df)
    return rng.standard_t(tail_df, len(variance)) * scale * np.sqrt(variance)


class Factor:
    """Log price of the index, on a grid of a quarter second."""

    def __init__(self, seed: np.random.SeedSequence, sigma: float, tail_df: float | None) -> None:
        self.sigma = sigma
        self._tail_df = tail_df
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._last = 0.0
        self._grid = np.zeros(1)
        self._path = np.zeros(1)

    def extend(self, session: Session, start_s: float, end_s: float) -> None:
        """Draw the path between two times of a session, in seconds after its open."""
        steps = max(1, int(np.ceil((end_s - start_s) / _FACTOR_STEP_S)))
        self._grid = np.linspace(start_s, end_s, steps + 1)
        variance = np.diff(session.variance_share(self._grid)) * self.sigma**2
        moves = increments(self._rng, variance, self._tail_df)
        self._path = self._last + np.concatenate([[0.0], np.cumsum(moves)])
        self._last = float(self._path[-1])

    def at(self, seconds: np.ndarray) -> np.ndarray:
        """Path at times within the span that was drawn last."""
        return self._path[np.searchsorted(self._grid, seconds, side="right") - 1]

    def gap(self, variance: float) -> None:
        """Jump between two sessions."""
        self._last += float(self._rng.standard_normal() * np.sqrt(variance))


class Stream:
    """Draws the events of one symbol."""

    def __init__(
        self,
        spec: SymbolSpec,
        venues: tuple[VenueSpec, ...],
        factor: Factor | None,
        *,
        is_index: bool,
        session_s: float,
        seed: np.random.SeedSequence,
    ) -> None:
        self._spec = spec
        self._factor = factor
        self._beta = (1.0 if is_index else spec.beta) if factor is not None else 0.0
        common = (self._beta * factor.sigma) ** 2 if factor is not None else 0.0
        own = (spec.sigma_daily_bps * 1e-4) ** 2
        self._own_variance = 0.0 if is_index else max(own - common, 0.1 * own)
        self._rng = np.random.Generator(np.random.PCG64(seed))
        self._last = 0.0
        self._last_s = 0.0
        self._presence = np.array([1.0, *(v.presence for v in venues[1:])])
        self._quotes = spec.quotes_per_s * session_s
        self._trades = spec.trades_per_s * session_s
        lots = spec.adv_qty / max(self._trades, 1e-9) / spec.lot
        self._trade_chance = 1 / max(1.0, lots)
        self._size_chance = 1 / max(1.5, 1.5 * lots)

    def gap(self, gap_variance_share: float) -> None:
        """Let the price jump by a share of the day's variance."""
        jump = self._rng.standard_normal() * np.sqrt(self._own_variance * gap_variance_share)
        self._last += float(jump)

    def begin(self, seconds: float) -> None:
        """Let no variance pass before this time of the session."""
        self._last_s = seconds

    def window(self, session: Session, start_s: float, end_s: float, *, first: bool) -> Window:
        """Events in [start_s, end_s) after the open; `first` begins with a quote."""
        low, high = session.volume_share(np.array([start_s, end_s]))
        n_quotes = int(self._rng.poisson(self._quotes * (high - low)))
        n_trades = int(self._rng.poisson(self._trades * (high - low)))
        count = n_quotes + n_trades
        seconds = np.sort(session.seconds_at(self._rng.uniform(low, high, count)))
        kinds = self._kinds(n_quotes, n_trades)
        if first:
            seconds = np.concatenate([[start_s], seconds])
            kinds = np.concatenate([[QUOTE], kinds])
        times = session.open_ns + np.rint(seconds * SECOND).astype(np.int64)
        times -= times % _GRID_NS
        is_quote = kinds == QUOTE
        detail = np.where(is_quote, np.cumsum(is_quote), np.cumsum(~is_quote)) - 1
        return self._with_details(times, self._log_fair(session, seconds), kinds, detail)

    def _kinds(self, n_quotes: int, n_trades: int) -> np.ndarray:
        kinds = np.zeros(n_quotes + n_trades, np.int64)
        signs = np.where(self._rng.random(n_trades) < 0.5, 1, -1)
        kinds[self._rng.permutation(n_quotes + n_trades)[:n_trades]] = signs
        return kinds

    def _log_fair(self, session: Session, seconds: np.ndarray) -> np.ndarray:
        clock = session.variance_share(np.concatenate([[self._last_s], seconds]))
        variance = np.maximum(np.diff(clock), 0.0) * self._own_variance
        own = self._last + np.cumsum(increments(self._rng, variance, self._spec.tail_df))
        if len(own):
            self._last, self._last_s = float(own[-1]), float(seconds[-1])
        if self._factor is not None and self._beta:
            own = own + self._beta * self._factor.at(seconds)
        return own

    def _with_details(
        self, times: np.ndarray, log_fair: np.ndarray, kinds: np.ndarray, detail: np.ndarray
    ) -> Window:
        rng, lot = self._rng, self._spec.lot
        n_quotes = int((kinds == QUOTE).sum())
        n_trades = len(kinds) - n_quotes
        shape = (n_quotes, 2, len(self._presence))
        sizes = rng.geometric(self._size_chance, shape) * lot
        sizes[rng.random(shape) >= self._presence] = 0
        return Window(
            times=times,
            log_fair=log_fair,
            kinds=kinds,
            detail=detail,
            spread_noise=np.exp(rng.standard_normal(n_quotes) * 0.3 - 0.045).tolist(),
            sizes=sizes.tolist(),
            deeper=(rng.geometric(self._size_chance, n_quotes) * 2 * lot).tolist(),
            trade_sizes=(rng.geometric(self._trade_chance, n_trades) * lot).tolist(),
            trade_venue=rng.random(n_trades).tolist(),
        )
