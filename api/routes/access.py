"""Tickets for WebSockets, and the audit."""

import time
from typing import Annotated, Any

import msgspec
from fastapi import APIRouter, Query
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import Response

from api import paging
from api.deps import Admin, HistoryConnection, Reader, TheService, note
from api.formats import rows_response
from api.identity.tickets import LIFE_S, issue
from api.models import AuditLines, Ticket
from api.problems import Problem, responses
from domain.instants import SECOND, format_rfc3339

router = APIRouter(prefix="/api/v1", tags=["identity"])
_AUDIT = """
SELECT id, at, who, action, target, outcome, request_id, detail FROM audit
WHERE id < %(before)s
  AND (%(who)s::text IS NULL OR who = %(who)s)
  AND (%(target)s::text IS NULL OR target = %(target)s)
  AND (%(outcome)s::text IS NULL OR outcome = %(outcome)s)
ORDER BY id DESC LIMIT %(limit)s
"""
_NEWEST = (1 << 63) - 1
Text = Annotated[str | None, Query(max_length=200)]


@router.post("/tickets", status_code=201, response_model=Ticket, responses=responses())
async def ticket(request: Request, caller: Reader, service: TheService) -> Response:
    """A ticket that opens one WebSocket within 30 s, as `?ticket=`, with the caller's rights."""
    made = await issue(service.context.status, caller)
    expires_at = format_rfc3339((time.time_ns() // SECOND + LIFE_S) * SECOND)
    note(request, caller.name, "done")
    body = msgspec.json.encode({"ticket": made, "expires_at": expires_at})
    return Response(body, 201, headers={"Cache-Control": "no-store"}, media_type="application/json")


@router.get("/audit", response_model=AuditLines, responses=responses(406))
async def audit(
    request: Request,
    caller: Admin,
    connection: HistoryConnection,
    who: Text = None,
    target: Text = None,
    outcome: Text = None,
    limit: paging.Limit = 100,
    cursor: paging.Cursor = None,
) -> Response:
    """Who did or was refused what, the newest first; for admins of every desk."""
    if caller.desks is not None:
        raise Problem(403, "scope", "the audit names orders of every desk; this caller sees some")
    before = paging.keys_of(cursor, tuple[int])[0] if cursor else _NEWEST
    values: dict[str, Any] = {
        "before": before,
        "who": who,
        "target": target,
        "outcome": outcome,
        "limit": limit + 1,
    }
    async with connection.cursor(row_factory=dict_row) as found:
        rows = await (await found.execute(_AUDIT, values)).fetchall()
    page = rows[:limit]
    more = paging.cursor_of([page[-1]["id"]]) if len(rows) > limit else None
    return rows_response(request, page, next_cursor=more)
