"""Orders rolled up by algorithm, broker, strategy or desk: ratios of sums, each with its n."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from psycopg.sql import SQL, Composed, Identifier

from analytics.history.connection import (
    ENTITLED,
    Connection,
    Desks,
    Row,
    desk_list,
    fetch_all,
    fragment,
    list_of,
)
from domain.reasons import Reason


class Dimension(StrEnum):
    """What orders or executions are rolled up by."""

    VENUE = "venue"
    ALGORITHM = "algorithm"
    BROKER = "broker"
    STRATEGY = "strategy"
    DESK = "desk"


_COLUMNS = {
    Dimension.ALGORITHM: "algo",
    Dimension.BROKER: "broker",
    Dimension.STRATEGY: "strategy",
    Dimension.DESK: "desk",
}


@dataclass(frozen=True, slots=True)
class Ratio:
    """A metric of a group: Σ numerator ÷ Σ denominator × scale, over rows that have both."""

    name: str
    numerator: SQL
    denominator: SQL
    scale: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Which rows are rolled up: `from_ns` ≤ time < `to_ns`, and how many make a figure."""

    from_ns: int
    to_ns: int
    min_n: int = 1
    limit: int = 1_000


_BPS = 1e4
_EXECUTED_TEXT = "nullif(cum_qty, 0) * arrival_mid"
_EXECUTED = fragment(_EXECUTED_TEXT)
_PAPER = SQL("order_qty * coalesce(decision_px, arrival_mid)")
_ROUTED = SQL("nullif(coalesce(nullif(routed_qty, 0), order_qty), 0)")
ORDER_RATIOS: Sequence[Ratio] = (
    Ratio("slippage_bps", SQL("slippage_ccy"), _EXECUTED, _BPS),
    *(
        Ratio(
            f"slippage_{name}_bps",
            fragment(f"slippage_{name}_bps * nullif(cum_qty, 0) * {name} / 1e4"),
            fragment(f"nullif(cum_qty, 0) * {name}"),
            _BPS,
        )
        for name in ("interval_vwap", "vwap_ex_own", "twap")
    ),
    *(
        Ratio(f"shortfall_{part}_bps", fragment(f"shortfall_{part}_ccy"), _PAPER, _BPS)
        for part in ("delay", "trading", "opportunity", "explicit", "total")
    ),
    Ratio("fee_bps", SQL("fee"), SQL("nullif(cum_qty, 0) * avg_px"), _BPS),
    Ratio("execution_progress", SQL("cum_qty"), SQL("nullif(order_qty, 0)")),
    Ratio("fill_rate", SQL("cum_qty"), _ROUTED),
    Ratio("participation_rate", SQL("cum_qty"), SQL("nullif(market_qty, 0)")),
    Ratio("cost_efficiency", fragment(f"cost_efficiency * {_EXECUTED_TEXT}"), _EXECUTED),
    Ratio("performance_score", fragment(f"performance_score * {_EXECUTED_TEXT}"), _EXECUTED),
)  # fmt: skip
"""Efficiency and score are weighted by what was executed at the arrival price."""

# Each execution counts once: the topmost order that names its group stands for those below.
_ORDERS = SQL("""
WITH counted AS (
    SELECT o.{column} AS name, o.*
    FROM orders AS o LEFT JOIN orders AS p ON p.order_id = o.parent_order_id
    WHERE o.sort_ns >= %(from_ns)s AND o.sort_ns < %(to_ns)s
        AND o.{column} IS NOT NULL AND p.{column} IS NULL AND {entitled}
)
SELECT name, currency, count(*) AS orders, count(*) FILTER (WHERE cum_qty > 0) AS orders_executed,
    coalesce(sum(fills), 0)::bigint AS fills, sum(cum_qty * avg_px) AS executed_notional_ccy,
    sum(fee) AS fee_ccy, sum(slippage_ccy) AS slippage_ccy, {ratios}
FROM counted GROUP BY name, currency
ORDER BY executed_notional_ccy DESC NULLS LAST, name, currency LIMIT %(limit)s""")


async def roll_up_orders(
    connection: Connection, by: Dimension, window: Window, *, desks: Desks
) -> list[Row]:
    """Groups of the orders that arrived in the window, by name and currency, largest first.

    Costs of different currencies are never added up. A metric with fewer than `min_n` orders
    is null, `TOO_FEW`.
    """
    query = _ORDERS.format(
        column=Identifier(_COLUMNS[by]),
        entitled=ENTITLED,
        ratios=sums_of(ORDER_RATIOS),
    )
    rows = await fetch_all(connection, query, window_values(window, desks))
    return [with_metrics(row, ORDER_RATIOS, window.min_n) for row in rows]


def window_values(window: Window, desks: Desks) -> dict[str, Any]:
    """The parameters of a window."""
    return {
        "from_ns": window.from_ns,
        "to_ns": window.to_ns,
        "limit": window.limit,
        "desks": desk_list(desks),
    }


def sums_of(ratios: Sequence[Ratio]) -> Composed:
    """Both sums and the count of each ratio, as columns."""
    return list_of(
        [
            SQL(
                "sum({num}) FILTER (WHERE {both}) AS {a}, sum({den}) FILTER (WHERE {both}) AS {b},"
                " count(*) FILTER (WHERE {both}) AS {n}"
            ).format(
                num=ratio.numerator,
                den=ratio.denominator,
                both=SQL("({}) IS NOT NULL AND ({}) IS NOT NULL").format(
                    ratio.numerator, ratio.denominator
                ),
                a=Identifier(f"{ratio.name}/num"),
                b=Identifier(f"{ratio.name}/den"),
                n=Identifier(f"{ratio.name}/n"),
            )
            for ratio in ratios
        ]
    )


def with_metrics(row: Row, ratios: Sequence[Ratio], min_n: int) -> Row:
    """The row with `metrics`: value, n and, where the value is null, its reason."""
    metrics: dict[str, Mapping[str, Any]] = {}
    for ratio in ratios:
        num, den = row.pop(f"{ratio.name}/num"), row.pop(f"{ratio.name}/den")
        n: int = row.pop(f"{ratio.name}/n")
        value = ratio.scale * num / den if n >= min_n and num is not None and den else None
        reason = None if value is not None else _why(n, min_n)
        metrics[ratio.name] = {"value": value, "n": n, "reason": reason}
    return {**row, "metrics": metrics}


def _why(n: int, min_n: int) -> str:
    return Reason.TOO_FEW.name if n < max(min_n, 1) else Reason.NON_POSITIVE_BENCHMARK.name
