"""Rows of a LOBSTER session: prints and quotes of the market, events of the orders."""

import numpy as np
import polars as pl

from domain.columns import DETAIL, EVENT, MARKET, blank
from domain.keys import group_of, key_of
from domain.vocabulary import (
    SIDES,
    AssetClass,
    EventKind,
    Liquidity,
    MarketKind,
    OrderType,
    Side,
    TimeInForce,
    TradeFlag,
)
from sources.hashing import Hashed, hash_names
from sources.textlines import LINE

VENUE = "XNAS"
CURRENCY = "USD"
PRICE_SCALE = 10_000
EMPTY = 9_999_999_999
"""Price of a book side that has no orders, negative for the bid."""
SUBMITTED, REDUCED, DELETED, EXECUTED, HIDDEN, CROSSED, HALT = 1, 2, 3, 4, 5, 6, 7
KINDS = {
    SUBMITTED: EventKind.ORDER_ACCEPTED,
    REDUCED: EventKind.ORDER_REPLACED,
    DELETED: EventKind.ORDER_CANCELLED,
    EXECUTED: EventKind.ORDER_FILLED,
}
_PRINTS = (EXECUTED, HIDDEN, CROSSED)
_NOON_NS = 12 * 3600 * 1_000_000_000


def market_rows(session: pl.DataFrame, symbol: str, groups: int) -> np.ndarray:
    """Prints, halts and quotes in stored order, as rows of MARKET.

    `session` has a row for each message: line, row, ts, time, type, id, size, price,
    direction, the book after it, and `quoted` where that book could be read.
    """
    kind = session["type"].to_numpy()
    halt = (kind == HALT) & (session["price"].to_numpy() != 0)
    told = np.isin(kind, _PRINTS) | halt
    quoted = session["quoted"].to_numpy()
    end = np.cumsum(told.astype("i8") + quoted)
    rows = blank(MARKET, int(end[-1]) if len(end) else 0)
    rows["symbol"] = key_of(symbol)
    rows["group"] = group_of(symbol, groups)
    _fill_quotes(rows, end[quoted] - 1, session.filter(quoted))
    _fill_prints(rows, (end - quoted - 1)[told], session.filter(told), symbol)
    return rows


def _fill_quotes(rows: np.ndarray, at: np.ndarray, quoted: pl.DataFrame) -> None:
    rows["ts_event"][at] = quoted["ts"].to_numpy()
    rows["seq"][at] = 2 * quoted["row"].to_numpy() + 2
    rows["kind"][at] = MarketKind.QUOTE
    for side, empty in (("bid", -EMPTY), ("ask", EMPTY)):
        px, size = quoted[side].to_numpy(), quoted[f"{side}_size"].to_numpy()
        rows[side][at] = np.where(px == empty, np.nan, px / PRICE_SCALE)
        rows[f"{side}_size"][at] = np.where(px == empty, np.nan, size)


def _fill_prints(rows: np.ndarray, at: np.ndarray, told: pl.DataFrame, symbol: str) -> None:
    kind, price = told["type"].to_numpy(), told["price"].to_numpy()
    halted, crossed = kind == HALT, kind == CROSSED
    rows["ts_event"][at] = told["ts"].to_numpy()
    rows["seq"][at] = 2 * told["row"].to_numpy() + 1
    rows["kind"][at] = np.select(
        [halted & (price < 0), halted, crossed],
        [MarketKind.HALTED, MarketKind.RESUMED, MarketKind.AUCTION],
        MarketKind.TRADE,
    )
    morning = told["time"].to_numpy() < _NOON_NS
    auction = np.where(morning, TradeFlag.OPENING, TradeFlag.CLOSING)
    eligible = np.where(halted, 0, TradeFlag.ELIGIBLE)
    rows["flags"][at] = eligible | np.where(crossed, auction, 0)
    rows["price"][at] = np.where(halted, np.nan, price / PRICE_SCALE)
    rows["size"][at] = np.where(halted, np.nan, told["size"].to_numpy())
    rows["venue"][at] = key_of(VENUE)
    rows["exec"][at] = hash_names(_exec_ids(told, symbol).to_arrow()).key


def order_rows(
    session: pl.DataFrame, symbol: str, groups: int
) -> tuple[np.ndarray, np.ndarray, tuple[pl.Series, pl.Series]]:
    """Events, their details, and the order and execution ids as text, in stored order."""
    life = _with_quantity(session.filter(pl.col("type").is_in(list(KINDS))))
    kind = life["type"].to_numpy()
    ids, execs = life["id"].cast(pl.String), _exec_ids(life, symbol)
    rows = blank(EVENT, life.height)
    rows["kind"] = np.array([0, *KINDS.values()], "u1")[kind]
    _identify(rows, hash_names(ids.to_arrow()), symbol, groups)
    rows["exec"] = hash_names(execs.to_arrow()).key
    buy = life["direction"].to_numpy() > 0
    rows["side"] = np.where(buy, 1, -1)
    rows["side_code"] = np.where(buy, SIDES.index(Side.BUY), SIDES.index(Side.SELL))
    rows["ts_event"] = life["ts"].to_numpy()
    rows["seq"] = life["row"].to_numpy()
    # A fill sees its own print, which closes the window, and still the book before it.
    executed = kind == EXECUTED
    rows["market_seq"] = 2 * life["row"].to_numpy() + executed
    rows["pos"] = np.arange(len(rows))
    px, size = life["price"].to_numpy() / PRICE_SCALE, life["size"].to_numpy()
    filled = kind == EXECUTED
    rows["order_qty"] = life["order_qty"].to_numpy()
    rows["limit_px"] = np.where(np.isin(kind, (SUBMITTED, REDUCED)), px, np.nan)
    rows["last_px"] = np.where(filled, px, np.nan)
    rows["last_qty"] = np.where(filled, size, np.nan)
    rows["leaves_qty"] = np.where(kind == DELETED, 0.0, np.nan)
    rows["liquidity"] = np.where(filled, Liquidity.ADDED, 0)
    return rows, _details(rows[kind == SUBMITTED]), (ids, execs)


def _identify(rows: np.ndarray, orders: Hashed, symbol: str, groups: int) -> None:
    rows["order"] = rows["root"] = orders.key
    rows["order_group"] = orders.crc % np.uint32(groups)
    rows["phase"] = orders.crc
    rows["symbol"], rows["venue"] = key_of(symbol), key_of(VENUE)
    rows["market_group"] = group_of(symbol, groups)


def _details(accepted: np.ndarray) -> np.ndarray:
    rows = blank(DETAIL, len(accepted))
    rows["order"], rows["pos"] = accepted["order"], accepted["pos"]
    rows["ord_type"], rows["time_in_force"] = OrderType.LIMIT, TimeInForce.DAY
    rows["asset_class"] = AssetClass.EQUITY
    rows["currency"] = key_of(CURRENCY)
    return rows


def _with_quantity(life: pl.DataFrame) -> pl.DataFrame:
    """Adds `order_qty`: the submitted size less what was cancelled of it, NaN if unknown."""
    kind, size = pl.col("type"), pl.col("size")
    change = pl.when(kind == SUBMITTED).then(size).when(kind == REDUCED).then(-size).otherwise(0)
    known = (kind == SUBMITTED).cum_max().over("id")
    wanted = known & kind.is_in([SUBMITTED, REDUCED])
    return life.with_columns(
        order_qty=pl.when(wanted)
        .then(change.cum_sum().over("id").cast(pl.Float64))
        .otherwise(pl.lit(float("nan")))
    )


def _exec_ids(rows: pl.DataFrame, symbol: str) -> pl.Series:
    """The line of the execution, behind the symbol; empty where there is none of ours."""
    own = pl.col("type") == EXECUTED
    text = pl.concat_str(pl.lit(f"{symbol}-"), pl.col(LINE).cast(pl.String))
    return rows.select(pl.when(own).then(text).otherwise(pl.lit(""))).to_series()
