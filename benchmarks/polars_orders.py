"""Orders in Polars: events in a common form, marks between them, and running sums.

The events are expected clean: no repeats, busts or corrections, which the stream resolves
before it counts. Quantities in the instrument's unit, prices in quote currency, times UNIX ns.
"""

from collections.abc import Iterable
from zlib import crc32

import polars as pl

from benchmarks.polars_market import mid_of
from domain.vocabulary import ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, EventKind

ACCEPTED, REPLACED, FILLED = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_REPLACED,
    EventKind.ORDER_FILLED,
)
SENT, ACKNOWLEDGED, MARK = EventKind.ROUTE_SENT, EventKind.ROUTE_ACKNOWLEDGED, EventKind.MARK
CLOSING = (EventKind.ORDER_CANCELLED, EventKind.ORDER_REJECTED, EventKind.ORDER_EXPIRED)
SAID_ONCE = ("start", "end", "participation", "algo", "decision_ts", "decision_px", "limit_px")
WINDOW_NS = 60 * 10**9
_SAME_PRICE = 1e-9
_KINDS = {name: int(kind) for name, kind in (ORDER_EVENT_TYPES | ROUTE_EVENT_TYPES).items()}
_is_fill = pl.col("kind") == FILLED


def read_events(events: pl.LazyFrame) -> pl.DataFrame:
    """Events as numbers, one row each; null where a kind of event does not say it.

    `qty`, `px` and `fee` are a fill's, `order_qty` and `limit_px` an amendment's, `routed_qty`
    is what the event adds to the quantity at venues, `ack_ms` how long the venue took to answer.
    """
    schema = events.collect_schema()
    columns = [name for name in READ if name in schema]
    table = events.select(columns).collect()
    is_type = pl.col("type")
    identity = ("order_id", "symbol", "ts_event", "seq")
    fills = table.filter(is_type == "order_filled").select(
        *identity, kind=pl.lit(int(FILLED), pl.UInt8), side=_sign().cast(pl.Int8),
        qty="last_qty", px="last_px", fee=pl.col("fee").fill_null(0.0),
    )  # fmt: skip
    others = table.filter(_is_one_of(schema, set(ORDER_EVENT_TYPES) - {"order_filled"})).select(
        *identity, "order_qty", "limit_px", kind=_kind()
    )
    amended = others.filter(pl.col("kind") == REPLACED).is_empty()
    routes = _read_routes(table.filter(_is_one_of(schema, ROUTE_EVENT_TYPES)), identity)
    others = others.drop("order_qty", "limit_px") if amended else others
    return pl.concat([routes, fills, others], how="diagonal")


def _read_routes(table: pl.DataFrame, identity: tuple[str, ...]) -> pl.DataFrame:
    sent = table.filter(pl.col("type") == "route_sent").select("route_id", sent_ts="ts_event")
    qty = pl.col("order_qty")
    left = pl.col("leaves_qty").fill_null(qty) if "leaves_qty" in table.columns else qty
    answered = pl.col("type") == "route_acknowledged"
    waited = (pl.col("ts_event") - pl.col("sent_ts")).cast(pl.Float64) * 1e-6
    return table.join(sent, on="route_id", how="left", maintain_order="left").select(
        *identity,
        kind=_kind(),
        routed_qty=pl.when(pl.col("type") == "route_sent").then(qty).when(~answered).then(-left),
        ack_ms=pl.when(answered).then(waited),
    )


READ = (
    "order_id", "symbol", "type", "ts_event", "seq", "side", "order_qty", "last_qty", "last_px",
    "fee", "route_id", "leaves_qty", "limit_px",
)  # fmt: skip


def _kind() -> pl.Expr:
    return pl.col("type").cast(pl.String).replace_strict(_KINDS, return_dtype=pl.UInt8)


def _sign() -> pl.Expr:
    """+1 for a purchase, −1 for any sale."""
    return pl.when(pl.col("side").cast(pl.String).str.starts_with("BUY")).then(1.0).otherwise(-1.0)


def _is_one_of(schema: pl.Schema, wanted: Iterable[str]) -> pl.Expr:
    """Whether a row is of one of these types, asked without spelling the names out."""
    dtype = schema["type"]
    names = [n for n in wanted if not isinstance(dtype, pl.Enum) or n in dtype.categories]
    return pl.col("type").is_in(pl.Series(names, dtype=dtype))


def read_orders(events: pl.LazyFrame, rows: pl.DataFrame, until: int) -> pl.DataFrame:
    """One row per order: what was said at acceptance, its last quantity, first and last fill.

    `closed_ts` is when it was filled, cancelled, rejected or expired, null while open.
    """
    said = events.filter(pl.col("type") == "order_accepted").select(
        "order_id", "symbol", "order_qty", *SAID_ONCE, arrival_ts="ts_event",
        side=_sign(),
    ).unique("order_id", keep="first", maintain_order=True).collect()  # fmt: skip
    filled = rows.lazy().filter(_is_fill).group_by("order_id").agg(
        pl.col("qty").sum().alias("filled_qty"),
        first_fill_ts=pl.col("ts_event").min(), last_fill_ts=pl.col("ts_event").max(),
    )  # fmt: skip
    ended = (
        rows.lazy()
        .filter(pl.col("kind").is_in([int(k) for k in CLOSING]))
        .group_by("order_id")
        .agg(ended_ts=pl.col("ts_event").min())
    )
    done = pl.when(pl.col("filled_qty") >= pl.col("order_qty")).then("last_fill_ts")
    return (
        said.lazy()
        .join(filled, on="order_id", how="left", maintain_order="left")
        .join(ended, on="order_id", how="left", maintain_order="left")
        .with_columns(closed_ts=pl.coalesce(done, "ended_ts"), until=pl.lit(until))
        .collect()
    )


def marks(orders: pl.DataFrame, every_ns: int) -> pl.DataFrame:
    """Instants between arrival and close, on a grid that each order's name shifts."""
    ids = orders["order_id"].cast(pl.String).to_list()
    phase = pl.Series([crc32(name.encode()) * 10**6 % every_ns for name in ids], dtype=pl.Int64)
    first = ((pl.col("arrival_ts") - phase) // every_ns + 1) * every_ns + phase
    # A mark of the last instant is still made; one at the closing event is not.
    stop = pl.coalesce("closed_ts", pl.col("until") + 1)
    grid = orders.select(
        "order_id", "symbol", kind=pl.lit(int(MARK), pl.UInt8),
        ts_event=pl.int_ranges(first, pl.max_horizontal(first, stop), every_ns),
    )  # fmt: skip
    return grid.explode("ts_event").drop_nulls("ts_event")


def by_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Rows in order of time sorted by order, time and the sender's sequence."""
    rows = rows.sort("order_id", maintain_order=True)
    same = (pl.col("ts_event").diff() == 0) & (pl.col("order_id").rle_id().diff() == 0)
    if not rows.select(same.any()).item():
        return rows
    return rows.sort("order_id", "ts_event", "seq", nulls_last=True, maintain_order=True)


def totals(rows: pl.DataFrame) -> pl.DataFrame:
    """Stamped rows, sorted by order and time, with sums up to each of them.

    Sums are named for what they add up; `quoted_…` and `mid_notional` are over fills that met a
    valid quote, `capture…` over those whose quote was not locked. `window_qty` and
    `window_notional` are of the 60 s through the row. Rows of routes are dropped, their
    quantities kept in the sums of the rows after them.
    """
    rows = rows.with_columns(_terms()).drop("fee", "routed_qty", "ack_ms", "side")
    rows = rows.with_columns(
        *(pl.col(name).cum_sum().over("order_id") for name in TERMS),
        fills=_is_fill.cast(pl.Int32).cum_sum().over("order_id"),
    )
    if "limit_px" in rows.columns:
        rows = rows.with_columns(_amended()).drop("order_qty", "limit_px")
    rows = _with_window(rows).filter(~pl.col("kind").is_between(SENT, EventKind.ROUTE_CANCELLED))
    return rows.with_columns(seq=pl.int_range(1, pl.len() + 1, dtype=pl.Int64).over("order_id"))


TERMS = (
    "cum_qty", "notional", "fee_total", "routed_total", "ack_ms_sum", "acks", "quoted_qty",
    "quoted_notional", "mid_notional", "capture_qty", "capture", "at_mid_qty", "near_qty",
    "far_qty",
)  # fmt: skip


def _terms() -> list[pl.Expr]:
    mid = mid_of(pl.col("bid"), pl.col("ask"))
    side, px, qty = pl.col("side"), pl.col("px"), pl.col("qty")
    above = side * (px - mid)
    same = _SAME_PRICE * pl.col("ask")
    inside = (px >= pl.col("bid") - same) & (px <= pl.col("ask") + same)
    spread = pl.col("ask") - pl.col("bid")
    gained = pl.when(side > 0).then(pl.col("ask") - px).otherwise(px - pl.col("bid"))
    qty = pl.when(_is_fill).then(qty)
    values = (
        qty, qty * px, pl.col("fee"), pl.col("routed_qty"), pl.col("ack_ms"),
        pl.col("ack_ms").is_not_null().cast(pl.Float64),
        pl.when(mid.is_not_null()).then(qty), pl.when(mid.is_not_null()).then(qty * px), qty * mid,
        pl.when(spread > 0).then(qty), pl.when(spread > 0).then(qty * gained / spread),
        pl.when(inside & (above.abs() <= same)).then(qty),
        pl.when(inside & (above < -same)).then(qty), pl.when(inside & (above > same)).then(qty),
    )  # fmt: skip
    return [value.fill_null(0.0).alias(name) for name, value in zip(TERMS, values, strict=True)]


def _amended() -> list[pl.Expr]:
    """The quantity and limit in force; a quantity replaced below what is filled becomes it."""
    qty = pl.when(pl.col("kind") == REPLACED).then(pl.max_horizontal("order_qty", "cum_qty"))
    return [
        pl.coalesce(qty, "order_qty").forward_fill().over("order_id").alias("amended_qty"),
        pl.col("limit_px").forward_fill().over("order_id").alias("amended_px"),
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


def until_last_fill(rows: pl.DataFrame, stamps: tuple[str, ...]) -> pl.DataFrame:
    """End the window of orders that closed without a fill at their last one.

    Adds `end_ts` and `vol_now`, which do and do not end there, and gives closing rows the
    last fill's values of `stamps`.
    """
    closing = pl.col("kind").is_in([int(kind) for kind in CLOSING])
    rows = rows.with_columns(end_ts="ts_event", vol_now="vol_close")
    closed = rows.filter(closing)
    if closed.is_empty():
        return rows
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
    return pl.concat([rows.filter(~closing), closed.select(rows.columns)])
