"""How a session's volume, volatility and spread are spread over its hours, from past days."""

import math
from dataclasses import dataclass, field
from datetime import date

import numpy as np

from domain.calendars import Session, session, trading_table
from domain.errors import InputError
from domain.instants import SECOND
from domain.reference import MAX_SLOTS
from domain.trading_time import elapsed_ns, in_trading, session_fraction
from domain.vocabulary import MarketKind, TradeFlag

HALF_HOUR_S = 1800
SAMPLE_S = 60
"""Grid on which mids are compared: shorter, and the bid-ask bounce would count as volatility."""
BPS = 1e4

_PRINT = MarketKind.TRADE | MarketKind.AUCTION
_AUCTION = TradeFlag.OPENING | TradeFlag.CLOSING


@dataclass(frozen=True, slots=True)
class DayProfile:
    """One symbol's day: by equal part of the session, and as a whole."""

    date: date
    volume: np.ndarray
    """Eligible quantity in each part; auctions count in the first and last."""
    variance: np.ndarray
    """Variance of the mid's log return in each part, from steps of a minute."""
    spread_bps: float
    """Time-weighted quoted spread in bps of the mid; NaN without a two-sided quote."""
    last_px: float
    """Closing auction, else the last eligible print; NaN without one."""


@dataclass(slots=True)
class SessionProfile:
    """Profiles of a symbol's past days, and the curves that their sums make."""

    calendar: str
    slots: int = 0
    """Parts of a session; 0: half-hours of the first day taken."""
    days: list[DayProfile] = field(default_factory=list[DayProfile])
    left_out: list[str] = field(default_factory=list[str])
    """Days that were not taken, and why."""

    def add(self, market: np.ndarray, day: date) -> None:
        """Take one symbol's MARKET rows of a day, in order of time.

        A half day is left out: its curve has another shape. Raises InputError where the
        calendar has no session that day or the rows lie outside it.
        """
        found = session(self.calendar, day)
        if found is None:
            raise InputError(f"{self.calendar} has no session on {day}")
        if found.half_day:
            self.left_out.append(f"{day} is a half day")
            return
        if not self.slots:
            self.slots = min(MAX_SLOTS, max(1, found.trading_ns // (HALF_HOUR_S * SECOND)))
        self.days.append(day_profile(market, found, self.slots))

    def volume_curve(self) -> list[float]:
        """Mean over days of each part's share of the day's volume; empty without volume."""
        shares = [day.volume / day.volume.sum() for day in self.days if day.volume.sum() > 0]
        return np.mean(shares, axis=0).tolist() if shares else []

    def volatility_curve(self) -> list[float]:
        """Volatility of each part over the session's, mean square 1; empty if nothing moved."""
        if not self.days:
            return []
        variance = np.sum([day.variance for day in self.days], axis=0)
        if not variance.sum() > 0:
            return []
        return np.sqrt(variance / variance.mean()).tolist()

    def spread_bps(self) -> float | None:
        """Mean over days of the time-weighted quoted spread, bps of the mid."""
        spreads = [day.spread_bps for day in self.days if not math.isnan(day.spread_bps)]
        return float(np.mean(spreads)) if spreads else None

    def intraday_sigma_bps(self) -> float | None:
        """Root of the mean day's variance from open to close, bps: the night is not in it."""
        variances = [float(day.variance.sum()) for day in self.days]
        mean = float(np.mean(variances)) if variances else 0.0
        return math.sqrt(mean) * BPS if mean > 0 else None

    def average_volume(self) -> float | None:
        """Mean over days of the eligible quantity."""
        mean = float(np.mean([day.volume.sum() for day in self.days])) if self.days else 0.0
        return mean if mean > 0 else None


def day_profile(market: np.ndarray, found: Session, slots: int) -> DayProfile:
    """Profile of one symbol's MARKET rows, in order of time, over one session."""
    table = trading_table(found.calendar, found.open_ns, found.close_ns)
    near = (market["ts_event"] >= found.open_ns - 43200 * SECOND) & (
        market["ts_event"] < found.close_ns + 43200 * SECOND
    )
    if not near.any():
        raise InputError(f"no market row lies near the session of {found.date}")
    market = market[near]
    volume, last_px = _volume(market, table, slots)
    variance, spread_bps = _quotes(market, table, slots)
    return DayProfile(found.date, volume, variance, spread_bps, last_px)


def _volume(market: np.ndarray, table: np.ndarray, slots: int) -> tuple[np.ndarray, float]:
    prints = market[((market["kind"] & _PRINT) != 0) & (market["size"] > 0)]
    auction = (prints["flags"] & _AUCTION) != 0
    eligible = (prints["flags"] & TradeFlag.ELIGIBLE) != 0
    counted = prints[eligible & (in_trading(table, prints["ts_event"]) | auction)]
    part = _part(session_fraction(table, counted["ts_event"]), slots)
    part[(counted["flags"] & TradeFlag.OPENING) != 0] = 0
    part[(counted["flags"] & TradeFlag.CLOSING) != 0] = slots - 1
    volume = np.bincount(part, weights=counted["size"], minlength=slots)
    closing = counted[(counted["flags"] & TradeFlag.CLOSING) != 0]
    last = closing if len(closing) else counted
    return volume, float(last["price"][-1]) if len(last) else math.nan


def _quotes(market: np.ndarray, table: np.ndarray, slots: int) -> tuple[np.ndarray, float]:
    """Variance by part and the time-weighted spread, of quotes with two sides uncrossed."""
    quotes = market[(market["kind"] & MarketKind.QUOTE) != 0]
    valid = (quotes["bid"] > 0) & (quotes["ask"] >= quotes["bid"])
    mid = np.where(valid, 0.5 * (quotes["bid"] + quotes["ask"]), np.nan)
    ts = quotes["ts_event"]
    if not valid.any():
        return np.zeros(slots), math.nan
    return _variance(ts, mid, table, slots), _time_weighted_bps(quotes, mid, table)


def _variance(ts: np.ndarray, mid: np.ndarray, table: np.ndarray, slots: int) -> np.ndarray:
    """Of mids a step apart, both from quotes of the same stretch of trading."""
    known = ~np.isnan(mid)
    ts, mid = ts[known], mid[known]
    squares, steps = np.zeros(slots), np.zeros(slots)
    for row in table:
        grid = np.arange(row["open"], row["close"] + 1, SAMPLE_S * SECOND)
        at = np.searchsorted(ts, grid, side="left") - 1
        begun = (at >= 0) & (ts[np.maximum(at, 0)] >= row["open"])
        grid, at = grid[begun], at[begun]
        part = _part(session_fraction(table, (grid[:-1] + grid[1:]) // 2), slots)
        squares += np.bincount(part, np.diff(np.log(mid[at])) ** 2, minlength=slots)
        steps += np.bincount(part, minlength=slots)
    steps_a_part = table["session"][0] / (slots * SAMPLE_S * SECOND)
    return np.where(steps > 0, squares / np.maximum(steps, 1) * steps_a_part, 0.0)


def _time_weighted_bps(quotes: np.ndarray, mid: np.ndarray, table: np.ndarray) -> float:
    ends = np.append(quotes["ts_event"][1:], table["close"][-1])
    lasted = elapsed_ns(table, ends) - elapsed_ns(table, quotes["ts_event"])
    counted = ~np.isnan(mid) & (lasted > 0)
    if not counted.any():
        return math.nan
    spread = (quotes["ask"] - quotes["bid"])[counted] / mid[counted]
    return float(np.average(spread, weights=lasted[counted]) * BPS)


def _part(fraction: np.ndarray, slots: int) -> np.ndarray:
    return np.clip(np.nan_to_num(fraction) * slots, 0, slots - 1).astype(np.int64)
