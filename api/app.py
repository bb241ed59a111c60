"""The application: routes, errors and what runs beside the requests."""

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from fastapi import APIRouter, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.middleware.cors import CORSMiddleware

from api import problems
from api.config import ApiConfig
from api.context import StatusKnownAt
from api.gate import Gate
from api.history.examples import add_examples
from api.history.lookup import status_from_history
from api.lane import StatusLane
from api.problems import ProblemBody
from api.routes import (
    access,
    alert_stream,
    alerts,
    analytics,
    dead_letters,
    health,
    monitoring,
    notifications,
    order_rows,
    orders,
    pages,
    rollups,
    silences,
    status,
    stream,
    subscriptions,
)
from api.service import open_service
from api.telemetry import Telemetry

ROUTERS: tuple[APIRouter, ...] = (
    monitoring.router,
    status.router,
    stream.router,
    access.router,
    health.router,
    pages.router,
    analytics.router,
    order_rows.router,
    orders.router,
    rollups.router,
    dead_letters.router,
    alert_stream.router,
    alerts.router,
    silences.router,
    subscriptions.router,
    notifications.router,
)
"""Every subject's routes. A path that ends in any text comes behind those under it."""


def create_app(
    config: ApiConfig,
    *,
    routers: Sequence[APIRouter] = ROUTERS,
    status_known_at: StatusKnownAt | None = status_from_history,
) -> FastAPI:
    """The API as an ASGI application; its clients open and close with its lifespan.

    Its start raises ConfigurationError where it would be open to a network.
    """
    telemetry = Telemetry()

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with open_service(config, telemetry, status_known_at) as service:
            app.state.service = service
            yield

    app = FastAPI(
        title="Execution Monitor",
        version="1",
        summary="Live execution quality of orders, and proof of it afterwards.",
        lifespan=lifespan,
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False},
    )
    problems.install(app)
    for router in routers:
        app.include_router(router)
    app.add_middleware(
        StatusLane,
        prefix=f"{status.PREFIX}/",
        suffix="/status",
        route=f"{status.PREFIX}/{{order_id:path}}/status",
        endpoint=status.quick_status,
    )
    if config.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(config.cors_origins),
            allow_methods=["GET", "POST", "PATCH", "DELETE"],
            allow_headers=["Authorization", "X-Api-Key", "Idempotency-Key", "Content-Type"],
            expose_headers=["ETag", "Link", "X-Data-Age-Ms", "X-Request-Id", "Retry-After"],
        )
    app.add_middleware(Gate, limits=config.limits, telemetry=telemetry)
    app.openapi = lambda: _described(app)
    return app


def _described(app: FastAPI) -> dict[str, Any]:
    """OpenAPI 3.1, with the shape of problems and the ways to say who one is."""
    if app.openapi_schema is None:
        found = get_openapi(
            title=app.title, version=app.version, summary=app.summary, routes=app.routes
        )
        components = found.setdefault("components", {})
        schemas = components.setdefault("schemas", {})
        schemas["ProblemBody"] = ProblemBody.model_json_schema()
        components["securitySchemes"] = {
            "bearer": {"type": "http", "scheme": "bearer", "description": "An API key or a JWT."},
            "key": {"type": "apiKey", "in": "header", "name": "X-Api-Key"},
        }
        found["security"] = [{"bearer": []}, {"key": []}, {}]
        add_examples(found)
        app.openapi_schema = found
    return app.openapi_schema
