"""Reference records from files of past days: nothing from the day they take effect, or after."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

import polars as pl

from analytics.daily_bars import (
    adjusted,
    average_volume,
    beta,
    close_to_close_bps,
    suspected_splits,
)
from analytics.session_profile import SessionProfile
from domain.calendars import next_session
from domain.errors import InputError
from domain.reference import ReferenceRecord, Split
from domain.reference_check import record_of

DAYS = 20
BETA_DAYS = 250


@dataclass(frozen=True, slots=True)
class Derivation:
    """What to derive a symbol's record for, and over how many past days."""

    symbol: str
    calendar: str
    effective: date | None = None
    """Day the record takes effect; None: the session after the last day of data."""
    adv_days: int = DAYS
    sigma_days: int = DAYS
    beta_days: int = BETA_DAYS
    index_symbol: str | None = None
    splits: Sequence[Split] = ()
    look_ahead: bool = False
    """Allow intraday days on or after `effective`: curves that nobody could have known."""


@dataclass(slots=True)
class Derived:
    """A record and what its reader should know of how it came about."""

    record: ReferenceRecord
    notes: list[str] = field(default_factory=list[str])


def derive_reference(
    wanted: Derivation,
    *,
    bars: pl.DataFrame | None = None,
    index_bars: pl.DataFrame | None = None,
    profile: SessionProfile | None = None,
    given: dict[str, Any] | None = None,
) -> Derived:
    """A symbol's record from daily bars, from whole days of its market, or from both.

    Daily bars give adv_qty, sigma_daily_bps, prev_close and, with the index's, beta; days of
    the market give the curves and spread_bps, and stand in for the bars where there are none.
    Members `given` are taken as they are. Raises InputError where there is nothing to derive
    from, or where data lies after the day of effect; Refused where a given member is wrong.
    """
    effective = wanted.effective or _following(wanted, bars, profile)
    notes: list[str] = []
    members: dict[str, Any] = {}
    if profile is not None:
        members |= _from_profile(wanted, profile, effective, notes)
    if bars is not None:
        daily = _from_bars(wanted, bars, index_bars, effective, notes)
        if members and daily:
            daily["source"] += f"; curves: {members['source']}"
        members |= daily
    if not members:
        raise InputError(f"{wanted.symbol}: no past day before {effective} to derive from")
    record = record_of(
        {
            **{name: value for name, value in members.items() if value is not None},
            "symbol": wanted.symbol,
            "calendar": wanted.calendar,
            "effective_from": effective.isoformat(),
            **({"splits": _to_come(wanted.splits, effective)} if wanted.splits else {}),
            **(given or {}),
        }
    )
    return Derived(record, notes)


def _following(
    wanted: Derivation, bars: pl.DataFrame | None, profile: SessionProfile | None
) -> date:
    days = [day.date for day in profile.days] if profile else []
    last = bars["date"].max() if bars is not None else None
    if isinstance(last, date):
        days.append(last)
    if not days:
        raise InputError(f"{wanted.symbol}: no daily bar and no day of the market to derive from")
    return next_session(wanted.calendar, max(days)).date


def _from_bars(
    wanted: Derivation,
    bars: pl.DataFrame,
    index_bars: pl.DataFrame | None,
    effective: date,
    notes: list[str],
) -> dict[str, Any]:
    past = bars.filter(pl.col("date") < effective)
    if past.is_empty():
        notes.append(f"no daily bar lies before {effective}")
        return {}
    past = adjusted(past, wanted.splits, effective)
    window = past.tail(max(wanted.adv_days, wanted.sigma_days) + 1)
    notes.extend(_split_warnings(window))
    if len(past) < wanted.adv_days or len(past) <= wanted.sigma_days:
        notes.append(f"only {len(past)} daily bars lie before {effective}")
    members: dict[str, Any] = {
        "adv_qty": average_volume(past, wanted.adv_days),
        "sigma_daily_bps": close_to_close_bps(past, wanted.sigma_days),
        "prev_close": past["close"][-1],
        "days": min(wanted.adv_days, len(past)),
        "source": f"{min(wanted.adv_days, len(past))} daily bars to {past['date'][-1]}",
    }
    if index_bars is not None:
        members["beta"] = beta(
            past, index_bars.filter(pl.col("date") < effective), wanted.beta_days
        )
        members["index_symbol"] = wanted.index_symbol
        if members["beta"] is None:
            notes.append("fewer than 20 days in common with the index: no beta")
    return members


def _to_come(splits: Iterable[Split], effective: date) -> list[dict[str, Any]]:
    return [
        {"date": split.date, "ratio": split.ratio}
        for split in splits
        if split.date > effective.isoformat()
    ]


def _split_warnings(window: pl.DataFrame) -> list[str]:
    return [
        f"the close of {split.date} looks like a split: if it was one, say {split.date}:"
        f"{split.ratio:g}"
        for split in suspected_splits(window)
    ]


def _from_profile(
    wanted: Derivation, profile: SessionProfile, effective: date, notes: list[str]
) -> dict[str, Any]:
    late = [day.date for day in profile.days if day.date >= effective]
    if late and not wanted.look_ahead:
        raise InputError(
            f"{wanted.symbol}: {late[0]} is not before {effective}, so its curves could not have "
            "been known then; allow looking ahead, or take earlier days"
        )
    notes.extend(profile.left_out)
    if late:
        notes.append(f"curves look ahead: {late[0]} is not before {effective}")
    if not profile.days:
        return {}
    days = [day.date for day in profile.days]
    last = max(profile.days, key=lambda day: day.date)
    notes.append(f"curves from {len(days)} day(s), {min(days)} to {max(days)}")
    return {
        "volume_curve": profile.volume_curve(),
        "volatility_curve": profile.volatility_curve(),
        "spread_bps": profile.spread_bps(),
        "adv_qty": profile.average_volume(),
        "sigma_daily_bps": profile.intraday_sigma_bps(),
        "prev_close": last.last_px if last.last_px == last.last_px and not late else None,
        "days": len(days),
        "source": f"{len(days)} day(s) of the market to {max(days)}",
    }
