"""Where the cost of an order came from: the parts of its shortfall, which sum to the total."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from domain.reasons import Reason

Record = Mapping[str, Any]
"""A status or an order's record, as JSON has it."""

_AGREE_BPS = 1e-6
"""How closely half spread and drift make up the slippage where every execution met a quote."""


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a cost, in both units. Positive is a cost; null with its reason."""

    name: str
    ccy: float | None
    bps: float | None
    """Of the paper notional, like every part and the total."""
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Attribution:
    """Every part of the shortfall. A part that is null explains nothing and counts as 0."""

    parts: tuple[Part, ...]
    total: Part
    caveat: str | None
    """What to bear in mind of the total: `NO_DECISION` where it counts from arrival."""

    def part(self, name: str) -> Part:
        """The part of this name."""
        return next(part for part in self.parts if part.name == name)


def paper_notional_ccy(record: Record) -> float | None:
    """What the order was worth on paper: Q·P_d, or Q·P_0 without a decision price."""
    qty = record.get("order_qty")
    price = record.get("decision_px")
    price = record.get("arrival_mid") if price is None else price
    return None if qty is None or price is None else qty * price


def attribute(record: Record) -> Attribution:
    """Take the total apart: delay, half spread, impact, market, timing, opportunity, explicit.

    Impact is the model's: what it expects beyond half of the usual spread. The timing residual is
    the trading cost that half spread, impact and the index do not explain; it is shown whenever
    there is a trading cost.
    """
    delay = stored(record, "delay")
    trading = stored(record, "trading")
    paper = paper_notional_ccy(record)
    half_spread = _half_spread(record, paper)
    impact = _impact(record, paper)
    market = _market(record, paper)
    explained = (half_spread, impact, market)
    timing = Part(
        "timing_residual",
        _rest(trading.ccy, [part.ccy for part in explained]),
        _rest(trading.bps, [part.bps for part in explained]),
        trading.reason,
    )
    return Attribution(
        (delay, half_spread, impact, market, timing, stored(record, "opportunity"),
         stored(record, "explicit")),
        stored(record, "total"),
        _words(record, "caveats").get("shortfall_total_ccy"),
    )  # fmt: skip


def stored(record: Record, part: str) -> Part:
    """A part as the order's row has it."""
    ccy = record.get(f"shortfall_{part}_ccy")
    reason = None if ccy is not None else _words(record, "reasons").get(f"shortfall_{part}_ccy")
    return Part(part, ccy, record.get(f"shortfall_{part}_bps"), reason)


def _half_spread(record: Record, paper: float | None) -> Part:
    """Money from the stored bps, which are of what was executed at the arrival price."""
    half, drift = record.get("half_spread_paid_bps"), record.get("drift_bps")
    slippage = record.get("slippage_bps")
    if half is None or drift is None or slippage is None:
        why = _words(record, "reasons").get("half_spread_paid_bps", Reason.NO_FILL.name)
        return Part("half_spread", None, None, why)
    if abs(half + drift - slippage) > _AGREE_BPS * max(1.0, abs(slippage)):
        return Part("half_spread", None, None, Reason.NO_QUOTE.name)
    return _on_executed("half_spread", half, record, paper)


def _impact(record: Record, paper: float | None) -> Part:
    expected, spread = record.get("expected_cost_bps"), record.get("usual_spread_bps")
    if record.get("slippage_bps") is None or expected is None or spread is None:
        reasons = _words(record, "reasons")
        why = reasons.get("expected_cost_bps") or reasons.get("slippage_bps")
        return Part("impact", None, None, why or Reason.NO_REFERENCE.name)
    return _on_executed("impact", expected - spread / 2, record, paper)


def _market(record: Record, paper: float | None) -> Part:
    """What the index explains: slippage less its twin without the index."""
    slippage, adjusted = record.get("slippage_bps"), record.get("slippage_index_adjusted_bps")
    if slippage is None or adjusted is None:
        why = _words(record, "reasons").get("slippage_index_adjusted_bps", Reason.NO_INDEX.name)
        return Part("market", None, None, why)
    return _on_executed("market", slippage - adjusted, record, paper)


def _on_executed(name: str, bps: float, record: Record, paper: float | None) -> Part:
    ccy = bps * 1e-4 * record["cum_qty"] * record["arrival_mid"]
    return Part(name, ccy, ccy / paper * 1e4 if paper and paper > 0 else None)


def _rest(whole: float | None, parts: list[float | None]) -> float | None:
    return None if whole is None else whole - sum(part for part in parts if part is not None)


def _words(record: Record, member: str) -> Mapping[str, str]:
    return record.get(member) or {}
