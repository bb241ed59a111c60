"""What one order cost and why: its analytics, and every metric with its reason."""

from typing import Annotated, Any

from fastapi import APIRouter, Query
from msgspec import json
from starlette.requests import Request
from starlette.responses import Response

from analytics.execution import analytics_of, whole_record
from analytics.explain import metrics_of
from api import etag
from api.deps import HistoryConnection, OrderId, Reader, TheContext
from api.history.analytics_models import ExecutionAnalytics
from api.history.lookup import status_and_record
from api.history.models import OrderMetrics
from api.history.queries import MetricsQuestion
from api.problems import responses
from domain.rows import ORDER_METRICS

router = APIRouter(prefix="/api/v1", tags=["analytics"])
_HEAD = ("order_id", "state", "seq", "as_of", "last_updated", "provisional", "venue_distribution")


@router.get(
    "/monitoring/{order_id:path}/analytics",
    response_model=ExecutionAnalytics,
    responses=responses(404),
)
async def get_analytics(
    request: Request,
    order_id: OrderId,
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Summary, costs, attribution and benchmarks of an order, made of its status's own numbers.

    What needs the market afterwards comes from the order's record and is PENDING before.
    """
    status, record = await status_and_record(request, context, connection, caller, order_id)
    return etag.answer(request, json.encode(analytics_of(status, record)))


@router.get(
    "/orders/{order_id:path}/metrics",
    response_model=OrderMetrics,
    response_model_exclude_unset=True,
    responses=responses(404),
)
async def get_metrics(
    request: Request,
    order_id: OrderId,
    question: Annotated[MetricsQuestion, Query()],
    caller: Reader,
    context: TheContext,
    connection: HistoryConnection,
) -> Response:
    """Every metric of an order: value, unit, the reason where it is null, what to bear in mind.

    `name` chooses some; with `explain=true` each has its formula, its inputs' values and where
    those come from.
    """
    status, record = await status_and_record(request, context, connection, caller, order_id)
    whole = whole_record(status, record)
    wanted = {str(name) for name in question.name} or ORDER_METRICS
    body: dict[str, Any] = {name: whole.get(name) for name in _HEAD}
    body["metrics"] = [
        metric for metric in metrics_of(whole, explain=question.explain) if metric["name"] in wanted
    ]
    return etag.answer(request, json.encode(body))
