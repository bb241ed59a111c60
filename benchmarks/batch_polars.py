"""The status of every order at every event and mark, as one Polars batch.

What the stream is compared with, for its numbers and for its speed. It shares no code with
the product: the formulas are written again, as joins and cumulative sums over whole columns.
The market is cut by symbol first, so that every sum and every join in time is one pass
over a frame that is sorted already; the metrics stream row group by row group to the file.
"""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl
from scipy.special import ndtr

from benchmarks import polars_events as events_of
from benchmarks import polars_metrics as metrics
from benchmarks import polars_orders as orders_of
from benchmarks.polars_market import mid_of, running, stamped
from benchmarks.polars_reference import Session, curves, read_reference, with_reference
from domain.rows import STATUS_METRICS

CHUNK_ROWS = 200_000
Key: TypeAlias = tuple[Any, ...]
MARKET_COLUMNS = ["symbol", "ts_event", "bid", "ask", "price", "size"]
_SECOND = 10**9


@dataclass(frozen=True, slots=True)
class Prepared:
    """Rows with running sums, and the orders they belong to, ready for the metrics."""

    rows: pl.DataFrame
    orders: pl.DataFrame


class Day:
    """A day's columns cut by symbol, to be worked through in chunks of some symbols each."""

    def __init__(
        self, market: pl.DataFrame, events: pl.LazyFrame, reference: pl.DataFrame | None,
        session: Session, mark_ns: int = 60 * _SECOND,
    ) -> None:  # fmt: skip
        named = "exec_id" in market.columns
        prints = market.filter(pl.col("exec_id").is_not_null()) if named else None
        rows = events_of.with_families(events_of.read_events(events, prints))
        ends = [frame["ts_event"].max() for frame in (market, rows)]
        last = max(int(str(end)) for end in ends if end is not None)
        self.orders = events_of.read_orders(events, rows, last)
        rows = pl.concat([rows, events_of.marks(self.orders, mark_ns)], how="diagonal")
        self.session = session
        self._known = {} if reference is None else {r["symbol"]: r for r in reference.to_dicts()}
        self._no_ticks = market.clear()
        self._ticks = market.partition_by("symbol", as_dict=True, maintain_order=True)
        self._parts = rows.partition_by("symbol", as_dict=True, maintain_order=True)

    def chunks(self, rows: int = CHUNK_ROWS) -> list[list[Key]]:
        """Symbols in groups of about so many rows each."""
        out: list[list[Key]] = [[]]
        count = 0
        for key, part in self._parts.items():
            if count >= rows:
                out.append([])
                count = 0
            out[-1].append(key)
            count += len(part)
        return out

    def prepare(self, chunk: list[Key]) -> Prepared:
        """Stamp the chunk's events and marks and add up what came before each; once only."""
        done: list[pl.DataFrame] = []
        arrived: list[pl.DataFrame] = []
        for key in chunk:
            ticks = running(self._ticks.pop(key, self._no_ticks))
            met = stamped(self._parts.pop(key).sort("ts_event"), ticks)
            met = met.with_columns(curves(met, self._known.get(str(key[0])), self.session))
            arrived.append(_arrivals(met))
            done.append(orders_of.by_order(_received(met, arrived[-1])))
        rows = orders_of.until_last_fill(orders_of.totals(pl.concat(done)), self.orders, CARRIED)
        names = pl.Series([key[0] for key in chunk], dtype=self.orders.schema["symbol"])
        orders = self.orders.filter(pl.col("symbol").is_in(names.implode())).join(
            pl.concat(arrived), on="order_id", how="left", maintain_order="left"
        )
        return Prepared(rows, with_reference(orders, self._known, self.session))


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
    closed = orders_of.is_closed()
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

    Returns how many rows were written, in Arrow files of some symbols each. As many chunks
    are worked on at once as Polars has threads: a chunk alone does not keep them all busy.
    """
    out.mkdir(parents=True, exist_ok=True)
    ticks = pl.read_parquet(market, columns=MARKET_COLUMNS)
    day = Day(ticks, pl.scan_parquet(orders), read_reference(reference), session)
    del ticks

    def write(work: tuple[int, list[Key]]) -> int:
        n, chunk = work
        prepared = day.prepare(chunk)
        measured(prepared).sink_ipc(out / f"status-{n:03d}.arrow", compression="uncompressed")
        return len(prepared.rows)

    with ThreadPoolExecutor(pl.thread_pool_size()) as pool:
        return sum(pool.map(write, enumerate(day.chunks())))


def status(
    market: pl.DataFrame, events: pl.DataFrame, reference: pl.DataFrame | None, session: Session,
    *, mark_ns: int = 60 * _SECOND, chunk_rows: int = CHUNK_ROWS,
) -> pl.DataFrame:  # fmt: skip
    """Every status row of a day that fits in memory, sorted by order and sequence."""
    day = Day(market, events.lazy(), reference, session, mark_ns)
    frames = pl.collect_all([measured(day.prepare(chunk)) for chunk in day.chunks(chunk_rows)])
    return pl.concat(frames).sort("order_id", "seq")
