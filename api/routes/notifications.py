"""What was sent to people and their machines, and what was not."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Query
from psycopg.rows import dict_row
from starlette.requests import Request
from starlette.responses import Response

from api import paging
from api.deps import HistoryConnection, Reader
from api.formats import rows_response
from api.history.examples import forms
from api.history.models import Page
from api.problems import responses
from api.store.subscriptions import LAST, LAST_ID
from api.subscription_models import Notification, NotificationsQuestion

router = APIRouter(prefix="/api/v1/notifications", tags=["notifications"])
_COLUMNS = (
    "key, channel, kind, alert_id, desk, severity, state, subject, due_at, created_at, "
    "changed_at, attempts, is_repeat, digest, words"
)
_LIST = f"""
SELECT {_COLUMNS} FROM notifications
WHERE (created_at, key) < (%(at)s, %(key)s)
  AND (%(desks)s::text[] IS NULL OR desk = ANY(%(desks)s) OR kind = 'TEST')
  AND (%(which)s::uuid IS NULL OR key = %(which)s)
  AND (%(state)s::text IS NULL OR state = %(state)s)
  AND (%(channel)s::text IS NULL OR channel = %(channel)s)
  AND (%(alert_id)s::text IS NULL OR alert_id = %(alert_id)s)
ORDER BY created_at DESC, key DESC LIMIT %(limit)s
"""


@router.get("", response_model=Page[Notification], responses={**responses(406), **forms()})
async def get_notifications(
    request: Request,
    question: Annotated[NotificationsQuestion, Query()],
    caller: Reader,
    connection: HistoryConnection,
) -> Response:
    """Pages of alerts by channel, the newest first, with what became of each and why.

    UNDELIVERED are those that nobody was told. Digests of several desks are for callers who
    may see every desk; tests of channels are no desk's, and for all.
    """
    after = (LAST, LAST_ID)
    if question.cursor is not None:
        after = paging.keys_of(question.cursor, tuple[datetime, UUID])
    values = {
        "at": after[0],
        "key": after[1],
        "desks": None if caller.desks is None else sorted(caller.desks),
        "which": question.key,
        "state": question.state,
        "channel": question.channel,
        "alert_id": question.alert_id,
        "limit": question.limit + 1,
    }
    async with connection.cursor(row_factory=dict_row) as found:
        rows = await (await found.execute(_LIST, values)).fetchall()
    page = rows[: question.limit]
    more = None
    if len(rows) > question.limit:
        more = paging.cursor_of([page[-1]["created_at"].isoformat(), str(page[-1]["key"])])
    return rows_response(request, page, next_cursor=more, columns=list(Notification.model_fields))
