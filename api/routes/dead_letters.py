"""Dead letters: list, show, put back. For callers who may see every desk: a message that
could not be read names no desk.
"""

import asyncio
import base64
from typing import Annotated, Any

from fastapi import APIRouter, Query
from fastapi import Path as PathParameter
from msgspec import json
from starlette.requests import Request
from starlette.responses import Response

from api import etag, paging
from api.context import Context
from api.dead_letter_models import DeadLetter, DeadLetterRow, DeadLettersQuestion, Replayed
from api.deps import Operator, Reader, TheContext, note
from api.formats import rows_response
from api.history.examples import forms
from api.history.models import Page
from api.identity.caller import Caller
from api.problems import Problem, responses, unavailable
from api.store.idempotency import HEADER, once
from bus.base import Bus
from bus.dead_letters import (
    Letter,
    LetterPlace,
    find_letter,
    list_letters,
    replay_letter,
)
from domain.errors import InputError
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic

router = APIRouter(prefix="/api/v1/dead-letters", tags=["dead letters"])
Partition = Annotated[int, PathParameter(ge=0, le=1_000_000)]
Position = Annotated[
    str, PathParameter(pattern=r"^\d{1,19}-\d{1,19}$", examples=["1700000000000-0"])
]


@router.get(
    "",
    response_model=Page[DeadLetterRow],
    responses={**responses(406), **forms()},
)
async def get_dead_letters(
    request: Request,
    question: Annotated[DeadLettersQuestion, Query()],
    caller: Reader,
    context: TheContext,
) -> Response:
    """Refused messages, the newest first; those of one topic or reason where asked.

    A page may hold fewer than `limit`, even none, and still have a `next`.
    """
    _must_see_all(caller)
    bus = _bus(context)
    after = None
    if question.cursor is not None:
        after = LetterPlace(*paging.keys_of(question.cursor, tuple[int, dict[int, str]]))
    found = await asyncio.to_thread(
        list_letters,
        bus,
        topic=None if question.topic is None else Topic(question.topic),
        reason=None if question.reason is None else DeadLetterReason[question.reason],
        limit=question.limit,
        after=after,
    )
    cursor = None
    if found.more is not None:
        cursor = paging.cursor_of([found.more.until_ns, dict(found.more.before)])
    return rows_response(
        request,
        [_row(letter) for letter in found.letters],
        next_cursor=cursor,
        columns=list(DeadLetterRow.model_fields),
    )


@router.get(
    "/{partition}/{position}",
    response_model=DeadLetter,
    responses=responses(404),
)
async def get_dead_letter(
    request: Request, partition: Partition, position: Position, caller: Reader, context: TheContext
) -> Response:
    """One refused message with its bytes, and as text where it is UTF-8."""
    _must_see_all(caller)
    letter = await _letter(_bus(context), partition, position)
    return etag.answer(request, json.encode({**_row(letter), **_message(letter)}))


@router.post(
    "/{partition}/{position}/replay",
    status_code=202,
    response_model=Replayed,
    responses=responses(404, 409),
    openapi_extra={"parameters": [paging.IDEMPOTENCY_KEY]},
)
async def replay_dead_letter(
    request: Request,
    partition: Partition,
    position: Position,
    caller: Operator,
    context: TheContext,
) -> Response:
    """Put the original bytes back into the partition they came from, to be read anew.

    They become a dead letter again unless what refused them has changed.
    """
    _must_see_all(caller)
    bus = _bus(context)
    letter = await _letter(bus, partition, position)

    async def work() -> Response:
        try:
            stored = await asyncio.to_thread(replay_letter, bus, letter, by=caller.name)
        except InputError as error:
            raise Problem(409, "not-replayable", str(error)) from None
        note(request, caller.name, "done", target=f"{partition}/{position}", stored=stored)
        answer = {
            "topic": letter.topic,
            "partition": letter.origin_partition,
            "position": stored,
            "replay_of": f"{partition}/{position}",
        }
        return Response(json.encode(answer), 202, media_type="application/json")

    if HEADER not in request.headers:
        return await work()
    async with context.history() as connection:
        return await once(connection, request, caller, work)


def _must_see_all(caller: Caller) -> None:
    if caller.desks is not None:
        raise Problem(
            403, "desks", "dead letters are for callers who may see every desk: they name none"
        )


def _bus(context: Context) -> Bus:
    if context.bus is None:
        raise unavailable("bus", "no bus is configured; set EXECMON_BUS_URL")
    return context.bus


async def _letter(bus: Bus, partition: int, position: str) -> Letter:
    found = await asyncio.to_thread(find_letter, bus, partition, position)
    if found is None:
        raise Problem(
            404, "no-dead-letter", f"there is no dead letter {partition}/{position} (any more)"
        )
    return found


def _row(letter: Letter) -> dict[str, Any]:
    return {
        "partition": letter.partition,
        "position": letter.position,
        "refused_at": letter.refused_at,
        "topic": letter.topic,
        "origin_partition": letter.origin_partition,
        "origin_position": letter.origin_position,
        "reason": letter.reason,
        "words": letter.words,
        "ts": letter.ts,
        "size": len(letter.message),
    }


def _message(letter: Letter) -> dict[str, Any]:
    try:
        text = letter.message.decode()
    except UnicodeDecodeError:
        text = None
    return {"message": text, "message_base64": base64.b64encode(letter.message).decode()}
