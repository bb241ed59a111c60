"""Orders by filter and page, one order, and which orders belong to it."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from psycopg.sql import SQL, Composable, Identifier, Placeholder

from analytics.history.connection import (
    ENTITLED,
    Connection,
    Desks,
    Row,
    all_of,
    desk_list,
    fetch_all,
    fetch_one,
    list_of,
)

COLUMNS: Final = (
    "order_id", "root_order_id", "parent_order_id", "cl_ord_id", "symbol", "side", "state",
    "is_closed", "has_children", "desk", "trader", "client", "broker", "algo", "strategy",
    "currency", "asset_class", "ord_type", "time_in_force", "order_qty", "cum_qty", "leaves_qty",
    "avg_px", "limit_px", "execution_progress", "performance_score", "slippage_bps", "fills",
    "children", "sort_ns", "arrival_ns", "closed_ns", "ts_ns", "known_ns", "seq",
)  # fmt: skip
_NAMED = ("symbol", "side", "desk", "trader", "client", "broker", "algo", "strategy", "currency",
          "parent_order_id", "root_order_id")  # fmt: skip
_SELECT = SQL("SELECT {} FROM orders AS o WHERE ").format(
    list_of([Identifier("o", name) for name in COLUMNS])
)


class OrderSort(StrEnum):
    """What a list of orders is sorted by; each is a column."""

    ARRIVAL = "arrival"
    CLOSED = "closed"
    UPDATED = "updated"
    SYMBOL = "symbol"
    ORDER_QTY = "order_qty"
    PROGRESS = "execution_progress"
    SCORE = "performance_score"
    SLIPPAGE = "slippage_bps"


_COLUMN_OF = {
    OrderSort.ARRIVAL: "sort_ns",
    OrderSort.CLOSED: "closed_ns",
    OrderSort.UPDATED: "known_ns",
}
_NEVER_NULL = frozenset({"sort_ns", "known_ns"})


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderFilter:
    """Which orders are asked for; None does not choose."""

    states: tuple[str, ...] = ()
    is_open: bool | None = None
    symbol: str | None = None
    side: str | None = None
    desk: str | None = None
    trader: str | None = None
    client: str | None = None
    broker: str | None = None
    algo: str | None = None
    strategy: str | None = None
    currency: str | None = None
    parent_order_id: str | None = None
    root_order_id: str | None = None
    roots_only: bool = False
    """Leave out the children of other orders."""
    arrived_from_ns: int | None = None
    """Arrival, or the first time that is known where the acceptance was never seen."""
    arrived_to_ns: int | None = None
    """Not included."""


@dataclass(frozen=True, slots=True)
class OrderPlace:
    """The last order of a page: the value it was sorted by, and its id."""

    value: float | int | str | None
    order_id: str


def sort_column(sort: OrderSort) -> str:
    """Column of `orders` behind a sort."""
    return _COLUMN_OF.get(sort, str(sort))


async def list_orders(
    connection: Connection,
    chosen: OrderFilter,
    *,
    desks: Desks,
    limit: int,
    sort: OrderSort = OrderSort.ARRIVAL,
    descending: bool = True,
    after: OrderPlace | None = None,
) -> list[Row]:
    """Up to `limit` orders that fit, behind `after`; those without the value come last."""
    column = sort_column(sort)
    conditions: list[Composable] = [ENTITLED]
    values: dict[str, Any] = {"desks": desk_list(desks), "limit": limit}
    _choose(chosen, conditions, values)
    if after is not None:
        values["after_id"] = after.order_id
        values["after_value"] = after.value
        conditions.append(_behind(column, after, descending=descending))
    way = SQL("DESC" if descending else "ASC")
    query = SQL("{}{} ORDER BY {} {} NULLS LAST, o.order_id {} LIMIT %(limit)s").format(
        _SELECT, all_of(conditions), Identifier("o", column), way, way
    )
    if column in _NEVER_NULL:
        query = SQL("{}{} ORDER BY {} {}, o.order_id {} LIMIT %(limit)s").format(
            _SELECT, all_of(conditions), Identifier("o", column), way, way
        )
    return await fetch_all(connection, query, values)


def _choose(chosen: OrderFilter, conditions: list[Composable], values: dict[str, Any]) -> None:
    for name in _NAMED:
        value: str | None = getattr(chosen, name)
        if value is not None:
            column = Identifier("o", name)
            conditions.append(SQL("{} = {}").format(column, Placeholder(name)))
            values[name] = value
    if chosen.states:
        conditions.append(SQL("o.state = ANY(%(states)s)"))
        values["states"] = list(chosen.states)
    if chosen.is_open is not None:
        conditions.append(SQL("NOT o.is_closed" if chosen.is_open else "o.is_closed"))
    if chosen.roots_only:
        conditions.append(SQL("o.parent_order_id IS NULL"))
    if chosen.arrived_from_ns is not None:
        conditions.append(SQL("o.sort_ns >= %(from_ns)s"))
        values["from_ns"] = chosen.arrived_from_ns
    if chosen.arrived_to_ns is not None:
        conditions.append(SQL("o.sort_ns < %(to_ns)s"))
        values["to_ns"] = chosen.arrived_to_ns


def _behind(name: str, after: OrderPlace, *, descending: bool) -> Composable:
    column = Identifier("o", name)
    than = SQL("<" if descending else ">")
    if name in _NEVER_NULL:
        return SQL("({}, o.order_id) {} (%(after_value)s, %(after_id)s)").format(column, than)
    if after.value is None:
        return SQL("({} IS NULL AND o.order_id {} %(after_id)s)").format(column, than)
    return SQL(
        "({0} {1} %(after_value)s OR ({0} = %(after_value)s AND o.order_id {1} %(after_id)s)"
        " OR {0} IS NULL)"
    ).format(column, than)


async def find_order(connection: Connection, order_id: str, *, desks: Desks) -> Row | None:
    """One order's row, None where there is none to be seen."""
    query = SQL("{}o.order_id = %(order_id)s AND {}").format(_SELECT, ENTITLED)
    return await fetch_one(connection, query, {"order_id": order_id, "desks": desk_list(desks)})


_FAMILY = SQL("""
WITH RECURSIVE family AS (
    SELECT o.order_id FROM orders AS o WHERE o.order_id = %(order_id)s AND {0}
    UNION
    SELECT o.order_id FROM orders AS o JOIN family AS f ON o.parent_order_id = f.order_id
    WHERE {0}
)
SELECT order_id FROM family""").format(ENTITLED)


async def family_of(
    connection: Connection, order_id: str, *, desks: Desks, children: bool = True
) -> list[str]:
    """The order and, with `children`, every order below it; empty where it is not to be seen."""
    values: Mapping[str, Any] = {"order_id": order_id, "desks": desk_list(desks)}
    if not children:
        found = await find_order(connection, order_id, desks=desks)
        return [] if found is None else [order_id]
    return [row["order_id"] for row in await fetch_all(connection, _FAMILY, values)]
