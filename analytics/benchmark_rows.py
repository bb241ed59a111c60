"""An order against every reference price: price, slippage, window, and why one is missing."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.reasons import Reason
from domain.rows import BENCHMARKS, LATER_BENCHMARKS

_SINCE_ARRIVAL = frozenset({"interval_vwap", "vwap_ex_own", "twap"})
_AT_ARRIVAL = frozenset({"arrival", "near_touch", "far_touch"})
_PURCHASES = frozenset({"BUY", "BUY_MINUS"})
_ENDED = frozenset({"FILLED", "CANCELLED", "REJECTED", "EXPIRED"})
NAMES = ("arrival", *BENCHMARKS, *LATER_BENCHMARKS)


@dataclass(frozen=True, slots=True)
class BenchmarkRow:
    """One reference price. Slippage is positive when it was bad for us."""

    benchmark: str
    price: float | None
    slippage_bps: float | None
    slippage_ccy: float | None
    window_start: str | None
    """An instant where both ends are the same; null where it is a session's or a given price."""
    window_end: str | None
    reason: str | None
    """Why price or slippage is missing."""
    caveat: str | None


def compare(record: Mapping[str, Any]) -> list[BenchmarkRow]:
    """A row for each benchmark, in a fixed order, whether it is known or not."""
    return [_row(name, record) for name in NAMES]


def sign_of(side: str | None) -> int | None:
    """+1 for a purchase, −1 for a sale, None where it is not known."""
    return None if side is None else (1 if side in _PURCHASES else -1)


def _row(name: str, record: Mapping[str, Any]) -> BenchmarkRow:
    price_name = {"decision": "decision_px", "arrival": "arrival_mid"}.get(name, name)
    slippage_name = "slippage_bps" if name == "arrival" else f"slippage_{name}_bps"
    price, slippage = record.get(price_name), record.get(slippage_name)
    start, end = _window(name, record)
    return BenchmarkRow(
        benchmark=name,
        price=price,
        slippage_bps=slippage,
        slippage_ccy=_slippage_ccy(name, record, price) if slippage is not None else None,
        window_start=start,
        window_end=end,
        reason=_reason(record, price_name, slippage_name) if slippage is None else None,
        caveat=_caveat(record, price_name, slippage_name),
    )


def _slippage_ccy(name: str, record: Mapping[str, Any], price: float | None) -> float | None:
    if name == "arrival":
        return record.get("slippage_ccy")
    average, qty, sign = record.get("avg_px"), record.get("cum_qty"), sign_of(record.get("side"))
    if None in (average, qty, sign, price):
        return None
    # As metrics.slippage.cost_ccy, which a test holds this to; importing it starts a compiler.
    return sign * (qty * (average - price))  # pyright: ignore


def _reason(record: Mapping[str, Any], price_name: str, slippage_name: str) -> str:
    reasons = record.get("reasons") or {}
    return reasons.get(slippage_name) or reasons.get(price_name) or Reason.PENDING.name


def _caveat(record: Mapping[str, Any], price_name: str, slippage_name: str) -> str | None:
    caveats = record.get("caveats") or {}
    return caveats.get(slippage_name) or caveats.get(price_name)


def _window(name: str, record: Mapping[str, Any]) -> tuple[str | None, str | None]:
    arrival = record.get("arrival_ts")
    if name in _AT_ARRIVAL:
        return arrival, arrival
    if name == "decision":
        return record.get("decision_ts"), record.get("decision_ts")
    if name in _SINCE_ARRIVAL:
        ended = record.get("state") in _ENDED and record.get("last_fill_ts") is not None
        return arrival, record.get("last_fill_ts") if ended else record.get("as_of")
    if name.startswith("pwp"):
        return arrival, None
    return None, None
