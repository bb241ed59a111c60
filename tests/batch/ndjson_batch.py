"""Events as JSON lines, read into the frames that the Polars answer takes.

Every member has its own column; times become UNIX ns. It shares no code with the product.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl

MARKET_TYPES = ("quote", "trade", "auction", "halted", "resumed")
TIMES = ("ts_event", "start", "end", "decision_ts")
NOT_COUNTED = ("DERIVATIVELY_PRICED", "AVERAGE_PRICE", "PRIOR_REFERENCE", "SUSPICIOUS",
               "CORRECTED", "EXTENDED_HOURS")  # fmt: skip
EVENT_SCHEMA: dict[str, Any] = {
    "type": pl.String, "ts_event": pl.String, "order_id": pl.String, "symbol": pl.String,
    "parent_order_id": pl.String, "root_order_id": pl.String, "side": pl.String,
    "order_qty": pl.Float64, "last_qty": pl.Float64, "last_px": pl.Float64, "fee": pl.Float64,
    "leaves_qty": pl.Float64, "limit_px": pl.Float64, "route_id": pl.String, "exec_id": pl.String,
    "algo": pl.String, "start": pl.String, "end": pl.String, "participation": pl.Float64,
    "urgency": pl.String, "decision_ts": pl.String, "decision_px": pl.Float64,
    "market_seq": pl.Int64,
}  # fmt: skip
MARKET_SCHEMA: dict[str, Any] = {
    "type": pl.String, "ts_event": pl.String, "symbol": pl.String, "seq": pl.Int64,
    "bid": pl.Float64, "ask": pl.Float64, "price": pl.Float64, "size": pl.Float64,
    "exec_id": pl.String, "opening": pl.Boolean, "eligible": pl.Boolean,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Day:
    """Market, order and route events, and the reference records, in stored order."""

    market: pl.DataFrame
    events: pl.DataFrame
    reference: pl.DataFrame


def read_day(path: Path) -> Day:
    """Read a file of events, topics mixed."""
    market: list[dict[str, Any]] = []
    events: list[dict[str, Any]] = []
    reference: list[dict[str, Any]] = []
    for line in path.read_bytes().splitlines():
        message = json.loads(line)
        if message["type"] in MARKET_TYPES:
            conditions = message.get("conditions", [])
            counts = message.get("eligible", not set(conditions) & set(NOT_COUNTED))
            opening = message.get("auction") == "opening" or "OPENING" in conditions
            market.append(message | {"opening": opening, "eligible": counts})
        elif message["type"] == "reference":
            reference.append(message)
        elif message["type"] != "clock":
            params = message.pop("algo_params", {})
            algo = params.pop("schedule", message.get("algo"))
            events.append(message | params | {"algo": algo})
    ticks = _frame(market, MARKET_SCHEMA)
    is_print = pl.col("price").is_not_null()
    ticks = ticks.with_columns(
        eligible=is_print & pl.col("eligible"),
        halted=pl.when(type="halted").then(True).when(type="resumed").then(False),
    )
    halted = pl.col("halted").forward_fill().over("symbol").fill_null(value=False)
    return Day(
        ticks.with_columns(halted=halted).drop("type"),
        _frame(events, EVENT_SCHEMA),
        pl.DataFrame(reference, infer_schema_length=None),
    )


def _frame(rows: list[dict[str, Any]], schema: dict[str, Any]) -> pl.DataFrame:
    table = pl.DataFrame(
        [{name: row.get(name) for name in schema} for row in rows], schema=schema, strict=False
    )
    return table.with_columns(_instant(name) for name in TIMES if name in schema)


def _instant(name: str) -> pl.Expr:
    """UNIX ns of an RFC 3339 time in UTC, exact to the digit."""
    text = pl.col(name).str.strip_suffix("Z").str.split_exact(".", 1).struct
    whole = text.field("field_0").str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us")
    digits = text.field("field_1").fill_null("").str.pad_end(9, "0").cast(pl.Int64)
    return (whole.dt.epoch("s") * 10**9 + digits).alias(name)
