"""What thresholds would have raised over stored history, beside what was raised.

Evaluations that came near a level are stored; they are judged again by the rules themselves,
and what follows is what the life cycle makes of it. With the thresholds that were in force the
alerts that were raised come out again, id by id.
"""

import asyncio
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

import numpy as np

from analytics.history.connection import Connection, Desks, Row
from analytics.history.evaluations import (
    Evaluations,
    Span,
    count_evaluations,
    first_evaluation,
    raised_alerts,
    read_evaluations,
)
from domain.alerts import ORDER_ALERTS, CloseReason, rank
from domain.errors import InputError
from domain.evaluations import InForce
from domain.instants import SECOND, format_rfc3339
from domain.thresholds import Configured, configured_for
from domain.vocabulary import AssetClass
from rules.levels import limits_of
from rules.preview import Raised, alerts_of, judged_again, not_kept_for

MOST_DAYS = 31
MOST_EVALUATIONS = 300_000
"""Judged for one answer."""
MOST_LISTED = 1_000
"""Alerts in each list of an answer."""
_DAY_NS = 86_400 * SECOND


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """Thresholds to be tried, and on what."""

    since: date
    until: date
    """Not included."""
    asked: Mapping[str, float] = field(default_factory=dict[str, float])
    """As if every order's own session had set them."""
    configured: Sequence[Configured] = ()
    """As if they stood behind the configured ones."""
    desk: str | None = None
    alert_type: str | None = None

    @property
    def types(self) -> list[str]:
        """Types that are compared."""
        return [self.alert_type] if self.alert_type else sorted(ORDER_ALERTS)


async def preview(connection: Connection, proposal: Proposal, desks: Desks) -> Row:
    """Counts by day, desk, type and severity, before and as proposed, and which alerts differ.

    Raises InputError where it is about too much for one answer.
    """
    span = Span(_ns(proposal.since), _ns(proposal.until), desks, proposal.desk)
    evaluations = await count_evaluations(connection, span)
    if evaluations > MOST_EVALUATIONS:
        raise InputError(
            f"{evaluations} evaluations are stored of these days, more than the "
            f"{MOST_EVALUATIONS} that are tried at once: choose fewer days or one desk"
        )
    before = await raised_alerts(connection, span, proposal.types)
    proposed: list[Raised] = []
    orders: set[str] = set()
    async for part in read_evaluations(connection, span):
        raised = await asyncio.to_thread(_judged, part, proposal)
        proposed += [one for one in raised if span.since <= one.started_at < span.until]
        orders.update(part.names[key] for key in np.unique(part.rows["order"]).tolist())
    wanted = set(proposal.types)
    proposed = [one for one in proposed if one.type in wanted]
    unknown = [one for one in before if one["scope"] not in orders]
    known = [one for one in before if one["scope"] in orders]
    since = await first_evaluation(connection)
    notes = _caveats(proposal, span, since, known, len(unknown))
    wanting = _wanting(proposal)
    return {
        "from": proposal.since.isoformat(),
        "to": proposal.until.isoformat(),
        "is_exact": not wanting and not unknown and since is not None and since <= span.since,
        "notes": notes,
        "stored_since": None if since is None else format_rfc3339(since),
        "orders": len(orders),
        "evaluations": evaluations,
        "counts": _counts(known, proposed),
        **_differences(known, proposed),
    }


def _ns(day: date) -> int:
    at = datetime(day.year, day.month, day.day, tzinfo=UTC)
    return int(at.timestamp()) * SECOND


# Judging


def _judged(part: Evaluations, proposal: Proposal) -> list[Raised]:
    book = _Limits(proposal)
    columns = ("thresholds", "desk", "asset_class", "symbol")
    pairs = zip(*(part.rows[name].tolist() for name in columns), strict=True)
    which = np.array([book.row_of(part, *one) for one in pairs], np.int64)
    crossings = judged_again(part.rows, which, book.table(), part.names)
    return alerts_of(crossings)


class _Limits:
    """The levels that proposed thresholds give each order."""

    def __init__(self, proposal: Proposal) -> None:
        self._proposal = proposal
        self._row_of: dict[tuple[int, ...], int] = {}
        self._by_thresholds: dict[tuple[tuple[str, float], ...], int] = {}

    def row_of(
        self, part: Evaluations, in_force: int, desk: int, asset_class: int, symbol: int
    ) -> int:
        """Row of the table for an evaluation with these members."""
        key = (in_force, desk, asset_class, symbol)
        row = self._row_of.get(key)
        if row is None:
            names = part.names
            thresholds = self._thresholds(
                part.in_force[in_force], names.get(desk, ""), AssetClass(asset_class).name,
                names.get(symbol, ""),
            )  # fmt: skip
            together = tuple(sorted(thresholds.items()))
            row = self._by_thresholds.setdefault(together, len(self._by_thresholds))
            self._row_of[key] = row
        return row

    def _thresholds(
        self, in_force: InForce, desk: str, asset_class: str, symbol: str
    ) -> dict[str, float]:
        proposal = self._proposal
        configured = configured_for(proposal.configured, desk, asset_class, symbol)
        return {**in_force.configured, **configured, **in_force.asked, **proposal.asked}

    def table(self) -> np.ndarray:
        """The rows that were named."""
        return np.concatenate([limits_of(dict(one)) for one in self._by_thresholds])


# Comparing


def _counts(before: Sequence[Row], proposed: Sequence[Raised]) -> list[Row]:
    was = Counter(
        (_day(one["started_ns"]), one["desk"], one["type"], one["severity"]) for one in before
    )
    is_ = Counter((_day(one.started_at), one.desk, one.type, str(one.severity)) for one in proposed)
    keys = sorted({*was, *is_}, key=lambda key: (*key[:3], rank(key[3])))
    names = ("day", "desk", "type", "severity")
    return [
        {**dict(zip(names, key, strict=True)), "before": was[key], "proposed": is_[key]}
        for key in keys
    ]


def _day(ns: int) -> str:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=ns // _DAY_NS)).date().isoformat()


def _differences(before: Sequence[Row], proposed: Sequence[Raised]) -> Row:
    was = {one["alert_id"] for one in before}
    is_ = {one.alert_id for one in proposed}
    more = [_proposed(one) for one in proposed if one.alert_id not in was]
    fewer = [_before(one) for one in before if one["alert_id"] not in is_]
    by_key: dict[tuple[str, ...], list[Raised]] = {}
    for one in proposed:
        by_key.setdefault((one.desk, one.scope, one.type), []).append(one)
    missed = [
        _before(one) for one in before
        if _was_true(one) and not _covers(by_key.get(_key(one), ()), one)
    ]  # fmt: skip
    lists = {"only_proposed": more, "only_before": fewer, "missed_true": missed}
    return {
        **{name: found[:MOST_LISTED] for name, found in lists.items()},
        "left_out": sum(max(len(found) - MOST_LISTED, 0) for found in lists.values()),
    }


def _key(one: Row) -> tuple[str, ...]:
    return one["desk"], one["scope"], one["type"]


def _was_true(one: Row) -> bool:
    return one["close_reason"] is not None and CloseReason(one["close_reason"]).is_true


def _covers(proposed: Iterable[Raised], one: Row) -> bool:
    """Whether some proposed alert would have been open while this one was."""
    for other in proposed:
        begins_in_time = one["ended_ns"] is None or other.started_at <= one["ended_ns"]
        if begins_in_time and (other.ended_at is None or other.ended_at >= one["started_ns"]):
            return True
    return False


def _proposed(one: Raised) -> Row:
    ended = None if one.ended_at is None else format_rfc3339(one.ended_at)
    return {
        "alert_id": one.alert_id, "desk": one.desk, "scope": one.scope, "type": str(one.type),
        "severity": str(one.severity), "symbol": one.symbol or None,
        "started_at": format_rfc3339(one.started_at), "ended_at": ended, "close_reason": None,
        "closed_by": None,
    }  # fmt: skip


def _before(one: Row) -> Row:
    ended = one["ended_ns"]
    same = (
        "alert_id", "desk", "scope", "type", "severity", "symbol", "close_reason", "closed_by",
    )  # fmt: skip
    return {
        **{name: one[name] for name in same},
        "started_at": format_rfc3339(one["started_ns"]),
        "ended_at": None if ended is None else format_rfc3339(ended),
    }


# What to bear in mind


def _wanting(proposal: Proposal) -> list[str]:
    each = [proposal.asked, *(one.thresholds for one in proposal.configured)]
    return sorted({key for thresholds in each for key in not_kept_for(thresholds)})


def _caveats(
    proposal: Proposal, span: Span, since: int | None, before: Sequence[Row], unknown: int
) -> list[str]:
    notes: list[str] = []
    if since is None or since >= span.until:
        notes.append("history holds no evaluations of these days: nothing can be said of them")
    elif since > span.since:
        notes.append(
            f"evaluations are stored since {format_rfc3339(since)}: of the time before nothing "
            "can be said"
        )
    notes += [
        f"{key} is milder than what is stored: the proposed alerts it decides about are at least "
        "so many, and one that seems missed may not be"
        for key in _wanting(proposal)
    ]
    if unknown:
        notes.append(
            f"{unknown} alerts are about orders of which no evaluation is stored; they are left out"
        )
    if any(one["close_reason"] is not None for one in before):
        notes.append(
            "what people answered is not tried again: an alert that somebody closed goes on in "
            "the proposal until its condition ends, and later ones of its order may have other ids"
        )
    return notes
