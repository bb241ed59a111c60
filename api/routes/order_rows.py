"""What happened to one order: status rows, timeline, executions, restatements."""

from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from analytics.history.events import EventPlace, list_events
from analytics.history.fills import FillPlace, list_fills
from analytics.history.orders import find_order
from analytics.history.restatements import list_restatements
from analytics.history.statuses import StatusPlace, list_statuses, newest_status
from analytics.timeline import steps_of
from api.deps import HistoryConnection, OrderId, Reader, TheContext
from api.formats import rows_response
from api.history.examples import forms
from api.history.lookup import only_live
from api.history.models import FillRow, Page, Restatement, StatusRow, TimelineStep
from api.history.queries import Direction, FamilyQuestion, HistoryQuestion, PagedQuestion, ns_of
from api.history.rows import fill_row, restatement_row, status_row
from api.paging import cursor_of, keys_of
from api.problems import responses
from domain.instants import parse_rfc3339

router = APIRouter(prefix="/api/v1/orders", tags=["orders"])


class _Decision(msgspec.Struct):
    decision_ts: str | None = None


@router.get(
    "/{order_id:path}/history",
    response_model=Page[StatusRow],
    responses={**responses(404, 406), **forms()},
)
async def get_history(
    request: Request,
    order_id: OrderId,
    question: Annotated[HistoryQuestion, Query()],
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Every final status of an order, the newest first: a row for each event and each mark.

    `from` and `to` are event times. With `full=true` each row has the status as it was
    published. Also as NDJSON, CSV or Arrow by `Accept`.
    """
    if await find_order(connection, order_id, desks=caller.desks) is None:
        await only_live(request, context, connection, caller, order_id)
    place = None if question.cursor is None else keys_of(question.cursor, tuple[int, int])
    rows = await list_statuses(
        connection,
        order_id,
        desks=caller.desks,
        limit=question.limit + 1,
        from_ns=ns_of(question.from_ts),
        to_ns=ns_of(question.to_ts),
        descending=question.direction is Direction.DESC,
        after=None if place is None else StatusPlace(*place),
        with_body=question.full,
    )
    page = rows[: question.limit]
    cursor = None
    if len(rows) > len(page):
        cursor = cursor_of([page[-1]["ts_ns"], page[-1]["seq"]])
    names = list(StatusRow.model_fields)
    return rows_response(
        request,
        [status_row(row, full=question.full) for row in page],
        next_cursor=cursor,
        columns=names if question.full else names[:-1],
    )


@router.get(
    "/{order_id:path}/timeline",
    response_model=Page[TimelineStep],
    responses={**responses(404, 406), **forms()},
)
async def get_timeline(
    request: Request,
    order_id: OrderId,
    question: Annotated[FamilyQuestion, Query()],
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Decision, arrival, routes, acknowledgements, fills, amendments, cancels, oldest first.

    `since_previous_ms` is the time since the step before, `ack_ms` from a route's sending to
    the answer. The orders below it are included unless `children=false`.
    """
    place = None if question.cursor is None else _place(question.cursor)
    rows = await list_events(
        connection,
        order_id,
        desks=caller.desks,
        limit=question.limit + 1,
        children=question.children,
        after=None if place is None else EventPlace(*place),
    )
    if rows is None:
        await only_live(request, context, connection, caller, order_id)
        rows = []
    page = rows[: question.limit]
    decision_ns = None
    if place is None:
        body = await newest_status(connection, order_id, desks=caller.desks)
        decision_ns = _decision_ns(body)
    steps = steps_of(
        page,
        order_id=order_id,
        decision_ns=decision_ns,
        previous_ns=None if place is None else place[0],
    )
    return rows_response(
        request,
        list(steps),
        next_cursor=_next(page, rows),
        columns=list(TimelineStep.model_fields),
    )


@router.get(
    "/{order_id:path}/fills",
    response_model=Page[FillRow],
    responses={**responses(404, 406), **forms()},
)
async def get_fills(
    request: Request,
    order_id: OrderId,
    question: Annotated[FamilyQuestion, Query()],
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Executions, oldest first, with the market each met; repeats and busted ones are marked.

    A parent's are those of the orders below it. Also as NDJSON, CSV or Arrow by `Accept`.
    """
    place = None if question.cursor is None else _place(question.cursor)
    rows = await list_fills(
        connection,
        order_id,
        desks=caller.desks,
        limit=question.limit + 1,
        children=question.children,
        after=None if place is None else FillPlace(*place),
    )
    if rows is None:
        await only_live(request, context, connection, caller, order_id)
        rows = []
    page = rows[: question.limit]
    return rows_response(
        request,
        [fill_row(row) for row in page],
        next_cursor=_next(page, rows),
        columns=list(FillRow.model_fields),
    )


@router.get(
    "/{order_id:path}/restatements",
    response_model=Page[Restatement],
    responses={**responses(404, 406), **forms()},
)
async def get_restatements(
    request: Request,
    order_id: OrderId,
    question: Annotated[PagedQuestion, Query()],
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Where a bust, a correction or a late event changed what was said, with before and after."""
    if await find_order(connection, order_id, desks=caller.desks) is None:
        await only_live(request, context, connection, caller, order_id)
    before = None if question.cursor is None else keys_of(question.cursor, tuple[int])[0]
    rows = await list_restatements(
        connection, order_id, desks=caller.desks, limit=question.limit + 1, before=before
    )
    page = rows[: question.limit]
    cursor = cursor_of([page[-1]["seq"]]) if len(rows) > len(page) else None
    return rows_response(request, [restatement_row(row) for row in page], next_cursor=cursor)


def _place(cursor: str) -> tuple[int, int, int, str]:
    return keys_of(cursor, tuple[int, int, int, str])


def _next(page: list[dict[str, Any]], rows: list[dict[str, Any]]) -> str | None:
    if len(rows) == len(page):
        return None
    last = page[-1]
    return cursor_of([last["ts_ns"], last["source"], last["pos"], last["order_id"]])


def _decision_ns(body: bytes | None) -> int | None:
    if body is None:
        return None
    text = msgspec.json.decode(body, type=_Decision).decision_ts
    return None if text is None else parse_rfc3339(text)
