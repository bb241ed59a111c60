"""Alerts: list, show, acknowledge, snooze, close, preview thresholds, and test a channel."""

import time
from collections.abc import Awaitable, Callable
from typing import Annotated, Any
from uuid import uuid4

from fastapi import APIRouter, Body, Depends, Path, Query
from msgspec import json
from starlette.requests import Request
from starlette.responses import Response

from analytics.alert_preview import preview
from analytics.history.alerts import AlertPlace
from api import etag
from api.alerts.actions import act
from api.alerts.find import page_of_alerts, visible_alert
from api.alerts.models import (
    MOST_SNOOZE_MIN,
    AckRequest,
    AlertDetail,
    AlertRow,
    AlertsQuestion,
    CloseRequest,
    SnoozeRequest,
    TestSendRequest,
    TestSent,
)
from api.alerts.preview_models import Preview, PreviewRequest
from api.context import Context
from api.control import tell
from api.deps import HistoryConnection, Operator, Reader, TheContext, note
from api.formats import rows_response
from api.gate import request_id
from api.history.examples import forms
from api.history.models import Page
from api.identity.caller import Caller
from api.paging import IDEMPOTENCY_KEY, cursor_of, keys_of
from api.problems import Problem, responses
from api.store.idempotency import HEADER, once
from domain.channels import Trial
from domain.errors import InputError
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.topics import event_id

router = APIRouter(prefix="/api/v1/alerts", tags=["alerts"])
MOST_ID = 400


async def _alert_id(
    alert_id: Annotated[str, Path(min_length=1, max_length=MOST_ID)],
) -> str:
    if not alert_id.isprintable():
        raise Problem(422, "invalid", "alert_id must be printable characters")
    return alert_id


AlertId = Annotated[str, Depends(_alert_id)]
_ACTION: dict[str, Any] = {
    "response_model": AlertDetail,
    "responses": {
        **responses(404, 409),
        202: {"model": AlertDetail, "description": "Passed on; the pipeline has yet to do it."},
    },
    "openapi_extra": {"parameters": [IDEMPOTENCY_KEY]},
}


@router.get("", response_model=Page[AlertRow], responses={**responses(406), **forms()})
async def get_alerts(
    request: Request,
    question: Annotated[AlertsQuestion, Query()],
    caller: Reader,
    context: TheContext,
) -> Response:
    """Alerts, those that began last first: open ones live, past ones from history.

    `open=true` needs no history store, and alone shows those of severity LOW. A page may hold
    fewer than `limit` and still have a `next`. Also as NDJSON, CSV or Arrow by `Accept`.
    """
    after = None
    if question.cursor is not None:
        after = AlertPlace(*keys_of(question.cursor, tuple[int, str]))
    page = await page_of_alerts(
        context, question.filter(), caller, limit=question.limit, after=after
    )
    more = page.more
    return rows_response(
        request,
        page.records,
        next_cursor=None if more is None else cursor_of([more.started_ms, more.alert_id]),
        columns=list(AlertRow.model_fields),
    )


@router.post(
    "/preview",
    response_model=Preview,
    response_model_by_alias=True,
    responses=responses(),
)
async def preview_thresholds(
    asked: PreviewRequest, caller: Reader, connection: HistoryConnection
) -> Response:
    """How many alerts thresholds would have raised over stored days, and which they miss.

    Orders are judged again by the rules themselves, at the evaluations that are stored: those
    that came near a level. Of the caller's desks alone. What is asked changes nothing.
    """
    try:
        found = await preview(connection, asked.proposal(), caller.desks)
    except InputError as error:
        raise Problem(422, "invalid", str(error)) from error
    return Response(json.encode(found), media_type="application/json")


@router.post(
    "/test-send",
    status_code=202,
    response_model=TestSent,
    responses=responses(),
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def test_send(
    request: Request, asked: TestSendRequest, caller: Operator, context: TheContext
) -> Response:
    """Send a test message through a channel, to whomever it leads.

    What became of it is among the notifications, by the `key` of the answer.
    """

    async def work() -> Response:
        told = {"channel": asked.channel, "request_id": request_id(request.scope) or ""}
        test_id = _test_id(request, caller)
        await tell(context, "send_tested", caller.name, {**told, "test_id": test_id})
        note(request, caller.name, "done", target=f"channel:{asked.channel}")
        key = Trial(ts_event="", channel=asked.channel, test_id=test_id).key
        answer = json.encode({**told, "key": key})
        return Response(answer, 202, media_type="application/json")

    return await _once(request, context, caller, work)


@router.post("/{alert_id:path}/ack", **_ACTION)
async def ack_alert(
    request: Request,
    alert_id: AlertId,
    caller: Operator,
    context: TheContext,
    asked: Annotated[AckRequest | None, Body()] = None,
) -> Response:
    """Say that somebody looks at it: it is not told of again unless it gets worse."""
    why = "" if asked is None else asked.why
    return await _act(request, context, caller, alert_id, "alert_acknowledged", {"why": why})


@router.post("/{alert_id:path}/snooze", **_ACTION)
async def snooze_alert(
    request: Request,
    alert_id: AlertId,
    asked: SnoozeRequest,
    caller: Operator,
    context: TheContext,
) -> Response:
    """Leave it alone for a while, an hour at most; it wakes if its severity rises."""
    until = end_of(asked.minutes, asked.until, MOST_SNOOZE_MIN)
    members = {"until": format_rfc3339(until), "why": asked.why}
    return await _act(request, context, caller, alert_id, "alert_snoozed", members)


@router.post("/{alert_id:path}/close", **_ACTION)
async def close_alert(
    request: Request,
    alert_id: AlertId,
    asked: CloseRequest,
    caller: Operator,
    context: TheContext,
) -> Response:
    """Close it and say what was found, which tells good thresholds from bad ones."""
    members = {"reason": asked.reason, "why": asked.why}
    return await _act(request, context, caller, alert_id, "alert_closed", members)


@router.get("/{alert_id:path}", response_model=AlertDetail, responses=responses(404))
async def get_alert(
    request: Request, alert_id: AlertId, caller: Reader, context: TheContext
) -> Response:
    """One alert with its evidence and every step of its life: what, when, by whom, why.

    Of one that is only in history, the published steps.
    """
    _, record = await visible_alert(request, context, caller, alert_id)
    return etag.answer(request, json.encode(record))


async def _act(
    request: Request,
    context: Context,
    caller: Caller,
    alert_id: str,
    type_: str,
    members: dict[str, Any],
) -> Response:
    async def work() -> Response:
        done, record = await act(request, context, caller, alert_id, type_, members)
        status = 200 if done else 202
        return Response(json.encode(record), status, media_type="application/json")

    return await _once(request, context, caller, work)


def _test_id(request: Request, caller: Caller) -> str:
    """The same for the same Idempotency-Key, should we end between telling and keeping it."""
    key = request.headers.get(HEADER)
    return uuid4().hex if key is None else event_id(f"{caller.how}:{caller.name}", key, HEADER)


async def _once(
    request: Request, context: Context, caller: Caller, work: Callable[[], Awaitable[Response]]
) -> Response:
    """With an Idempotency-Key once; without one no history store is needed."""
    if HEADER not in request.headers:
        return await work()
    async with context.history() as connection:
        return await once(connection, request, caller, work)


def end_of(minutes: float | None, until: str | None, most_min: float) -> int:
    """The end that was asked for, UNIX ns. Raises Problem 422 unless it is soon enough."""
    now = time.time_ns()
    end = parse_rfc3339(until) if until is not None else now + round((minutes or 0) * 60 * SECOND)
    if not now < end <= now + most_min * 60 * SECOND:
        raise Problem(
            422,
            "invalid",
            f"the end must be ahead and at most {most_min:g} minutes away, was "
            f"{format_rfc3339(end)}; now is {format_rfc3339(now // SECOND * SECOND)}",
        )
    return end
