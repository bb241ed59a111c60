"""Silences: what is not to be sent for a while. They end by themselves."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID, uuid4

from fastapi import APIRouter, Query
from msgspec import json
from starlette.requests import Request
from starlette.responses import Response

from analytics.history.connection import timestamp_of
from api.alerts.models import MOST_SILENCE_MIN, SilenceRequest, SilenceRow, SilencesQuestion
from api.control import tell
from api.deps import HistoryConnection, Operator, Reader, TheContext, note
from api.formats import rows_response
from api.history.examples import forms
from api.history.models import Page
from api.identity.caller import Caller
from api.paging import IDEMPOTENCY_KEY, cursor_of, keys_of
from api.problems import Problem, responses
from api.routes.alerts import end_of
from api.store import silences as table
from api.store.idempotency import once
from api.store.silences import EVERY_DESK, StoredSilence
from domain.instants import format_rfc3339

router = APIRouter(prefix="/api/v1/silences", tags=["alerts"])


@router.get("", response_model=Page[SilenceRow], responses={**responses(406), **forms()})
async def get_silences(
    request: Request,
    question: Annotated[SilencesQuestion, Query()],
    caller: Reader,
    connection: HistoryConnection,
) -> Response:
    """Silences that hold, the newest first; with `past=true` those too that are over."""
    after = (table.LAST, table.LAST_ID)
    if question.cursor is not None:
        after = keys_of(question.cursor, tuple[datetime, UUID])
    limit = question.limit
    found = await table.page(
        connection, caller.desks, past=question.past, limit=limit + 1, after=after
    )
    page = found[:limit]
    more = None
    if len(found) > limit:
        more = cursor_of([page[-1].created_at.isoformat(), str(page[-1].silence_id)])
    return rows_response(
        request,
        [_row(one) for one in page],
        next_cursor=more,
        columns=list(SilenceRow.model_fields),
    )


@router.post(
    "",
    status_code=201,
    response_model=SilenceRow,
    responses=responses(404),
    openapi_extra={"parameters": [IDEMPOTENCY_KEY]},
)
async def set_silence(
    request: Request,
    asked: SilenceRequest,
    caller: Operator,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Send nothing of the alerts that match every member given; they are raised all the same.

    It ends by itself, within a week.
    """
    _must_see(request, caller, asked.desk)
    until = end_of(asked.minutes, asked.until, MOST_SILENCE_MIN)

    async def work() -> Response:
        values = [
            uuid4(), asked.desk, asked.alert_type, asked.about, asked.symbol, asked.why,
            caller.name, timestamp_of(until),
        ]  # fmt: skip
        made = await table.insert(connection, values)
        await tell(context, "silence_set", caller.name, _told(made))
        note(request, caller.name, "done", target=f"silence:{made.silence_id}", desk=made.desk)
        return Response(json.encode(_row(made)), 201, media_type="application/json")

    return await once(connection, request, caller, work)


@router.delete("/{silence_id}", response_model=SilenceRow, responses=responses(404))
async def lift_silence(
    request: Request,
    silence_id: UUID,
    caller: Operator,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """End a silence now; one that is over stays as it is."""
    found = await table.find(connection, silence_id)
    if found is None:
        raise _not_found(silence_id)
    if not _is_theirs(caller, found.desk):
        note(request, caller.name, "refused", target=f"silence:{silence_id}", why="another desk's")
        raise _not_found(silence_id)
    if not found.is_over:
        found = await table.lift(connection, silence_id, caller.name)
        await tell(context, "silence_set", caller.name, _told(found))
        note(request, caller.name, "done", target=f"silence:{silence_id}", desk=found.desk)
    return Response(json.encode(_row(found)), media_type="application/json")


def _is_theirs(caller: Caller, desk: str) -> bool:
    """Whether they may silence this desk; every desk is for those who see every one."""
    return caller.desks is None if desk == EVERY_DESK else caller.sees(desk)


def _must_see(request: Request, caller: Caller, desk: str) -> None:
    if _is_theirs(caller, desk):
        return
    note(request, caller.name, "refused", target=f"desk:{desk}", why="another desk")
    if desk == EVERY_DESK:
        raise Problem(403, "desks", "every desk is silenced by callers who see every desk")
    raise Problem(404, "desk-not-found", f"no alerts of desk {desk!r} are yours to silence")


def _not_found(silence_id: UUID) -> Problem:
    return Problem(404, "silence-not-found", f"there is no silence {silence_id}")


def _told(silence: StoredSilence) -> dict[str, Any]:
    """The members of the control event; a silence that was lifted ends when it was."""
    return {
        "scope": silence.desk,
        "silence_id": str(silence.silence_id),
        "until": _time(silence.lifted_at or silence.until),
        "why": silence.why or None,
        "alert_type": silence.alert_type,
        "about": silence.about,
        "symbol": silence.symbol,
    }


def _row(silence: StoredSilence) -> dict[str, Any]:
    return {
        "silence_id": str(silence.silence_id),
        "desk": silence.desk,
        "alert_type": silence.alert_type,
        "about": silence.about,
        "symbol": silence.symbol,
        "why": silence.why,
        "created_at": _time(silence.created_at),
        "created_by": silence.created_by,
        "until": _time(silence.until),
        "lifted_at": None if silence.lifted_at is None else _time(silence.lifted_at),
        "lifted_by": silence.lifted_by,
    }


def _time(at: datetime) -> str:
    return format_rfc3339(round(at.timestamp() * 1e6) * 1_000)
