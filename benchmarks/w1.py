"""W1: one day of a desk as Parquet, the same rows for every way of computing the status.

Two million ticks (a quote and the newest print in each row) over a 6.5 h session in 200
symbols, some far busier than others; 5,000 orders of 30 minutes with uniform starts, worked
by TWAP, VWAP, POV and IS, sent out in slices to venues, 500,000 fills. `scale` multiplies
ticks, orders and fills within the same session. The same scale and seed give the same rows.
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import polars as pl

from benchmarks.w1_market import Market, make_market
from benchmarks.w1_orders import make_orders

OPEN_NS = 1_795_185_000_000_000_000
"""2026-11-20 14:30 UTC, the opening in New York."""
SESSION_NS = 23_400 * 10**9
CALENDAR = "XNYS"
FORMAT = 1
"""Part of the cached files' names: another format is another file."""
CACHE = Path(__file__).resolve().parent.parent / ".cache" / "bench"


@dataclass(frozen=True, slots=True)
class Size:
    """How much of everything W1 holds."""

    ticks: int = 2_000_000
    symbols: int = 200
    orders: int = 5_000
    fills: int = 500_000
    order_s: int = 1_800

    def times(self, scale: int) -> "Size":
        """The same session and symbols with `scale` times the ticks, orders and fills."""
        return replace(
            self, ticks=self.ticks * scale, orders=self.orders * scale, fills=self.fills * scale
        )


@dataclass(frozen=True, slots=True)
class Paths:
    """The files of one workload."""

    market: Path
    orders: Path
    reference: Path

    @property
    def exist(self) -> bool:
        """Whether all of them are there."""
        return self.market.exists() and self.orders.exists() and self.reference.exists()


def reference_records(market: Market) -> list[dict[str, object]]:
    """The wire form of what is known of each symbol before the day."""
    hours = (np.arange(13) - 6.0) / 6.0
    volume = 1.0 + 1.5 * hours**2
    volatility = 1.0 + 0.8 * hours**2
    volatility /= np.sqrt(np.mean(volatility**2))
    return [
        {
            "type": "reference",
            "symbol": symbol,
            "adv_qty": float(adv),
            "sigma_daily_bps": float(sigma),
            "spread_bps": float(spread),
            "beta": float(beta),
            "volume_curve": (volume / volume.sum()).tolist(),
            "volatility_curve": volatility.tolist(),
            "tick": 0.01,
            "lot": 100.0,
            "currency": "USD",
            "calendar": CALENDAR,
        }
        for symbol, adv, sigma, spread, beta in zip(
            market.names, market.adv_qty, market.sigma_daily_bps, market.spread_bps, market.beta,
            strict=True,
        )
    ]  # fmt: skip


def write_w1(folder: Path, size: Size, seed: int = 1) -> Paths:
    """Write the workload's files; the market and the orders are sorted by `ts_event`, ns."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.Generator(np.random.PCG64(seed))
    market = make_market(rng, size.symbols, size.ticks, OPEN_NS, SESSION_NS)
    paths = Paths(folder / "market.parquet", folder / "orders.parquet", folder / "reference.ndjson")
    orders = make_orders(
        rng, market, size.orders, size.fills, size.order_s * 10**9, OPEN_NS, SESSION_NS
    )
    _write(market.frame(), paths.market)
    _write(orders, paths.orders)
    lines = [json.dumps(record) for record in reference_records(market)]
    paths.reference.write_text("\n".join(lines) + "\n")
    return paths


def _write(frame: pl.DataFrame, path: Path) -> None:
    part = path.with_suffix(".part")
    frame.write_parquet(part, compression="lz4", row_group_size=1 << 18, statistics=False)
    part.replace(path)


def w1(scale: int = 1, seed: int = 1, cache: Path = CACHE, size: Size | None = None) -> Paths:
    """The files of W1 times `scale`, made once and kept in the cache folder."""
    size = (size or Size()).times(scale)
    words = "-".join(str(n) for n in asdict(size).values())
    folder = cache / f"w1-v{FORMAT}-{words}-seed{seed}"
    paths = Paths(folder / "market.parquet", folder / "orders.parquet", folder / "reference.ndjson")
    return paths if paths.exist else write_w1(folder, size, seed)
