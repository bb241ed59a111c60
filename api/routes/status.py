"""One order's status, by the framework's way and by the lane in front of it."""

import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from api import etag
from api.deps import OrderId, Reader, admit, must_see, service_of
from api.identity.caller import Caller, Scope
from api.models import ExecutionStatus
from api.problems import Problem, responses
from api.status import known_at, newest
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.validate import check_id

PREFIX = "/api/v1/monitoring"
router = APIRouter(prefix=PREFIX, tags=["monitoring"])
AGE = "X-Data-Age-Ms"


@router.get("/{order_id:path}/status", response_model=ExecutionStatus, responses=responses(404))
async def status(
    request: Request,
    order_id: OrderId,
    caller: Reader,
    known: Annotated[
        str | None,
        Query(
            alias="known_at",
            description="Answer as it was known at this RFC 3339 time.",
            examples=["2026-11-20T14:30:00Z"],
            max_length=40,
        ),
    ] = None,
) -> Response:
    """The newest state of an order; `X-Data-Age-Ms` says how long ago its event time is."""
    return await _status(request, caller, order_id, known)


async def quick_status(request: Request, order_id: str, known: str | None) -> Response:
    """The same without the framework's help, for the lane in front of it."""
    caller = await admit(request, Scope.READ)
    check_id("order_id", order_id, needed=True)
    return await _status(request, caller, order_id, known)


async def _status(request: Request, caller: Caller, order_id: str, known: str | None) -> Response:
    service = service_of(request)
    if known is None:
        found = await newest(service, order_id)
    else:
        found = await known_at(service, order_id, _instant("known_at", known))
    must_see(request, caller, order_id, found.desk)
    age_ms = found.age_ms
    told = {} if age_ms is None else {AGE: str(age_ms)}
    return etag.answer(request, found.body, headers=told)


def _instant(name: str, text: str) -> int:
    try:
        return parse_rfc3339(text)
    except ValueError as error:
        now = format_rfc3339(time.time_ns() // SECOND * SECOND)
        raise Problem(422, "invalid", f"{name}: {error}; now is {now}") from None
