"""Reading reference records, each refusal with what was wrong and what would be right."""

import math
from collections.abc import Iterable
from typing import Any, NoReturn

import msgspec

from domain.calendar_table import canonical
from domain.errors import ConfigurationError, Refused
from domain.reasons import DeadLetterReason
from domain.reference import MAX_SLOTS, ReferenceKind, ReferenceRecord, effective_ns
from domain.validate import check_id, known
from domain.vocabulary import AssetClass

CURVE_TOLERANCE = 0.001
"""How far a curve's sum or mean square may lie from 1; the record then scales it exactly."""

_POSITIVE = ("adv_qty", "sigma_daily_bps", "tick", "lot", "rate")
_NOT_NEGATIVE = ("spread_bps",)
_FINITE = ("beta", "prev_close")
_NAMES = ("index_symbol", "currency", "calendar")
_COUNTS = ("days", "n")
_SCOPES = tuple(kind for kind in ReferenceKind if kind is not ReferenceKind.SYMBOL)
_MUST_SAY = {
    ReferenceKind.VENUE: "baselines",
    ReferenceKind.COHORT: "baselines",
    ReferenceKind.FX: "rate",
    ReferenceKind.MODEL: "coefficients",
}


def decode_reference(raw: bytes) -> ReferenceRecord:
    """The record of one JSON object. Raises Refused."""
    try:
        return checked(_DECODER.decode(raw))
    except msgspec.ValidationError as error:
        raise _mistyped(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not a JSON object: {error}") from error


def record_of(members: dict[str, Any], *, from_text: bool = False) -> ReferenceRecord:
    """The record of members as a file gives them; `type` may be left out. Raises Refused.

    `from_text`: numbers may be written as text, as in CSV.
    """
    members = {"type": "reference", **members}
    try:
        return checked(msgspec.convert(members, ReferenceRecord, strict=not from_text))
    except msgspec.ValidationError as error:
        raise _mistyped(error) from error


def to_wire(record: ReferenceRecord) -> dict[str, Any]:
    """The record as a JSON object for the bus, absent members left out."""
    return msgspec.to_builtins(record)


def checked(record: ReferenceRecord) -> ReferenceRecord:
    """The same record, its curves scaled to 1 exactly. Raises Refused unless it can be used."""
    who = _check_subject(record)
    for name in _NAMES:
        check_id(name, getattr(record, name))
    known(AssetClass, "asset_class", record.asset_class)
    _check_calendar(record, who)
    _check_times(record, who)
    _check_numbers(record, who)
    _check_scope_members(record, who)
    record.volume_curve = _shares(record.volume_curve, who)
    record.volatility_curve = _multipliers(record.volatility_curve, who)
    return record


_DECODER = msgspec.json.Decoder(ReferenceRecord)


def _mistyped(error: msgspec.ValidationError) -> Refused:
    words = str(error)
    missing = "missing" in words
    reason = DeadLetterReason.MISSING_FIELD if missing else DeadLetterReason.WRONG_TYPE
    return Refused(reason, words)


def _refuse(words: str) -> NoReturn:
    raise Refused(DeadLetterReason.OUT_OF_RANGE, words)


def _check_subject(record: ReferenceRecord) -> str:
    if (record.symbol is None) == (record.scope is None):
        raise Refused(
            DeadLetterReason.MISSING_FIELD,
            "a reference record needs either symbol or scope (venue:…, cohort:…, fx:…, model:…)",
        )
    if record.symbol is not None:
        check_id("symbol", record.symbol, needed=True)
        return f"symbol {record.symbol}"
    check_id("scope", record.scope, needed=True)
    kind, colon, subject = record.key.partition(":")
    if kind not in _SCOPES or not colon or not subject:
        _refuse(
            f"scope must be one of {', '.join(f'{k}:…' for k in _SCOPES)}, was {record.scope!r}"
        )
    if kind == ReferenceKind.FX and not all(subject.partition("/")):
        _refuse(f"a currency pair is written fx:EUR/USD, was {record.scope!r}")
    return f"scope {record.scope}"


def _check_calendar(record: ReferenceRecord, who: str) -> None:
    if record.calendar is None:
        return
    try:
        canonical(record.calendar)
    except ConfigurationError as error:
        _refuse(f"calendar: {error} ({who})")


def _check_times(record: ReferenceRecord, who: str) -> None:
    if record.splits and record.effective_from is None:
        raise Refused(
            DeadLetterReason.MISSING_FIELD,
            f"effective_from must say which splits the numbers already contain ({who})",
        )
    times = [("effective_from", record.effective_from), ("ts_event", record.ts_event)]
    times += [("splits.date", split.date) for split in record.splits]
    for name, text in times:
        if text is None:
            continue
        try:
            effective_ns(text, record.calendar)
        except (ValueError, OverflowError) as error:
            raise Refused(DeadLetterReason.BAD_TIME, f"{name}: {error} ({who})") from error


def _check_numbers(record: ReferenceRecord, who: str) -> None:
    for name in (*_POSITIVE, *_NOT_NEGATIVE, *_FINITE):
        value = getattr(record, name)
        if value is not None and not math.isfinite(value):
            _refuse(f"{name} must be finite, was {value} ({who})")
    for name in (*_POSITIVE, *_COUNTS):
        value = getattr(record, name)
        if value is not None and value <= 0:
            _refuse(f"{name} must be positive, was {value:g} ({who})")
    for name in _NOT_NEGATIVE:
        value = getattr(record, name)
        if value is not None and value < 0:
            _refuse(f"{name} must not be negative, was {value:g} ({who})")
    for split in record.splits:
        if not (math.isfinite(split.ratio) and split.ratio > 0):
            _refuse(f"splits.ratio must be positive, was {split.ratio:g} ({who})")


def _check_scope_members(record: ReferenceRecord, who: str) -> None:
    needed = _MUST_SAY.get(record.kind)
    if needed and not getattr(record, needed):
        raise Refused(DeadLetterReason.MISSING_FIELD, f"{needed} is missing ({who})")
    for name, baseline in record.baselines.items():
        values = (
            baseline.mean, baseline.sd, baseline.median, baseline.mad, baseline.p95, baseline.p99,
            *baseline.quantiles,
        )  # fmt: skip
        _all_finite(f"baselines.{name}", (v for v in values if v is not None), who)
        if baseline.n < 1:
            _refuse(f"baselines.{name}.n must be positive, was {baseline.n} ({who})")
        if sorted(baseline.quantiles) != baseline.quantiles:
            _refuse(f"baselines.{name}.quantiles must not fall ({who})")
    _check_finding(record, who)
    _all_finite("coefficients", record.coefficients.values(), who)
    _all_finite("standard_errors", record.standard_errors.values(), who)
    unknown = record.standard_errors.keys() - record.coefficients.keys()
    if unknown:
        _refuse(f"standard_errors names no coefficient: {', '.join(sorted(unknown))} ({who})")
    for name, (low, high) in record.ranges.items():
        if not low <= high:
            _refuse(f"ranges.{name} must be [least, greatest], was [{low:g}, {high:g}] ({who})")


def _check_finding(record: ReferenceRecord, who: str) -> None:
    finding = record.finding
    if finding is None:
        return
    if record.kind not in {ReferenceKind.VENUE, ReferenceKind.COHORT}:
        _refuse(f"a finding is of a venue:… or a cohort:… ({who})")
    numbers = (finding.expected, finding.actual, finding.threshold, finding.z)
    _all_finite("finding", (number for number in numbers if number is not None), who)
    if finding.n < 1:
        _refuse(f"finding.n must be positive, was {finding.n} ({who})")


def _all_finite(name: str, values: Iterable[float], who: str) -> None:
    if not all(math.isfinite(value) for value in values):
        _refuse(f"{name} must hold finite numbers only ({who})")


def _check_curve(name: str, curve: list[float], who: str) -> None:
    if len(curve) > MAX_SLOTS:
        _refuse(
            f"{name} may cut a session into at most {MAX_SLOTS} parts, has {len(curve)} ({who})"
        )
    for value in curve:
        if not (math.isfinite(value) and value >= 0):
            _refuse(f"{name} must hold numbers of 0 or more, has {value:g} ({who})")


def _shares(curve: list[float], who: str) -> list[float]:
    if not curve:
        return curve
    _check_curve("volume_curve", curve, who)
    total = math.fsum(curve)
    if abs(total - 1) > CURVE_TOLERANCE:
        _refuse(f"volume_curve must sum to 1, sums to {total:g} ({who})")
    return [share / total for share in curve]


def _multipliers(curve: list[float], who: str) -> list[float]:
    if not curve:
        return curve
    _check_curve("volatility_curve", curve, who)
    square = math.fsum(m * m for m in curve) / len(curve)
    if abs(square - 1) > CURVE_TOLERANCE:
        _refuse(f"volatility_curve must have mean square 1, has {square:g} ({who})")
    return [m / math.sqrt(square) for m in curve]
