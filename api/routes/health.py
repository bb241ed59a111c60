"""Whether the process lives, is ready, what it counts and which version it is."""

import asyncio
import time
from collections.abc import Awaitable
from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel
from starlette.responses import Response

from api.deps import TheService
from api.problems import Problem
from api.service import Service
from domain.errors import BusError

router = APIRouter(tags=["operation"])
_PATIENCE_S = 1.0
_FRESH_S = 1.0
_METRICS = "text/plain; version=0.0.4; charset=utf-8"


class Dependency(BaseModel):
    """A server behind the API."""

    name: str
    state: Literal["up", "down", "not configured"]
    detail: str


class Readiness(BaseModel):
    """What is there; `degraded` still serves the live status."""

    state: Literal["ready", "degraded", "down"]
    data_age_ms: int | None
    is_stale: bool
    open_orders: int
    dependencies: list[Dependency]


class Liveness(BaseModel):
    """The process answers."""

    state: Literal["alive"]


class Version(BaseModel):
    """Which product, and which version of it."""

    name: str
    version: str
    api: str


@router.get("/livez", response_model=Liveness)
async def livez() -> Liveness:
    """Whether this process answers at all."""
    return Liveness(state="alive")


@router.get("/version", response_model=Version)
async def version(service: TheService) -> Version:
    """The product's version."""
    return Version(name="execution-monitor", version=service.config.product_version, api="v1")


@router.get("/readyz", response_model=Readiness, responses={503: {"model": Readiness}})
async def readyz(service: TheService) -> Response:
    """Which server is down, and how old the newest data is.

    503 only where the live status cannot be served; without the history store or the bus the
    state is `degraded`.
    """
    found = await _known(service)
    status = 503 if found.state == "down" else 200
    return Response(
        found.model_dump_json(),
        status,
        headers={"Cache-Control": "no-store"},
        media_type="application/json",
    )


@router.get("/metrics", response_class=Response, responses={200: {"content": {_METRICS: {}}}})
async def metrics(service: TheService) -> Response:
    """The API's own counters, for Prometheus."""
    telemetry = service.telemetry
    age_ms = service.hub.data_age_ms()
    telemetry.data_age.set(float("nan") if age_ms is None else age_ms / 1000)
    telemetry.streams.set(service.streams)
    telemetry.audit_waiting.set(len(service.audit))
    telemetry.audit_dropped.set(service.audit.dropped)
    return Response(telemetry.text(), media_type=_METRICS)


_last: dict[int, tuple[float, Readiness]] = {}


async def _known(service: Service) -> Readiness:
    """Looked at once a second at most, however many ask."""
    known = _last.get(id(service))
    if known is None or time.monotonic() - known[0] > _FRESH_S:
        _last.clear()
        known = _last[id(service)] = (time.monotonic(), await _look(service))
    age_ms = service.hub.data_age_ms()
    return known[1].model_copy(update={"data_age_ms": age_ms, "is_stale": service.hub.is_stale()})


async def _look(service: Service) -> Readiness:
    found = await asyncio.gather(
        _asked("status store", service.context.status.ping()),
        _history(service),
        _bus(service),
    )
    live = found[0].state == "up"
    whole = all(one.state == "up" for one in found)
    return Readiness(
        state="ready" if whole else "degraded" if live else "down",
        data_age_ms=None,
        is_stale=False,
        open_orders=service.hub.open_orders,
        dependencies=list(found),
    )


async def _history(service: Service) -> Dependency:
    if service.context.pool is None:
        return Dependency(name="history store", state="not configured", detail="")

    async def ask() -> None:
        async with service.context.history() as connection:
            await connection.execute("SELECT 1 FROM audit LIMIT 1")

    return await _asked("history store", ask())


async def _bus(service: Service) -> Dependency:
    bus = service.context.bus
    if bus is None:
        return Dependency(name="bus", state="not configured", detail="")
    return await _asked("bus", asyncio.to_thread(bus.ping))


async def _asked(name: str, question: Awaitable[object]) -> Dependency:
    try:
        await asyncio.wait_for(question, _PATIENCE_S)
    except TimeoutError:
        return Dependency(name=name, state="down", detail=f"no answer within {_PATIENCE_S:g} s")
    except (Problem, BusError) as error:
        return Dependency(name=name, state="down", detail=str(error))
    except Exception as error:
        return Dependency(name=name, state="down", detail=f"{type(error).__name__}: {error}")
    return Dependency(name=name, state="up", detail="")
