"""Orders: a list by filter, sort and page, and one by its id."""

from typing import Annotated

from fastapi import APIRouter, Query
from msgspec import json
from starlette.requests import Request
from starlette.responses import Response

from analytics.history.orders import OrderPlace, OrderSort, find_order, list_orders, sort_column
from api import etag
from api.context import Context
from api.deps import HistoryConnection, OrderId, Reader, TheContext
from api.formats import rows_response
from api.history.attention import by_attention
from api.history.examples import forms
from api.history.lookup import only_live
from api.history.models import OrderRow, Page
from api.history.queries import Direction, OrdersQuestion
from api.history.rows import order_row, order_row_of_status
from api.identity.caller import Caller
from api.paging import cursor_of, keys_of
from api.problems import Problem, responses

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])
_LIVE = "attention"


@router.get(
    "",
    response_model=Page[OrderRow],
    responses={**responses(406), **forms()},
)
async def get_orders(
    request: Request,
    question: Annotated[OrdersQuestion, Query()],
    caller: Reader,
    context: TheContext,
) -> Response:
    """Orders, those that arrived last first unless told otherwise.

    With `sort=attention` the open ones, live from the status store, those that need attention
    first; every other sort is answered from history. Also as NDJSON, CSV or Arrow by `Accept`.
    """
    if question.sort == _LIVE:
        return await _live(request, question, caller, context)
    return await _stored(request, question, caller, context)


async def _live(
    request: Request, question: OrdersQuestion, caller: Caller, context: Context
) -> Response:
    if question.direction is Direction.ASC:
        raise Problem(422, "invalid", "attention is sorted with direction desc only")
    after = None if question.cursor is None else keys_of(question.cursor, tuple[float, str])
    page = await by_attention(
        context.status, question.filter(), caller, limit=question.limit, after=after
    )
    cursor = None if page.more is None else cursor_of(page.more)
    return rows_response(
        request, page.rows, next_cursor=cursor, columns=list(OrderRow.model_fields)
    )


async def _stored(
    request: Request, question: OrdersQuestion, caller: Caller, context: Context
) -> Response:
    sort = OrderSort(question.sort)
    after = None
    if question.cursor is not None:
        told, value, order_id = keys_of(question.cursor, tuple[str, float | int | str | None, str])
        after = OrderPlace(_value_of(sort, told, value), order_id)
    async with context.history() as connection:
        rows = await list_orders(
            connection,
            question.filter(),
            desks=caller.desks,
            limit=question.limit + 1,
            sort=sort,
            descending=question.direction is Direction.DESC,
            after=after,
        )
    page = rows[: question.limit]
    cursor = None
    if len(rows) > len(page):
        last = page[-1]
        cursor = cursor_of([str(sort), last[sort_column(sort)], last["order_id"]])
    return rows_response(
        request,
        [order_row(row) for row in page],
        next_cursor=cursor,
        columns=list(OrderRow.model_fields),
    )


def _value_of(
    sort: OrderSort, told: str, value: float | int | str | None
) -> float | int | str | None:
    """The value in a cursor, of the kind that the sort compares."""
    is_text = isinstance(value, str)
    if told != sort or (value is not None and is_text != (sort is OrderSort.SYMBOL)):
        raise Problem(422, "invalid", f"cursor is of a list that was not sorted by {sort}")
    return value


@router.get("/{order_id:path}", response_model=OrderRow, responses=responses(404))
async def get_order(
    request: Request,
    order_id: OrderId,
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """One order as the list shows it."""
    row = await find_order(connection, order_id, desks=caller.desks)
    if row is None:
        status = await only_live(request, context, connection, caller, order_id)
        return etag.answer(request, json.encode(order_row_of_status(status, None)))
    return etag.answer(request, json.encode(order_row(row)))
