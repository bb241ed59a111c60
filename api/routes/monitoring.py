"""Monitoring of one order: start, stop and its sessions."""

from collections.abc import Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any
from urllib.parse import quote
from uuid import UUID

import msgspec
from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from api import etag, paging
from api.context import Connection
from api.control import tell
from api.deps import (
    HistoryConnection,
    Operator,
    OrderId,
    Reader,
    TheService,
    must_see,
    note,
)
from api.identity.caller import Caller
from api.models import (
    ExecutionMonitoringRequest,
    MonitoringSession,
    MonitoringSessions,
)
from api.problems import Problem, not_found, responses
from api.service import Service
from api.status import is_seen
from api.store import sessions as table
from api.store.idempotency import once
from api.store.sessions import Session

PREFIX = "/api/v1/monitoring"
router = APIRouter(prefix=PREFIX, tags=["monitoring"])


@router.post(
    "/start",
    status_code=201,
    response_model=MonitoringSession,
    responses=responses(404, 409),
    openapi_extra={"parameters": [paging.IDEMPOTENCY_KEY]},
)
async def start(
    request: Request, asked: ExecutionMonitoringRequest, caller: Operator, service: TheService
) -> Response:
    """Choose what is shown of an order and when it deserves an alert.

    A second start replaces the first. An order that was not seen yet is PENDING.
    """
    order_id = asked.order_id
    seen, desk, root = await is_seen(service, order_id)
    if seen:
        must_see(request, caller, order_id, desk)
    begun: list[Session] = []
    async with service.context.history() as connection:

        async def work() -> Response:
            await table.lock(connection, order_id)
            if not seen:
                await _may_replace(connection, caller, order_id)
            told = asked.model_dump(mode="json")
            version = _version(service.config.config_version, told)
            session = await table.insert(
                connection, caller, order_id, is_seen=seen, request=told, config_version=version
            )
            await tell(service.context, "monitoring_started", caller.name, _control(session, root))
            begun.append(session)
            return _answer(session, 201)

        answer = await once(connection, request, caller, work)
    _took_effect(request, service, caller, begun)
    return answer


def _took_effect(
    request: Request, service: Service, caller: Caller, changed: Sequence[Session]
) -> None:
    service.sessions.take(changed)
    for session in changed:
        note(
            request,
            caller.name,
            "done",
            target=session.order_id,
            session_id=str(session.session_id),
        )


def _answer(session: Session, status: int) -> Response:
    place = f"{PREFIX}/{quote(session.order_id, safe='')}/session"
    return Response(
        msgspec.json.encode(_session(session)),
        status,
        headers={"Location": place} if status == 201 else None,
        media_type="application/json",
    )


async def _may_replace(connection: Connection, caller: Caller, order_id: str) -> None:
    """Nobody knows yet whose order it will be: leave another's session of it alone."""
    if caller.desks is None:
        return
    present = await table.current(connection, order_id)
    if present is not None and present.created_by != caller.name:
        raise Problem(
            409, "session-exists", f"order {order_id!r} was not seen yet and is monitored already"
        )


def _version(config_version: str, asked: dict[str, Any]) -> str:
    """Names the thresholds an alert was judged by: those configured and the request's own."""
    raw = msgspec.json.encode([config_version, asked], order="sorted")
    return blake2b(raw, digest_size=6).hexdigest()


def _control(session: Session, root: str) -> dict[str, Any]:
    return {
        "order_id": session.order_id,
        "root_order_id": root or None,
        "session_id": str(session.session_id),
        **{k: v for k, v in session.request.items() if k != "order_id"},
        "config_version": session.config_version,
        "desks": session.desks,
    }


@router.post(
    "/{order_id:path}/stop",
    response_model=MonitoringSession,
    responses=responses(404),
    openapi_extra={"parameters": [paging.IDEMPOTENCY_KEY]},
)
async def stop(
    request: Request, order_id: OrderId, caller: Operator, service: TheService
) -> Response:
    """End the order's session: all five metrics, configured thresholds, every update again."""
    ended: list[Session] = []
    async with service.context.history() as connection:
        _, root = await _visible(request, service, connection, caller, order_id)

        async def work() -> Response:
            await table.lock(connection, order_id)
            session = await table.close(connection, order_id)
            if session is None:
                raise _no_session(order_id)
            members = {
                "order_id": order_id,
                "root_order_id": root or None,
                "session_id": str(session.session_id),
            }
            await tell(service.context, "monitoring_stopped", caller.name, members)
            ended.append(session)
            return _answer(session, 200)

        answer = await once(connection, request, caller, work)
    _took_effect(request, service, caller, ended)
    return answer


@router.get("/{order_id:path}/session", response_model=MonitoringSession, responses=responses(404))
async def session(
    request: Request,
    order_id: OrderId,
    caller: Reader,
    service: TheService,
    connection: HistoryConnection,
) -> Response:
    """The session that counts for this order."""
    seen, _ = await _visible(request, service, connection, caller, order_id)
    found = await table.current(connection, order_id)
    if found is None:
        raise _no_session(order_id)
    if seen:
        found = await table.mark_seen(connection, found)
    return etag.answer(request, msgspec.json.encode(_session(found)))


@router.get(
    "/{order_id:path}/sessions", response_model=MonitoringSessions, responses=responses(404)
)
async def sessions(
    request: Request,
    order_id: OrderId,
    caller: Reader,
    service: TheService,
    connection: HistoryConnection,
    limit: paging.Limit = 100,
    cursor: paging.Cursor = None,
) -> Response:
    """Every session this order had, the newest first."""
    await _visible(request, service, connection, caller, order_id)
    after = paging.keys_of(cursor, tuple[datetime, UUID]) if cursor else (table.LAST, table.LAST_ID)
    found = await table.of_order(connection, order_id, limit + 1, after)
    page = found[:limit]
    more = None
    if len(found) > limit:
        more = paging.cursor_of([page[-1].created_at.isoformat(), str(page[-1].session_id)])
    body = msgspec.json.encode({"items": [_session(one) for one in page], "next": more})
    return etag.answer(request, body, headers=paging.next_link(request, more))


async def _visible(
    request: Request, service: Service, connection: Connection, caller: Caller, order_id: str
) -> tuple[bool, str]:
    """(whether the order was seen, its root); its maker alone sees a session before that."""
    seen, desk, root = await is_seen(service, order_id)
    if seen:
        must_see(request, caller, order_id, desk)
    elif caller.desks is not None:
        present = await table.current(connection, order_id)
        if present is None or present.created_by != caller.name:
            raise not_found(order_id)
    return seen, root


def _no_session(order_id: str) -> Problem:
    return Problem(
        404, "no-session", f"order {order_id!r} has no session; {PREFIX}/start begins one"
    )


def _session(found: Session) -> dict[str, Any]:
    base = f"{PREFIX}/{quote(found.order_id, safe='')}"
    return {
        "session_id": found.session_id,
        "order_id": found.order_id,
        "state": found.state,
        "request": found.request,
        "created_at": found.created_at,
        "created_by": found.created_by,
        "closed_at": found.closed_at,
        "config_version": found.config_version,
        "status_url": f"{base}/status",
        "stream_url": f"{base}/stream",
    }
