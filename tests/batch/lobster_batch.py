"""What a LOBSTER session says of each order, worked out by Polars alone.

The answer that the stream is held against: it reads the two files itself and shares no
code with the product. An event of row r meets the book of row r − 1; prints are the
executions, visible (type 4) and hidden (type 5). Prices in dollars, times UNIX ns, costs in
bps, positive when bad for the resting order. Null where a value does not exist.
"""

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl

SUBMITTED, REDUCED, DELETED, EXECUTED, HIDDEN, HALTED = 1, 2, 3, 4, 5, 7
REALIZED_NS = {"50ms": 50_000_000} | {f"{s}s": s * 10**9 for s in (1, 15, 60, 300)}
MARKOUT_NS = {f"{s}s": s * 10**9 for s in (1, 5, 30, 60, 300, 900, 1800, 3600)}
BACK_NS = {f"m{s}s": -s * 10**9 for s in (60, 30, 5)}
LATER_NS = REALIZED_NS | MARKOUT_NS
_EMPTY = 9_999_999_999
_SECOND = 10**9


def read_rows(folder: Path) -> pl.DataFrame:
    """One row per message: ts, row, type, order_id, size, price, side, bid, ask after it."""
    message = next(folder.glob("*_message_*.csv"))
    book = message.with_name(message.name.replace("_message_", "_orderbook_"))
    day = datetime.fromisoformat(message.name.split("_")[1])
    midnight = int(day.replace(tzinfo=ZoneInfo("America/New_York")).timestamp()) * _SECOND
    names = ["time", "type", "order_id", "size", "price", "side"]
    text = pl.col("time").str.split_exact(".", 1).struct
    fraction = text.field("field_1").fill_null("").str.pad_end(9, "0").cast(pl.Int64)
    rows = pl.read_csv(
        message, has_header=False, new_columns=names, schema_overrides={"time": pl.String}
    ).select(
        ts=text.field("field_0").cast(pl.Int64) * _SECOND + fraction + midnight,
        type="type",
        order_id="order_id",
        size=pl.col("size").cast(pl.Float64),
        price=pl.col("price") / 10_000,
        side=pl.col("side").cast(pl.Float64),
    )
    sides = pl.read_csv(
        book, has_header=False, new_columns=["ask", "ask_size", "bid", "bid_size"]
    ).select(
        pl.when(pl.col(name).abs() < _EMPTY).then(pl.col(name) / 10_000).alias(name)
        for name in ("bid", "ask")
    )
    return pl.concat([rows, sides], how="horizontal").with_row_index("row")


def read_market(rows: pl.DataFrame) -> pl.DataFrame:
    """The market after each row: mid, running volume, Σ price × size, ∫ mid dt, seconds."""
    is_print = pl.col("type").is_in([EXECUTED, HIDDEN])
    halt = pl.when(pl.col("type") == HALTED).then(pl.col("price") != 0.0001)
    market = rows.select(
        "row",
        "ts",
        "bid",
        "ask",
        mid=pl.when(pl.col("bid") <= pl.col("ask")).then((pl.col("bid") + pl.col("ask")) / 2),
        halted=halt.forward_fill().fill_null(value=False),
        volume=pl.when(is_print).then("size").otherwise(0.0).cum_sum(),
        notional=pl.when(is_print).then(pl.col("size") * pl.col("price")).otherwise(0.0).cum_sum(),
    )
    held = pl.when(~pl.col("halted")).then("mid").shift(1)
    passed_s = (pl.col("ts") - pl.col("ts").shift(1)) / _SECOND
    return market.with_columns(
        mid_s=(held * passed_s).fill_null(0.0).cum_sum(),
        open_s=pl.when(held.is_not_null()).then(passed_s).fill_null(0.0).cum_sum(),
    )


def fills_with_mids(folder: Path, *, whole_seconds: bool = True) -> pl.DataFrame:
    """One row per visible execution with the mids before, at and after it.

    Columns: row, ts, order_id, side, size, price, bid, ask and mid of the row before,
    arrival_ts, arrival_row, arrival_bid, arrival_ask, arrival_mid, and mid_H for every
    horizon. Later horizons read the last quote before t + h, null once the file has ended.
    Earlier ones read it at the whole second at or before t + h, unless `whole_seconds` is
    off. `mid_0s` is `mid`.
    """
    rows = read_rows(folder)
    market = read_market(rows)
    previous = market.select(pl.col("row") + 1, "bid", "ask", "mid")
    arrivals = (
        rows.filter(pl.col("type") == SUBMITTED)
        .unique("order_id", keep="first", maintain_order=True)
        .select("order_id", "row", arrival_ts="ts")
        .join(previous, on="row", how="left")
        .rename(
            {"row": "arrival_row"} | {name: f"arrival_{name}" for name in ("bid", "ask", "mid")}
        )
    )
    fills = (
        rows.filter(pl.col("type") == EXECUTED)
        .select("row", "ts", "order_id", "side", "size", "price")
        .join(previous, on="row", how="left")
        .join(arrivals, on="order_id", how="left")
        .with_columns(mid_0s="mid")
        .sort("row")
    )
    quotes = market.select(at="ts", mid_then="mid")
    last_ts = int(rows["ts"].max())  # pyright: ignore[reportArgumentType]
    for name, horizon in (BACK_NS | LATER_NS).items():
        at = pl.col("ts") + horizon
        if horizon < 0 and whole_seconds:
            at = at // _SECOND * _SECOND
        found = (
            fills.with_columns(at=at)
            .sort("at", maintain_order=True)
            .join_asof(quotes, on="at", strategy="backward", allow_exact_matches=False)
            .select("row", pl.when(pl.col("at") <= last_ts).then("mid_then").alias(f"mid_{name}"))
        )
        fills = fills.join(found, on="row", how="left", maintain_order="left")
    return fills


def orders(folder: Path, *, whole_seconds: bool = True, own_print: bool = True) -> pl.DataFrame:
    """One row per executed order, sorted by order id, under the record's names.

    Ratios of sums over the order's fills; horizons over the fills whose mid then was observed.
    Without a submission in the file all that needs an arrival is null. The window of
    `interval_vwap`, `twap` and `participation_rate` is from the submission to the last fill;
    `own_print`: the print of the last fill counts in it. `quoted_spread_exec_bps` and
    `price_improvement_exec_bps` are against the quote at execution, the others at receipt.
    """
    fills = fills_with_mids(folder, whole_seconds=whole_seconds)
    horizons = BACK_NS | {"0s": 0} | LATER_NS
    found = (
        fills.sort("row")
        .group_by("order_id", maintain_order=True)
        .agg(
            pl.col("side", "arrival_ts", "arrival_row", "arrival_mid").first(),
            pl.col("arrival_bid", "arrival_ask").first(),
            pl.len().alias("fills"),
            pl.col("ts", "row", "mid").last().name.prefix("last_"),
            *(pl.col(f"mid_{h}").last().alias(f"last_mid_{h}") for h in horizons),
            pl.col("ts").first().alias("first_ts"),
            *_sums(horizons),
        )
    )
    market = read_market(read_rows(folder))
    found = _windows(found, market, own_print=own_print)
    s = pl.col("side")
    return found.select(
        "order_id",
        "fills",
        "arrival_mid",
        "interval_vwap",
        "twap",
        "participation_rate",
        cum_qty="qty",
        avg_px=pl.col("paid") / pl.col("qty"),
        slippage_bps=s * (pl.col("paid") / pl.col("qty") / pl.col("arrival_mid") - 1) * 1e4,
        first_fill_ms=(pl.col("first_ts") - pl.col("arrival_ts")) / 1e6,
        **_spreads(),
        **_horizons(horizons),
    ).sort("order_id")


def _sums(horizons: dict[str, int]) -> list[pl.Expr]:
    size, price = pl.col("size"), pl.col("price")
    gained = pl.when(pl.col("side") > 0).then(pl.col("ask") - price).otherwise(
        price - pl.col("bid")
    )  # fmt: skip
    out = {
        "qty": size,
        "paid": size * price,
        "mids": size * pl.col("mid"),
        "spreads": size * (pl.col("ask") - pl.col("bid")),
        "gained": size * gained,
    }
    for h in horizons:
        seen = pl.col(f"mid_{h}").is_not_null()
        out[f"qty_{h}"] = pl.when(seen).then(size)
        out[f"paid_{h}"] = pl.when(seen).then(size * price)
        out[f"mids_{h}"] = size * pl.col(f"mid_{h}")
    return [value.sum().alias(name) for name, value in out.items()]


def _ratio_bps(part: pl.Expr, whole: pl.Expr) -> pl.Expr:
    return pl.when(whole > 0).then(part / whole * 1e4)


def _spreads() -> dict[str, pl.Expr]:
    s, qty, paid = pl.col("side"), pl.col("qty"), pl.col("paid")
    received = qty * pl.col("arrival_mid")
    spread = qty * (pl.col("arrival_ask") - pl.col("arrival_bid"))
    effective = 2 * s * (paid - received)
    far = pl.when(s > 0).then(pl.col("arrival_ask")).otherwise(pl.col("arrival_bid"))
    executed = 2 * s * (paid - pl.col("mids"))
    return {
        "quoted_spread_bps": _ratio_bps(spread, received),
        "quoted_spread_exec_bps": _ratio_bps(pl.col("spreads"), pl.col("mids")),
        "effective_spread_bps": _ratio_bps(effective, received),
        "effective_spread_exec_mid_bps": _ratio_bps(executed, pl.col("mids")),
        "eq_ratio": pl.when(spread > 0).then(effective / spread),
        "price_improvement_bps": _ratio_bps(s * (qty * far - paid), received),
        "price_improvement_exec_bps": _ratio_bps(pl.col("gained"), pl.col("mids")),
    }


def _horizons(horizons: dict[str, int]) -> dict[str, pl.Expr]:
    s, received = pl.col("side"), pl.col("arrival_mid")
    out: dict[str, pl.Expr] = {}
    for h in horizons:
        qty, paid, mids = pl.col(f"qty_{h}"), pl.col(f"paid_{h}"), pl.col(f"mids_{h}")
        if h in REALIZED_NS:
            out[f"realized_spread_{h}_bps"] = _ratio_bps(2 * s * (paid - mids), qty * received)
            out[f"price_impact_{h}_bps"] = _ratio_bps(
                2 * s * (mids - qty * received), qty * received
            )
        if h in MARKOUT_NS | BACK_NS or h == "0s":
            out[f"markout_cost_{h}_bps"] = _ratio_bps(s * (paid - mids), paid)
        if h in MARKOUT_NS:
            last = pl.col("last_mid")
            out[f"reversion_{h}_bps"] = s * (last - pl.col(f"last_mid_{h}")) / last * 1e4
    return out


def _windows(found: pl.DataFrame, market: pl.DataFrame, *, own_print: bool) -> pl.DataFrame:
    """Interval VWAP, TWAP and participation, from the submission's row to the last fill's.

    The prints of rows before the submission's are left out; the integrals are carried from
    the row before to the instant itself.
    """
    sums = ("ts", "mid", "volume", "notional", "mid_s", "open_s")
    rows = market.select("row", *sums)
    before = rows.with_columns(pl.col("row") + 1)
    found = (
        found.join(before.rename({n: f"{n}_at_0" for n in sums}), left_on="arrival_row",
                   right_on="row", how="left")
        .join(before.rename({n: f"{n}_at_1" for n in sums}), left_on="last_row",
              right_on="row", how="left")
        .join(rows.select("row", volume_with="volume", notional_with="notional"),
              left_on="last_row", right_on="row", how="left")
    )  # fmt: skip
    end = ("volume_with", "notional_with") if own_print else ("volume_at_1", "notional_at_1")
    volume = pl.col(end[0]) - pl.col("volume_at_0")
    paid = pl.col(end[1]) - pl.col("notional_at_0")

    def carried(n: int, name: str, weight: pl.Expr | float) -> pl.Expr:
        ts = "arrival_ts" if n == 0 else "last_ts"
        passed_s = (pl.col(ts) - pl.col(f"ts_at_{n}")) / _SECOND
        return pl.col(f"{name}_at_{n}") + weight * passed_s

    mid_s = carried(1, "mid_s", pl.col("mid_at_1")) - carried(0, "mid_s", pl.col("mid_at_0"))
    open_s = carried(1, "open_s", 1.0) - carried(0, "open_s", 1.0)
    return found.with_columns(
        interval_vwap=pl.when(volume > 0).then(paid / volume),
        participation_rate=pl.when(volume > 0).then(pl.col("qty") / volume),
        twap=pl.when(open_s > 0).then(mid_s / open_s),
    )


def totals(folder: Path) -> dict[str, float]:
    """The session's own figures, ratios of sums over all fills."""
    rows = read_rows(folder)
    fills = fills_with_mids(folder)
    at_receipt = fills.filter(pl.col("arrival_mid").is_not_null())
    unseen = fills.filter(pl.col("arrival_ts").is_null())
    visible = rows.filter(pl.col("type") <= EXECUTED)

    def effective_bps(of: pl.DataFrame, mid: str) -> float:
        paid = 2 * (of["side"] * of["size"] * (of["price"] - of[mid])).sum()
        return paid / (of["size"] * of[mid]).sum() * 1e4

    return {
        "events": len(rows),
        "orders": visible["order_id"].n_unique(),
        "orders_executed": fills["order_id"].n_unique(),
        "fills": len(fills),
        "filled_qty": fills["size"].sum(),
        "orders_with_arrival": at_receipt["order_id"].n_unique(),
        "orders_without_arrival": unseen["order_id"].n_unique(),
        "fills_without_arrival": len(unseen),
        "effective_spread_exec_mid_bps": effective_bps(fills, "mid"),
        "effective_spread_receipt_mid_bps": effective_bps(at_receipt, "arrival_mid"),
    }
