"""Order events in Polars: in a common form, handed up to parents, with marks between them.

The events are expected clean: no repeats, busts or corrections, which the stream resolves
before it counts. Quantities in the instrument's unit, prices in quote currency, times UNIX ns.
"""

from collections.abc import Iterable
from zlib import crc32

import polars as pl

from domain.vocabulary import ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, EventKind

ACCEPTED, REPLACED, FILLED = (
    EventKind.ORDER_ACCEPTED,
    EventKind.ORDER_REPLACED,
    EventKind.ORDER_FILLED,
)
SENT, ACKNOWLEDGED, MARK = EventKind.ROUTE_SENT, EventKind.ROUTE_ACKNOWLEDGED, EventKind.MARK
CLOSING = (EventKind.ORDER_CANCELLED, EventKind.ORDER_REJECTED, EventKind.ORDER_EXPIRED)
SAID_ONCE = (
    "start", "end", "participation", "algo", "urgency", "decision_ts", "decision_px", "limit_px",
    "parent_order_id", "root_order_id",
)  # fmt: skip
_KINDS = {name: int(kind) for name, kind in (ORDER_EVENT_TYPES | ROUTE_EVENT_TYPES).items()}
_is_fill = pl.col("kind") == FILLED


def read_events(events: pl.LazyFrame, prints: pl.DataFrame | None = None) -> pl.DataFrame:
    """Events as numbers, one row each; null where a kind of event does not say it.

    `qty`, `px` and `fee` are a fill's, `order_qty` and `limit_px` an amendment's, `routed_qty`
    is what the event adds to the quantity at venues, `ack_ms` how long the venue took to answer.
    `prints` (exec_id, ts_event, price, size) are those of the tape that name our executions:
    `own_qty_here` and `own_px_here` stand beside the fill, or in a row 2 s after it where the
    print came later than it.
    """
    schema = events.collect_schema()
    table = events.select(name for name in READ if name in schema).with_row_index("pos").collect()
    identity = [name for name in IDENTITY if name in table.columns]
    fills = table.filter(pl.col("type") == "order_filled").select(
        *identity, *(("exec_id",) if prints is not None else ()),
        kind=pl.lit(int(FILLED), pl.UInt8), side=_sign().cast(pl.Int8),
        qty="last_qty", px="last_px", fee=pl.col("fee").fill_null(0.0),
    )  # fmt: skip
    others = table.filter(_is_one_of(schema, set(ORDER_EVENT_TYPES) - {"order_filled"})).select(
        *identity, "order_qty", "limit_px", kind=_kind()
    )
    if others.filter(pl.col("kind") == REPLACED).is_empty():
        others = others.drop("order_qty", "limit_px")
    routes = _read_routes(table.filter(_is_one_of(schema, ROUTE_EVENT_TYPES)), identity)
    if prints is not None:
        fills = _with_own_prints(fills, prints)
    return pl.concat([routes, fills, others], how="diagonal")


def _read_routes(table: pl.DataFrame, identity: list[str]) -> pl.DataFrame:
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


def _with_own_prints(fills: pl.DataFrame, prints: pl.DataFrame) -> pl.DataFrame:
    named = prints.select("exec_id", print_ts="ts_event", own_px_here="price", own_qty_here="size")
    found = fills.join(named, on="exec_id", how="left", maintain_order="left").drop("exec_id")
    late = pl.col("print_ts") > pl.col("ts_event")
    known = [pl.when(~late).then(name).alias(name) for name in ("own_px_here", "own_qty_here")]
    empty = [pl.lit(None, found[name].dtype).alias(name) for name in ("qty", "px", "fee")]
    after = found.filter(late).with_columns(
        *empty,
        ts_event=pl.col("ts_event") + OWN_NS,
        kind=pl.lit(int(EventKind.OWN_PRINT), pl.UInt8),
    )
    if "market_seq" in after.columns:
        after = after.with_columns(market_seq=pl.lit(None, pl.Int64))
    return pl.concat([found.with_columns(known), after], how="diagonal").drop("print_ts")


OWN_NS = 2 * 10**9
IDENTITY = ("order_id", "symbol", "ts_event", "pos", "market_seq", "parent_order_id")


READ = (
    "order_id", "symbol", "type", "ts_event", "side", "order_qty", "last_qty", "last_px",
    "fee", "route_id", "leaves_qty", "limit_px", "market_seq", "parent_order_id", "exec_id",
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
    return pl.col("type").is_in(pl.Series(names, dtype=dtype).implode())


def read_orders(events: pl.LazyFrame, rows: pl.DataFrame, until: int) -> pl.DataFrame:
    """One row per order: what was said at acceptance (or refusal), first and last fill, end.

    `rows` are those of `read_events`. `closed_ts` is when it was filled, cancelled, rejected or
    expired, null while open.
    """
    schema = events.collect_schema()
    said_once = [name for name in SAID_ONCE if name in schema]
    begins = _is_one_of(schema, ("order_accepted", "order_rejected"))
    arrived = pl.when(pl.col("type") == "order_accepted").then("ts_event")
    said = events.filter(begins).select(
        "order_id", "symbol", "order_qty", *said_once, arrival_ts=arrived, side=_sign()
    ).unique("order_id", keep="first", maintain_order=True)  # fmt: skip
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
    orders = said
    for table in (filled, ended, _last_amendment(rows)):
        orders = orders.join(table, on="order_id", how="left", maintain_order="left")
    wanted = pl.coalesce("last_qty", "order_qty")
    done_ts = pl.max_horizontal("last_fill_ts", "amended_ts")
    done = pl.when(pl.col("filled_qty") >= wanted).then(done_ts)
    return (
        orders.with_columns(closed_ts=pl.min_horizontal(done, "ended_ts"), until=pl.lit(until))
        .drop("last_qty", "amended_ts")
        .collect()
    )


def _last_amendment(rows: pl.DataFrame) -> pl.LazyFrame:
    if "order_qty" not in rows.columns:
        schema = {
            "order_id": rows.schema["order_id"],
            "last_qty": pl.Float64,
            "amended_ts": pl.Int64,
        }
        return pl.LazyFrame(schema=schema)
    amended = rows.lazy().filter((pl.col("kind") == REPLACED) & pl.col("order_qty").is_not_null())
    # An amendment that leaves more to do than is filled ends nothing: its time is that of the
    # fill that does, which is later.
    return amended.group_by("order_id").agg(
        last_qty=pl.col("order_qty").last(), amended_ts=pl.col("ts_event").last()
    )


def with_families(rows: pl.DataFrame) -> pl.DataFrame:
    """Fills, own prints and routes of children once more under each ancestor.

    `leaf` is the order that was executed. An ancestor's own fills are left out: its numbers
    come from its children.
    """
    if "parent_order_id" not in rows.columns:
        return rows
    child = pl.col("parent_order_id").is_not_null()
    above = rows.filter(child).select("order_id", up="parent_order_id").unique("order_id")
    rows = rows.drop("parent_order_id").with_columns(leaf="order_id")
    parents = above["up"].unique().implode()
    rows = rows.filter(~(_is_fill & pl.col("order_id").is_in(parents)))
    level = rows.filter((pl.col("kind") >= SENT) | _is_fill)
    levels = [rows]
    while len(level):
        level = (
            level.join(above, on="order_id", how="inner", maintain_order="left")
            .with_columns(order_id="up", ack_ms=pl.lit(None, pl.Float64))
            .drop("up")
        )
        levels.append(level.select(rows.columns))
    return pl.concat(levels)


def marks(orders: pl.DataFrame, every_ns: int) -> pl.DataFrame:
    """Instants between arrival and close, on a grid that the name of the family shifts."""
    names = ("root_order_id", "parent_order_id", "order_id")
    root = pl.coalesce(name for name in names if name in orders.columns).cast(pl.String)
    ids = orders.select(root.alias("root"))["root"].to_list()
    phase = pl.Series([crc32(name.encode()) * 10**6 % every_ns for name in ids], dtype=pl.Int64)
    first = ((pl.col("arrival_ts") - phase) // every_ns + 1) * every_ns + phase
    # A mark of the last instant is still made; one at the closing event is not.
    stop = pl.coalesce("closed_ts", pl.col("until") + 1)
    grid = orders.select(
        "order_id", "symbol", kind=pl.lit(int(MARK), pl.UInt8),
        ts_event=pl.int_ranges(first, pl.max_horizontal(first, stop), every_ns),
    )  # fmt: skip
    return grid.explode("ts_event").drop_nulls("ts_event")
