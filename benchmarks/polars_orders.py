"""Orders in Polars: running sums over the stamped events and marks of each.

Quantities in the instrument's unit, prices in quote currency, times UNIX ns.
"""

import polars as pl

from benchmarks.polars_events import ACCEPTED, CLOSING, REPLACED, SENT
from benchmarks.polars_market import mid_of
from domain.vocabulary import EventKind

WINDOW_NS = 60 * 10**9
_SAME_PRICE = 1e-9
_is_fill = pl.col("kind") == EventKind.ORDER_FILLED
is_route = pl.col("kind").is_between(int(SENT), int(EventKind.ROUTE_CANCELLED))


def by_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in order of time sorted by order and time.

    Between equal times orders come before routes, each in stored order, and marks last.
    """
    rows = rows.sort("order_id", maintain_order=True)
    same = (pl.col("ts_event").diff() == 0) & (pl.col("order_id").rle_id().diff() == 0)
    if not rows.select(same.any()).item():
        return rows
    input_rank = (pl.col("kind") >= SENT).cast(pl.UInt8)
    keys = ("order_id", "ts_event", input_rank, "pos")
    return rows.sort(keys, nulls_last=True, maintain_order=True)


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Stamped rows, sorted by order and time, with sums up to each of them.

    Sums are named for what they add up; `quoted_…` and `mid_notional` are over fills that met a
    valid quote, `capture…` over those whose quote was not locked. `window_qty` and
    `window_notional` are of the 60 s through the row. Own prints and the routes of children
    have no row above them, their quantities are kept in the sums of the rows after them.
    """
    terms = {**_terms(), **_receipt_terms(rows.columns), **_own_terms(rows.columns)}
    spent = [name for name in SPENT if name in rows.columns]
    inner = pl.col("kind") == EventKind.OWN_PRINT
    if "leaf" in rows.columns:
        inner |= is_route & (pl.col("leaf") != pl.col("order_id"))
    rows = rows.with_columns(
        *(value.fill_null(0.0).alias(name) for name, value in terms.items()), inner=inner
    ).drop(spent)
    rows = rows.with_columns(
        *(pl.col(name).cum_sum().over("order_id") for name in terms),
        fills=_is_fill.cast(pl.Int32).cum_sum().over("order_id"),
    )
    if "limit_px" in rows.columns:
        rows = rows.with_columns(_amended()).drop("order_qty", "limit_px")
    rows = _with_window(rows).filter(~pl.col("inner")).drop("inner")
    return rows.with_columns(seq=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("order_id"))


SPENT = (
    "fee", "routed_qty", "ack_ms", "side", "own_qty_here", "own_px_here", "received_mid",
    "received_spread", "received_far", "leaf", "market_seq", "pos",
)  # fmt: skip
"""Columns that are in the sums and no longer needed."""


def _terms() -> dict[str, pl.Expr]:
    """What a row adds to each sum."""
    mid = mid_of(pl.col("bid"), pl.col("ask"))
    side, px = pl.col("side"), pl.col("px")
    above = side * (px - mid)
    same = _SAME_PRICE * pl.col("ask")
    inside = (px >= pl.col("bid") - same) & (px <= pl.col("ask") + same)
    spread = pl.col("ask") - pl.col("bid")
    gained = pl.when(side > 0).then(pl.col("ask") - px).otherwise(px - pl.col("bid"))
    qty = pl.when(_is_fill).then(pl.col("qty"))
    return {
        "cum_qty": qty,
        "notional": qty * px,
        "fee_total": pl.col("fee"),
        "routed_total": pl.col("routed_qty"),
        "ack_ms_sum": pl.col("ack_ms"),
        "acks": pl.col("ack_ms").is_not_null().cast(pl.Float64),
        "quoted_qty": pl.when(mid.is_not_null()).then(qty),
        "quoted_notional": pl.when(mid.is_not_null()).then(qty * px),
        "mid_notional": qty * mid,
        "capture_qty": pl.when(spread > 0).then(qty),
        "capture": pl.when(spread > 0).then(qty * gained / spread),
        "at_mid_qty": pl.when(inside & (above.abs() <= same)).then(qty),
        "near_qty": pl.when(inside & (above < -same)).then(qty),
        "far_qty": pl.when(inside & (above > same)).then(qty),
    }


def _receipt_terms(columns: list[str]) -> dict[str, pl.Expr]:
    """The market at the receipt of the orders executed, where they are children."""
    if "received_mid" not in columns:
        return {}
    received = pl.when(_is_fill & pl.col("received_mid").is_not_null()).then(pl.col("qty"))
    gained = pl.col("side") * (pl.col("received_far") - pl.col("px"))
    return {
        "receipt_notional": received * pl.col("px"),
        "receipt_mid_notional": received * pl.col("received_mid"),
        "receipt_spread": received * pl.col("received_spread"),
        "receipt_improvement": received * gained,
    }


def _own_terms(columns: list[str]) -> dict[str, pl.Expr]:
    """Our own prints on the tape."""
    if "own_qty_here" not in columns:
        return {}
    return {
        "own_qty": pl.col("own_qty_here"),
        "own_notional": pl.col("own_qty_here") * pl.col("own_px_here"),
    }


def _amended() -> list[pl.Expr]:
    """The quantity and limit in force; a quantity replaced below what is filled becomes it."""
    amends = pl.col("kind") == REPLACED
    in_force = pl.when(amends | (pl.col("kind") == ACCEPTED))
    qty = pl.when(amends).then(pl.max_horizontal("order_qty", "cum_qty")).otherwise("order_qty")
    return [
        in_force.then(value).forward_fill().over("order_id").alias(name)
        for name, value in (("amended_qty", qty), ("amended_px", pl.col("limit_px")))
    ]


def _with_window(rows: pl.DataFrame) -> pl.DataFrame:
    """What was executed in the 60 s through each row: the sums now less those of 60 s ago."""
    order = pl.col("order_id").rle_id()
    # A clock that runs through all orders, with a gap longer than the window between two.
    passed = pl.when(order.diff() == 0).then(pl.col("ts_event").diff()).otherwise(WINDOW_NS + 1)
    then = rows.select(at=passed.cum_sum(), nth=order, qty_then="cum_qty", notional_then="notional")
    found = then.select(pl.col("at") - WINDOW_NS, order="nth").join_asof(
        then, on="at", strategy="backward", check_sortedness=False
    )
    own = pl.col("order") == pl.col("nth")
    old = found.select(
        pl.when(own).then(name).fill_null(0.0).alias(name) for name in ("qty_then", "notional_then")
    )
    return rows.with_columns(
        window_qty=pl.col("cum_qty") - old["qty_then"],
        window_notional=pl.col("notional") - old["notional_then"],
    )


def is_closed() -> pl.Expr:
    """Whether a row's order is closed by something else than a fill of this row."""
    after = is_route & (pl.col("ts_event") >= pl.col("closed_ts"))
    return pl.col("kind").is_in([int(kind) for kind in CLOSING]) | after.fill_null(value=False)


def until_last_fill(
    rows: pl.DataFrame, orders: pl.DataFrame, stamps: tuple[str, ...]
) -> pl.DataFrame:
    """End the window of orders that are closed at their last fill.

    Adds `end_ts` and `vol_now`, which do and do not end there, and gives the rows that close
    an order, or come after, the last fill's values of `stamps`.
    """
    ends = orders.select("order_id", "closed_ts")
    rows = rows.join(ends, on="order_id", how="left", maintain_order="left")
    rows = rows.with_columns(end_ts="ts_event", vol_now="vol_close", closing=is_closed())
    closing = pl.col("closing")
    rows = rows.drop("closed_ts")
    closed = rows.filter(closing)
    if closed.is_empty():
        return rows.drop("closing")
    names = ("end_ts", *stamps)
    last = (
        rows.filter(_is_fill)
        .join(closed, on="order_id", how="semi")
        .unique("order_id", keep="last")
        .select("order_id", *(pl.col(name).alias(f"last_{name}") for name in names))
    )
    closed = closed.join(last, on="order_id", how="left").with_columns(
        pl.coalesce(f"last_{name}", name).alias(name) for name in names
    )
    return pl.concat([rows.filter(~closing), closed.select(rows.columns)]).drop("closing")
