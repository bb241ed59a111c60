"""Reference records: what is known of a symbol, venue, cohort, currency pair or model
before the day begins.

One JSON object on topic `reference`, `{"type": "reference", …}`, names its subject either by
`symbol` or by `scope`: `venue:XNAS`, `cohort:VWAP/BRK1`, `fx:EUR/USD`, `model:expected_cost`.
A record replaces the subject's earlier one whole, from `effective_from` on. Everything in it
may be absent: what needs it is then null with NO_REFERENCE.
"""

import math
from collections.abc import Iterable
from datetime import date, datetime
from enum import StrEnum
from typing import Literal

import msgspec
import numpy as np

from domain.calendar_table import rules_of
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.published import Severity

MAX_SLOTS = 48
"""Most parts a curve may cut a session into: half-hours of a whole day."""

REFERENCE = np.dtype(
    [
        ("symbol", "u8"),
        ("index", "u8"),
        ("currency", "u8"),
        ("calendar", "u8"),
        ("adv_qty", "f8"),
        ("sigma_daily_bps", "f8"),
        ("beta", "f8"),
        ("spread_bps", "f8"),
        ("tick", "f8"),  # quote currency
        ("lot", "f8"),
        ("prev_close", "f8"),  # quote currency, splits taken into account
        ("session_s", "f8"),  # trading seconds of an ordinary session
        ("volume_slots", "i8"),  # parts of the volume curve, 0 without one
        ("volatility_slots", "i8"),
        ("volume_curve", "f8", (MAX_SLOTS + 1,)),  # share done by each edge: 0 first, 1 at slots
        ("volatility_curve", "f8", (MAX_SLOTS,)),  # multiplier in each part, mean square 1
    ]
)
"""The numbers of one symbol that kernels read: NaN, key 0 and 0 slots where unknown."""


class ReferenceKind(StrEnum):
    """What a record speaks of; all but SYMBOL are the prefix of its scope."""

    SYMBOL = "symbol"
    VENUE = "venue"
    COHORT = "cohort"
    FX = "fx"
    MODEL = "model"


class Split(msgspec.Struct, frozen=True):
    """From `date` on, `ratio` new shares stand for each old one; below 1 for a reverse split."""

    date: str
    ratio: float


class Baseline(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What is usual of one metric: in the metric's own unit, over `n` observations."""

    n: int
    mean: float | None = None
    sd: float | None = None
    median: float | None = None
    mad: float | None = None
    """Median absolute deviation from the median."""
    p95: float | None = None
    p99: float | None = None
    quantiles: list[float] = []
    """Equally spaced quantiles, least to greatest, in which a value's percentile is read."""


class Finding(msgspec.Struct, frozen=True, omit_defaults=True, kw_only=True):
    """What past days say against a venue or a cohort: an alert for as long as the record holds."""

    severity: Severity
    words: str
    """What was found, for people."""
    n: int
    """Fills or orders behind it."""
    expected: float
    actual: float
    threshold: float
    """These three in bps, positive against us."""
    z: float | None = None


class ReferenceRecord(msgspec.Struct, omit_defaults=True, kw_only=True):
    """One record. Prices in quote currency, quantities in the instrument's unit."""

    type: Literal["reference"]
    topic: str | None = None
    symbol: str | None = None
    scope: str | None = None
    effective_from: str | None = None
    """A day (from its midnight where the calendar is, else UTC) or an RFC 3339 time; absent:
    always."""
    ts_event: str | None = None
    source: str | None = None
    """Where the numbers come from, in words."""
    days: int | None = None
    """Past days the numbers were derived from."""

    adv_qty: float | None = None
    """Average daily volume."""
    sigma_daily_bps: float | None = None
    """Standard deviation of close-to-close returns."""
    beta: float | None = None
    index_symbol: str | None = None
    spread_bps: float | None = None
    """Usual quoted spread, bps of the mid."""
    volume_curve: list[float] = []
    """Share of a session's volume in each of its equal parts (half-hours as a rule): sums to 1."""
    volatility_curve: list[float] = []
    """Volatility in each of the session's equal parts over the session's own: mean square 1."""
    tick: float | None = None
    lot: float | None = None
    prev_close: float | None = None
    currency: str | None = None
    calendar: str | None = None
    asset_class: str | None = None
    splits: list[Split] = []

    baselines: dict[str, Baseline] = {}
    """Of a venue or cohort: what is usual, by metric name."""
    finding: Finding | None = None
    """Of a venue or cohort: what a comparison over past days found against it."""
    rate: float | None = None
    """Of a currency pair: units of the second currency for one of the first."""
    coefficients: dict[str, float] = {}
    """Of a model."""
    standard_errors: dict[str, float] = {}
    ranges: dict[str, tuple[float, float]] = {}
    """Least and greatest of each input within which the model was fitted."""
    n: int | None = None
    """Observations the model was fitted to."""

    @property
    def key(self) -> str:
        """The subject: the symbol or the scope. Also the key on the bus."""
        return self.symbol or self.scope or ""

    @property
    def kind(self) -> ReferenceKind:
        """What the record speaks of."""
        if self.symbol is not None:
            return ReferenceKind.SYMBOL
        return ReferenceKind(self.key.partition(":")[0])

    @property
    def effective_ns(self) -> int:
        """UNIX ns from which the record holds; NO_TIME: always."""
        if self.effective_from is None:
            return NO_TIME
        return effective_ns(self.effective_from, self.calendar)

    def split_times(self) -> list[int]:
        """UNIX ns from which each split counts."""
        return [effective_ns(split.date, self.calendar) for split in self.splits]

    def split_ratio(self, until_ns: int) -> float:
        """New shares at this time for one share in which the record counts.

        A record counts in the shares of the moment it takes effect, so only later splits do.
        """
        since = self.effective_ns
        times = zip(self.split_times(), self.splits, strict=True)
        return math.prod(split.ratio for time, split in times if since < time <= until_ns)


def effective_ns(text: str, calendar: str | None = None) -> int:
    """UNIX ns of a day's midnight, where the calendar is or else UTC, or of an RFC 3339 time.

    Raises ValueError with what would be right.
    """
    if "T" in text.upper() or " " in text:
        return parse_rfc3339(text)
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise ValueError(
            f"expected a day (2026-11-20) or a time (2026-11-20T14:30:00Z), got {text!r}"
        ) from None
    if calendar is None:
        return parse_rfc3339(f"{day}T00:00:00Z")
    midnight = datetime(day.year, day.month, day.day, tzinfo=rules_of(calendar).zone)
    return int(midnight.timestamp()) * SECOND


def index_symbols(records: Iterable[ReferenceRecord]) -> tuple[str, ...]:
    """Every symbol that some record names as an index, sorted."""
    return tuple(sorted({record.index_symbol for record in records if record.index_symbol}))
