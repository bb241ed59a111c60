"""One symbol's market in Polars: running sums after each tick, and what an instant met.

Frames are of one symbol and in stored order. A missing price is null. Times are UNIX ns,
integrals price × seconds.
"""

import polars as pl

QUOTED = ("bid", "ask", "vol_open", "pv_open", "mid_s", "open_s")
"""What the newest tick before an instant says."""
TRADED = ("vol_close", "pv_close", "open_px")
"""What the newest tick at or before an instant says."""


def mid_of(bid: pl.Expr, ask: pl.Expr) -> pl.Expr:
    """Mid of a two-sided quote that is not crossed, else null."""
    return pl.when(bid <= ask).then((bid + ask) / 2)


def running(market: pl.DataFrame) -> pl.DataFrame:
    """Volume, Σ price × size, ∫ mid dt and the time it covers, after each tick.

    A row holds a quote, a print, or both, the quote being the earlier. `eligible` (default:
    every print), `opening` and `halted` (state after the row) are optional columns.
    """
    has = set(market.columns)
    bid, ask, price, size = (pl.col(name) for name in ("bid", "ask", "price", "size"))
    if market["bid"].null_count() or market["ask"].null_count():
        # A one-sided quote leaves the other side empty; a print leaves both as they were.
        quotes = bid.is_not_null() | ask.is_not_null()
        market = market.with_columns(
            pl.when(quotes).then(pl.struct("bid", "ask")).forward_fill().alias("quote")
        ).with_columns(
            bid=pl.col("quote").struct.field("bid"), ask=pl.col("quote").struct.field("ask")
        )
    counts = price.is_not_null() if market["price"].null_count() else None
    if "eligible" in has:
        counts = pl.col("eligible") if counts is None else counts & pl.col("eligible")
    traded = size if counts is None else pl.when(counts).then(size).otherwise(0.0)
    paid = size * price if counts is None else pl.when(counts).then(size * price).otherwise(0.0)
    first = price.first() if counts is None else price.filter(counts).first()
    opened = pl.when(traded.cum_sum() > 0).then(first)
    if "opening" in has:
        official = pl.when(pl.col("opening")).then(price).forward_fill()
        opened = pl.coalesce(official, opened)
    held = mid_of(bid, ask)
    if "halted" in has:
        held = pl.when(~pl.col("halted")).then(held)
    keep = ("ts_event", "bid", "ask", *(("seq",) if "seq" in has else ()))
    return (
        market.select(*keep, traded=traded, paid=paid, opened=opened, held=held)
        .with_columns(
            before=pl.col("held").shift(1),
            passed_s=pl.col("ts_event").diff().cast(pl.Float64) * 1e-9,
        )
        .select(
            *keep,
            "held",
            tick_ts="ts_event",
            vol=pl.col("traded").cum_sum(),
            pv=pl.col("paid").cum_sum(),
            open_px="opened",
            mid_s=(pl.col("before") * pl.col("passed_s")).fill_null(0.0).cum_sum(),
            open_s=pl.when(pl.col("before").is_not_null())
            .then("passed_s")
            .otherwise(0.0)
            .cum_sum(),
        )
    )  # fmt: skip


def stamped(rows: pl.DataFrame, market: pl.DataFrame) -> pl.DataFrame:
    """The market that each row met: QUOTED from before it, TRADED through its instant.

    `rows` are sorted by `ts_event`, `market` is what `running` gave. Where a row has a
    `market_seq`, the ticks of its own instant through that sequence come before it, the later
    ones after it. The integrals are carried from the last tick to the instant.
    """
    if "market_seq" in rows.columns and not rows["market_seq"].is_null().all():
        met = _numbered(rows, market)
    else:
        before = market.select("ts_event", *_BEFORE)
        through = market.select("ts_event", *_THROUGH)
        met = rows.join_asof(
            before, on="ts_event", allow_exact_matches=False, check_sortedness=False
        ).join_asof(through, on="ts_event", check_sortedness=False)
    passed_s = pl.when(pl.col("held").is_not_null()).then(
        (pl.col("ts_event") - pl.col("tick_ts")).cast(pl.Float64) * 1e-9
    )
    sums = ("vol_open", "pv_open", "vol_close", "pv_close")
    return met.with_columns(
        *(pl.col(name).fill_null(0.0) for name in sums),
        mid_s=(pl.col("mid_s") + (pl.col("held") * passed_s).fill_null(0.0)).fill_null(0.0),
        open_s=(pl.col("open_s") + passed_s.fill_null(0.0)).fill_null(0.0),
    ).drop("tick_ts", "held")


_BEFORE = (
    "tick_ts", "bid", "ask", "held", "mid_s", "open_s",
    pl.col("vol").alias("vol_open"), pl.col("pv").alias("pv_open"),
)  # fmt: skip
_THROUGH = ("open_px", pl.col("vol").alias("vol_close"), pl.col("pv").alias("pv_close"))


def _numbered(rows: pl.DataFrame, market: pl.DataFrame) -> pl.DataFrame:
    """The ticks before and through each row, its sequence deciding between equal times."""
    instants, times = rows["ts_event"], market["ts_event"]
    earlier = times.search_sorted(instants, side="left").cast(pl.Int64)
    through = times.search_sorted(instants, side="right").cast(pl.Int64)
    numbered = market["seq"].search_sorted(rows["market_seq"].fill_null(-1), side="right")
    places = pl.DataFrame({"earlier": earlier, "through": through, "n": numbered}).with_columns(
        said=rows["market_seq"].is_not_null(),
        exact=pl.col("n").cast(pl.Int64).clip(pl.col("earlier"), pl.col("through")),
    )
    for name in ("earlier", "through"):
        last = pl.when("said").then("exact").otherwise(name) - 1
        places = places.with_columns(pl.when(last >= 0).then(last).alias(f"{name}_row"))
    return pl.concat(
        [
            rows,
            market.select(*_BEFORE)[places["earlier_row"]],
            market.select(*_THROUGH)[places["through_row"]],
        ],
        how="horizontal",
    )
