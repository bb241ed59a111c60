"""Roll-ups by venue, algorithm, broker, strategy and desk, from history."""

import time
from typing import Annotated

from fastapi import APIRouter, Query
from starlette.requests import Request
from starlette.responses import Response

from analytics.history.rollups import Dimension, Window, roll_up_orders
from analytics.history.venues import roll_up_venues
from api.deps import HistoryConnection, Reader
from api.formats import rows_response
from api.history.examples import forms
from api.history.queries import RollupQuestion, ns_of
from api.history.rollup_models import Rollup, RollupRow
from api.history.rows import rollup_row
from api.problems import Problem, responses
from domain.instants import SECOND, format_rfc3339

router = APIRouter(prefix="/api/v1", tags=["analytics"])
_DAY_NS = 86_400 * SECOND


@router.get(
    "/rollups",
    response_model=Rollup,
    responses={**responses(406), **forms()},
)
async def get_rollups(
    request: Request,
    question: Annotated[RollupQuestion, Query()],
    caller: Reader,
    connection: HistoryConnection,
) -> Response:
    """Orders by algorithm, broker, strategy or desk; executions and routes by venue.

    Each metric is a ratio of sums with its n, never a mean of bps. An execution counts once:
    the topmost order that names its group stands for those below it.
    """
    to_ns = ns_of(question.to_ts) or time.time_ns()
    from_ns = ns_of(question.from_ts)
    from_ns = to_ns - _DAY_NS if from_ns is None else from_ns
    if from_ns >= to_ns:
        raise Problem(422, "invalid", "from must be before to")
    window = Window(from_ns=from_ns, to_ns=to_ns, min_n=question.min_n, limit=question.limit)
    if question.by is Dimension.VENUE:
        rows = await roll_up_venues(connection, window, desks=caller.desks)
    else:
        rows = await roll_up_orders(connection, question.by, window, desks=caller.desks)
    return rows_response(
        request,
        [rollup_row(row) for row in rows],
        columns=list(RollupRow.model_fields),
        more={
            "by": question.by,
            "from_ts": format_rfc3339(from_ns),
            "to_ts": format_rfc3339(to_ns),
            "min_n": question.min_n,
        },
    )
