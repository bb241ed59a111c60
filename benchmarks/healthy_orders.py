"""Fair orders in a random market, as the rules would see them: columns of status rows.

The market is a random walk in bps of the arrival mid, with Gaussian or fat-tailed steps and with
or without the day's usual shape. Orders are bought in slices that fill late, early or with the
next one. What they do to the price follows a law of its own, with a power of 0.6 and a decay,
which is not the one that the product expects.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from domain.rows import STATUS_IN_KERNELS, STATUS_METRICS
from domain.vocabulary import EventKind, OrderState, Schedule
from metrics.efficiency import cost_efficiency, risk_bps, z_cost
from metrics.impact import expected_cost_bps
from metrics.progress import expected_pov

STEP_S = 5.0
SESSION_S = 23_400.0
ADV = 10e6
SPREAD_BPS = 3.0
TICK_BPS = 0.5
_IMPACT_Y = 0.8
_IMPACT_POWER = 0.6
_DECAY_S = 600.0
_SLICES = 40
_FILLS_IN_TIME = 0.85
_CURVE_SLOTS = 13
_TRADE_QTY = 200.0
_TRADE_VARIANCE = 3.2
"""Of the size of one trade, in squared means: that of a log-normal with deviation 1.2."""
_LIVELY_SD, _LIVELY_S = 0.5, 300.0
"""How much, in logs, and how long the volume is livelier or duller than usual."""
SCHEDULES = (Schedule.TWAP, Schedule.VWAP, Schedule.POV)
_M = {name: i for i, name in enumerate(STATUS_METRICS)}


@dataclass(frozen=True, slots=True)
class Cell:
    """One kind of day."""

    sigma_daily_bps: float
    horizon_s: float
    shape: str
    """`flat` or `u`: volume and volatility over the session."""
    tails: str
    """`gauss` or `fat`: Student's t with 3 degrees of freedom."""


@dataclass(frozen=True, slots=True)
class Fault:
    """What goes wrong with every order; nothing by default."""

    stalls_at: float = 2.0
    """Share of the horizon after which nothing is filled."""
    pace: float = 1.0
    """Of what is due, how much is sent."""
    cost_bps: float = 0.0
    """Paid on every fill beside the market's price."""
    participation: float = 0.0
    """Share of the volume, instead of 1 to 8 %."""
    impact: float = 1.0
    """Times the impact of the law."""
    drift_bps: float = 0.0
    """How far the market runs away over the horizon, by itself."""


def _curve(shape: str) -> np.ndarray:
    """Relative activity in each part of the session, mean 1."""
    x = np.linspace(-1.0, 1.0, _CURVE_SLOTS)
    activity = np.ones(_CURVE_SLOTS) if shape == "flat" else 0.6 + 1.2 * x**2
    return activity / activity.mean()


def _steps(rng: np.random.Generator, tails: str, count: int) -> np.ndarray:
    """Steps of unit variance."""
    if tails == "gauss":
        return rng.standard_normal(count)
    return rng.standard_t(3, count) / np.sqrt(3.0)


class Orders:
    """Orders of one cell, all accepted at once: a third each TWAP, VWAP and POV."""

    def __init__(self, cell: Cell, count: int, seed: int, fault: Fault) -> None:
        self.cell = cell
        self.fault = fault
        self.rng = rng = np.random.default_rng(seed)
        self.count = count
        self.schedule = np.array(SCHEDULES)[np.arange(count) % len(SCHEDULES)]
        start = rng.uniform(0.0, SESSION_S - cell.horizon_s, count)
        self.activity = _curve(cell.shape)
        edges = np.concatenate([[0.0], np.cumsum(self.activity)]) / _CURVE_SLOTS
        self._edges = edges
        self.start = start
        share = rng.uniform(0.01, 0.08, count)
        if fault.participation:
            share = np.full(count, fault.participation)
        self.volume = ADV * (self._done(start + cell.horizon_s) - self._done(start))
        self.share = share
        self.qty = np.maximum(share * self.volume, 100.0)
        self.others = np.zeros(count)
        """Volume of the others since the start, as a POV order meets it."""
        self.lively = _LIVELY_SD * rng.standard_normal(count)
        self.filled = np.zeros(count)
        self.paid = np.zeros(count)
        """Σ quantity × price in bps of the arrival mid."""
        self.fills = np.zeros(count, np.int64)
        self.mid = np.zeros(count)
        self.temporary = np.zeros(count)
        self.owed = np.zeros(count)

    def _done(self, t: np.ndarray) -> np.ndarray:
        """Share of the session's volume done at t seconds into it."""
        return np.interp(t / SESSION_S * _CURVE_SLOTS, np.arange(_CURVE_SLOTS + 1), self._edges)

    def expected(self, t: float) -> np.ndarray:
        """Progress due t seconds after the start."""
        even = np.full(self.count, min(t / self.cell.horizon_s, 1.0))
        begun = self._done(self.start)
        along = (self._done(self.start + t) - begun) / (
            self._done(self.start + self.cell.horizon_s) - begun
        )
        of_volume = expected_pov(self.share, volume_others=self.others, order_qty=self.qty)
        by_clock = np.where(self.schedule == Schedule.VWAP, along, even)
        return np.where(self.schedule == Schedule.POV, of_volume, by_clock)

    def traded(self, t: float) -> np.ndarray:
        """The market's volume since the start, ourselves included."""
        usual = ADV * (self._done(self.start + t) - self._done(self.start))
        return np.where(self.schedule == Schedule.POV, self.others + self.filled, usual)

    def rows(self) -> Iterator[tuple[float, np.ndarray]]:
        """(seconds since the start, STATUS_IN_KERNELS rows) at each mark until the end."""
        rows = blank_rows(self.schedule, self.share, self.qty)
        cell = self.cell
        every = max(1, round(cell.horizon_s / _SLICES / STEP_S))
        for step in range(1, round(cell.horizon_s / STEP_S) + 1):
            t = step * STEP_S
            self._move(t)
            if step % every == 0 and t <= self.fault.stalls_at * cell.horizon_s:
                self._trade(t)
            self._measure(rows, t)
            yield t, rows

    def _volatility(self, t: float) -> np.ndarray:
        """bps per square root of a second, now."""
        slot = ((self.start + t) / SESSION_S * _CURVE_SLOTS).astype(int)
        now = np.sqrt(self.activity[np.minimum(slot, _CURVE_SLOTS - 1)])
        return self.cell.sigma_daily_bps / np.sqrt(SESSION_S) * now

    def _move(self, t: float) -> None:
        steps = _steps(self.rng, self.cell.tails, self.count)
        self.mid += steps * self._volatility(t) * np.sqrt(STEP_S)
        self.mid += self.fault.drift_bps * STEP_S / self.cell.horizon_s
        self.temporary *= np.exp(-STEP_S / _DECAY_S)
        self._let_others_trade(t)

    def _let_others_trade(self, t: float) -> None:
        """Trades of log-normal sizes at random times, more of them while the market is lively."""
        kept = np.exp(-STEP_S / _LIVELY_S)
        fresh = self.rng.standard_normal(self.count) * np.sqrt(1.0 - kept**2)
        self.lively = kept * self.lively + _LIVELY_SD * fresh
        usual = ADV * (self._done(self.start + t) - self._done(self.start + t - STEP_S))
        lively = np.exp(self.lively - _LIVELY_SD**2 / 2)
        trades = usual * (1.0 - self.share) * lively / _TRADE_QTY
        self.others += self.rng.gamma(trades / _TRADE_VARIANCE, _TRADE_QTY * _TRADE_VARIANCE)

    def _trade(self, t: float) -> None:
        """Fill what is due by now, or leave it to the next slice."""
        in_time = self.rng.random(self.count) < _FILLS_IN_TIME
        due = np.maximum(self.fault.pace * self.expected(t) * self.qty - self.filled, 0.0)
        done = np.where(in_time | (t >= self.cell.horizon_s), due, 0.0)
        before = self._law(self.filled)
        self.filled += done
        self.temporary += self.fault.impact * (self._law(self.filled) - before)
        side_of_spread = self.rng.choice([-0.5, 0.5], self.count, p=[0.3, 0.7])
        price = self.mid + self.temporary + side_of_spread * SPREAD_BPS + self.fault.cost_bps
        self.paid += done * price
        self.fills += done > 0

    def _law(self, qty: np.ndarray) -> np.ndarray:
        return _IMPACT_Y * self.cell.sigma_daily_bps * (qty / ADV) ** _IMPACT_POWER

    def _measure(self, rows: np.ndarray, t: float) -> None:
        metrics = rows["metrics"]
        volume = self.traded(t)
        with np.errstate(all="ignore"):
            progress = self.filled / self.qty
            due = self.expected(t)
            share = self.filled / volume
            average = self.paid / self.filled
        expected = expected_cost_bps(
            self.qty, adv=ADV, sigma_daily_bps=self.cell.sigma_daily_bps,
            spread_bps=SPREAD_BPS, participation=share, horizon_days=t / SESSION_S,
        )  # fmt: skip
        risk = risk_bps(
            self._volatility(t), seconds=t, half_spread_bps=SPREAD_BPS / 2, tick_bps=TICK_BPS
        )
        z = z_cost(average, expected_bps=expected, risk_bps=risk)
        found: dict[str, Any] = {
            "execution_progress": progress, "expected_progress": due,
            "execution_speed": progress / np.maximum(due, 1e-9), "participation_rate": share,
            "slippage_bps": average, "market_impact_bps": self.mid + self.temporary,
            "expected_cost_bps": expected, "risk_bps": risk, "z_cost": z,
            "cost_efficiency": cost_efficiency(z),
        }  # fmt: skip
        for name, values in found.items():
            metrics[:, _M[name]] = values
        rows["cum_qty"] = self.filled
        rows["fills"] = self.fills
        rows["known"] = rows["ts"] = round(t * 1e9)


def blank_rows(schedule: np.ndarray, share: np.ndarray, qty: np.ndarray) -> np.ndarray:
    """A mark of each order, with keys from 1, everything that does not change in it."""
    count = len(qty)
    rows = np.zeros(count, STATUS_IN_KERNELS)
    rows["metrics"] = np.nan
    rows["order"] = rows["root"] = np.arange(1, count + 1)
    rows["kind"] = EventKind.MARK
    rows["state"] = OrderState.PARTIALLY_FILLED
    rows["side"] = 1
    rows["schedule"] = schedule
    rows["participation"] = np.where(schedule == Schedule.POV, share, np.nan)
    rows["order_qty"] = qty
    rows["lot"] = 100.0
    rows["limit_px"] = np.nan
    rows["bid"], rows["ask"] = 100.0 - SPREAD_BPS / 200, 100.0 + SPREAD_BPS / 200
    rows["usual_spread_bps"] = SPREAD_BPS
    rows["usual_qty"] = rows["market_qty"] = 1.0
    return rows
