"""The status of every order at every event and mark, as one Polars batch.

What the stream is compared with, for its numbers and for its speed. It shares no code with
the product: the formulas are written again, as joins and cumulative sums over whole columns.
The market is cut by symbol first, so that every sum and every join in time is one pass
over a frame that is sorted already; the metrics stream row group by row group to the file.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from scipy.special import ndtr

from benchmarks import polars_events as events_of
from benchmarks import polars_metrics as metrics
from benchmarks import polars_orders as orders_of
from benchmarks.polars_market import mid_of, running, stamped
from domain.rows import STATUS_METRICS

CHUNK_ROWS = 400_000
MARKET_COLUMNS = ["symbol", "ts_event", "bid", "ask", "price", "size"]
_SECOND = 10**9
_DAY_NS = 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class Session:
    """The day's trading time, which the reference curves cut into equal parts."""

    open_ns: int
    seconds: float = 23_400.0


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with running sums, and the orders they belong to, ready for the metrics."""

    rows: pl.DataFrame
    orders: pl.DataFrame


def read_reference(path: Path) -> pl.DataFrame:
    """Symbol, adv_qty, sigma_daily_bps, spread_bps, tick and both curves of each record."""
    keep = ("symbol", "adv_qty", "sigma_daily_bps", "spread_bps", "tick", "volume_curve",
            "volatility_curve")  # fmt: skip
    records = [json.loads(line) for line in path.read_text().splitlines()]
    return pl.DataFrame([{name: record.get(name) for name in keep} for record in records])


def prepare(
    market: pl.DataFrame, events: pl.LazyFrame, reference: pl.DataFrame | None, session: Session,
    *, mark_ns: int = 60 * _SECOND, chunk_rows: int = CHUNK_ROWS,
) -> Iterator[Prepared]:  # fmt: skip
    """Stamp every event and mark with its market and add up what came before it.

    Gives the symbols in chunks of about `chunk_rows` rows, so that the columns of a chunk stay
    in memory that is warm.
    """
    named = "exec_id" in market.columns
    prints = market.filter(pl.col("exec_id").is_not_null()) if named else None
    rows = events_of.with_families(events_of.read_events(events, prints))
    ends = (int(frame["ts_event"].max() or 0) for frame in (market, rows))  # type: ignore[arg-type]
    orders = events_of.read_orders(events, rows, max(ends))
    rows = pl.concat([rows, events_of.marks(orders, mark_ns)], how="diagonal")
    ticks = market.partition_by("symbol", as_dict=True, maintain_order=True)
    known = {} if reference is None else {r["symbol"]: r for r in reference.to_dicts()}
    done: list[pl.DataFrame] = []
    arrived: list[pl.DataFrame] = []
    symbols: list[pl.Series] = []
    parts = rows.partition_by("symbol", as_dict=True, maintain_order=True)
    del rows
    for key in list(parts):
        symbol = running(ticks.pop(key, market.clear()))
        met = stamped(parts.pop(key).sort("ts_event"), symbol)
        met = met.with_columns(_curves(met, known.get(str(key[0])), session))
        symbols.append(met["symbol"].head(1))
        arrivals = _arrivals(met)
        arrived.append(arrivals)
        done.append(orders_of.by_order(_received(met, arrivals)))
        if not parts or sum(map(len, done)) >= chunk_rows:
            summed = orders_of.until_last_fill(orders_of.totals(pl.concat(done)), CARRIED)
            of = orders.filter(pl.col("symbol").is_in(pl.concat(symbols).implode()))
            of = of.join(pl.concat(arrived), on="order_id", how="left", maintain_order="left")
            yield Prepared(summed, _with_reference(of, known, session))
            done, arrived, symbols = [], [], []


CARRIED = ("vol_close", "pv_close", "mid_s", "open_s")
"""What ends with the last fill where an order closes without one."""


def _arrivals(met: pl.DataFrame) -> pl.DataFrame:
    return met.filter(pl.col("kind") == events_of.ACCEPTED).select(
        "order_id", arrival_bid="bid", arrival_ask="ask", arrival_vol="vol_open",
        arrival_pv="pv_open", arrival_mid_s="mid_s", arrival_open_s="open_s",
    )  # fmt: skip


def _received(met: pl.DataFrame, arrivals: pl.DataFrame) -> pl.DataFrame:
    """The market at the receipt of the order that was executed, where orders have children."""
    if "leaf" not in met.columns:
        return met
    leaves = arrivals.select("arrival_bid", "arrival_ask", leaf="order_id")
    bid, ask = pl.col("arrival_bid"), pl.col("arrival_ask")
    mid = mid_of(bid, ask)
    return (
        met.join(leaves, on="leaf", how="left", maintain_order="left")
        .with_columns(
            received_mid=mid,
            received_spread=pl.when(mid.is_not_null()).then(ask - bid),
            received_far=pl.when(pl.col("side") > 0).then(ask).otherwise(bid),
        )
        .drop("arrival_bid", "arrival_ask")
    )


def _fraction(ts: pl.Series, session: Session) -> np.ndarray:
    """Share of the session that has passed at each time, NaN for none."""
    # The difference is taken as integers: a missing time would make floats of all of them.
    since = (ts - session.open_ns).cast(pl.Float64).to_numpy()
    return since % _DAY_NS / (session.seconds * _SECOND)


def _share_done(record: dict[str, Any] | None, session: Session, ts: pl.Series) -> pl.Series:
    """Share of the session's volume that is usually done by each time."""
    curve = (record or {}).get("volume_curve") or []
    if not curve:
        return pl.Series([None] * len(ts), dtype=pl.Float64)
    edges = np.concatenate([[0.0], np.cumsum(curve)])
    edges[-1] = 1.0
    at = _fraction(ts, session)
    return pl.Series(np.interp(at, np.linspace(0.0, 1.0, len(edges)), edges), nan_to_null=True)


def _curves(rows: pl.DataFrame, record: dict[str, Any] | None, session: Session) -> list[pl.Series]:
    """`share_done` at each row and `sigma` there, bps per square root of a second."""
    done = _share_done(record, session, rows["ts_event"]).alias("share_done")
    record = record or {}
    daily, curve = record.get("sigma_daily_bps"), record.get("volatility_curve") or [1.0]
    if daily is None:
        return [done, pl.Series("sigma", [None] * len(rows), dtype=pl.Float64)]
    at = _fraction(rows["ts_event"], session)
    part = np.minimum((at * len(curve)).astype(np.int64), len(curve) - 1)
    return [done, pl.Series("sigma", (np.array(curve) * daily / session.seconds**0.5)[part])]


def _with_reference(
    orders: pl.DataFrame, known: dict[str, dict[str, Any]], session: Session
) -> pl.DataFrame:
    names = ("adv_qty", "sigma_daily_bps", "spread_bps", "tick")
    parts: list[pl.DataFrame] = []
    for key, part in orders.partition_by("symbol", as_dict=True, maintain_order=True).items():
        record = known.get(str(key[0]), {})
        parts.append(
            part.with_columns(
                _share_done(record, session, part["start"]).alias("share_start"),
                _share_done(record, session, part["end"]).alias("share_end"),
                *(pl.lit(record.get(name), pl.Float64).alias(name) for name in names),
            )
        )
    return pl.concat(parts)


def _own_receipt(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Sums against the market at receipt of orders without children: one price for all fills."""
    q, mid = pl.col("cum_qty"), pl.col("arrival_mid")
    spread = pl.col("arrival_ask") - pl.col("arrival_bid")
    far = pl.when(pl.col("side") > 0).then("arrival_ask").otherwise("arrival_bid")
    valid = mid.is_not_null()
    return rows.with_columns(
        receipt_notional=pl.col("notional"),
        receipt_mid_notional=q * mid,
        receipt_spread=pl.when(valid).then(q * spread),
        receipt_improvement=pl.when(valid).then(pl.col("side") * (q * far - pl.col("notional"))),
    )


def measured(prepared: Prepared) -> pl.LazyFrame:
    """Every row with its metrics: order_id, kind, ts_event, seq and what `OUTPUT` lists."""
    arrival_mid = mid_of(pl.col("arrival_bid"), pl.col("arrival_ask"))
    orders = prepared.orders.lazy().with_columns(arrival_mid=arrival_mid)
    rows = prepared.rows.lazy().join(orders, on="order_id", how="left", maintain_order="none")
    columns = prepared.rows.columns
    if "receipt_notional" not in columns:
        rows = _own_receipt(rows)
    if "own_qty" not in columns:
        rows = rows.with_columns(own_qty=pl.lit(0.0), own_notional=pl.lit(0.0))
    if "amended_qty" in columns:
        rows = rows.with_columns(order_qty=pl.coalesce("amended_qty", "order_qty"))
        rows = rows.with_columns(limit_px=pl.coalesce("amended_px", "limit_px"))
    q = pl.col("cum_qty")
    share = (pl.col("share_done") - pl.col("share_start")) / (
        pl.col("share_end") - pl.col("share_start")
    )
    urgent = prepared.orders.schema.get("urgency") is not None
    kappa = _kappa_t(pl.col("urgency")) if urgent else pl.lit(metrics.KAPPA_T)
    closed = pl.col("kind").is_in([int(kind) for kind in events_of.CLOSING])
    efficiency = pl.col("z_cost").map_batches(_survival, pl.Float64, is_elementwise=True)
    return (
        rows.with_columns(*metrics.prices(), curve_share=share.clip(0.0, 1.0), kappa_t=kappa)
        .with_columns(
            *metrics.progress(), *metrics.slippages(), *metrics.spreads(), *metrics.shortfall(),
            *metrics.times(), *metrics.expectations(),
        )
        .with_columns(metrics.speed(), metrics.shortfall_total(), metrics.z_cost())
        .with_columns(*metrics.shortfall_bps(), efficiency.alias("cost_efficiency"))
        .with_columns(
            metrics.score(),
            leaves_qty=pl.when(closed).then(0.0).otherwise((pl.col("order_qty") - q).clip(0.0)),
            fee=pl.col("fee_total"),
            routed_qty=pl.col("routed_total"),
        )
        .select(OUTPUT)
    )  # fmt: skip


def _kappa_t(urgency: pl.Expr) -> pl.Expr:
    said = urgency.cast(pl.String)
    return said.replace_strict({"low": 1.0, "high": 6.0}, default=metrics.KAPPA_T)


def _survival(z: pl.Series) -> pl.Series:
    """Probability that a standard normal variable is above z."""
    return pl.Series(ndtr(-z.to_numpy()), nan_to_null=True)


OUTPUT = (
    "order_id", "symbol", "kind", "ts_event", "seq", "side", "fills", "order_qty", "cum_qty",
    "leaves_qty", "avg_px", "routed_qty", "fee", "bid", "ask", "market_qty", *STATUS_METRICS,
)  # fmt: skip


def run(market: Path, orders: Path, reference: Path, out: Path, session: Session) -> int:
    """Read the workload's files, compute every status row, write them to the folder `out`.

    Returns how many rows were written, in Arrow files of some symbols each.
    """
    out.mkdir(parents=True, exist_ok=True)
    ticks = pl.read_parquet(market, columns=MARKET_COLUMNS)
    written = 0
    chunks = prepare(ticks, pl.scan_parquet(orders), read_reference(reference), session)
    del ticks
    for n, chunk in enumerate(chunks):
        measured(chunk).sink_ipc(out / f"status-{n:03d}.arrow", compression="uncompressed")
        written += len(chunk.rows)
    return written


def status(
    market: pl.DataFrame, events: pl.DataFrame, reference: pl.DataFrame | None, session: Session,
    *, mark_ns: int = 60 * _SECOND,
) -> pl.DataFrame:  # fmt: skip
    """Every status row of a day that fits in memory, sorted by order and sequence."""
    chunks = prepare(market, events.lazy(), reference, session, mark_ns=mark_ns)
    frames = pl.collect_all([measured(chunk) for chunk in chunks])
    return pl.concat(frames).sort("order_id", "seq")
