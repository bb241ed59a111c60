"""Errors as RFC 9457 problem details: what was wrong, and what would be right."""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

import msgspec
import psycopg
import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict
from redis.exceptions import RedisError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Scope

from domain.errors import BusError, Refused
from domain.thresholds import threshold_table

MEDIA_TYPE = "application/problem+json"
_log = structlog.get_logger("api")


class Problem(Exception):
    """An answer that is an error; `kind` is the last part of its type."""

    def __init__(
        self,
        status: int,
        kind: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.kind = kind
        self.detail = detail
        self.headers = dict(headers or {})
        self.more = more


class ProblemBody(BaseModel):
    """RFC 9457 problem details; some kinds have more members."""

    model_config = ConfigDict(extra="allow")

    type: str
    title: str
    status: int
    detail: str
    instance: str


def not_found(order_id: str) -> Problem:
    """The order is not known, or not the caller's to see: both look the same."""
    return Problem(404, "order-not-found", f"nothing is known of order {order_id!r}")


def unavailable(what: str, detail: str, *, retry_s: int = 1) -> Problem:
    """A server that the answer needs is away; `dependency` names it."""
    return Problem(
        503, "unavailable", detail, headers={"Retry-After": str(retry_s)}, dependency=what
    )


def problem_response(scope: Scope, problem: Problem) -> Response:
    """The problem as an answer to this request."""
    body = {
        "type": f"urn:execmon:problem:{problem.kind}",
        "title": HTTPStatus(problem.status).phrase,
        "status": problem.status,
        "detail": problem.detail,
        "instance": quote(str(scope.get("path", "")), safe="/:@!$&'()*+,;=~-._"),
        **problem.more,
    }
    return Response(
        msgspec.json.encode(body),
        problem.status,
        headers={"Cache-Control": "no-store", **problem.headers},
        media_type=MEDIA_TYPE,
    )


_KINDS = {
    400: "bad-request",
    404: "no-such-path",
    405: "method-not-allowed",
    406: "not-acceptable",
    413: "body-too-large",
}
_MOST_ERRORS = 20


def as_problem(error: Exception) -> Problem:
    """Any error in the words of a problem; one nobody foresaw is a 500 and is logged."""
    if isinstance(error, Problem):
        return error
    for kind, told in _TOLD.items():
        if isinstance(error, kind):
            return told(error)
    _log.error("request_failed", exc_info=error)
    return Problem(500, "defect", "this is a defect of the product; its log says more")


def _http(error: Any) -> Problem:
    kind = _KINDS.get(error.status_code, "error")
    return Problem(error.status_code, kind, _words(error), headers=error.headers)


def _refused(error: Any) -> Problem:
    return Problem(422, "invalid", error.words)


def _no_status(error: Any) -> Problem:
    return unavailable("status store", f"the status store does not answer: {error}")


def _no_bus(error: Any) -> Problem:
    return unavailable("bus", str(error))


def _no_history(error: Any) -> Problem:
    return unavailable("history store", f"the history store does not answer: {error}")


def _words(error: HTTPException) -> str:
    if error.status_code == 404:
        return "there is nothing at this path; /openapi.json lists what there is"
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        return f"this path takes {allowed}" if allowed else "this path takes another method"
    return str(error.detail)


def _invalid(error: Any) -> Problem:
    found: list[dict[str, str]] = []
    for one in error.errors()[:_MOST_ERRORS]:
        where = ".".join(str(part) for part in one["loc"])
        words = str(one["msg"]).removeprefix("Value error, ").replace("Input should", "should")
        found.append({"where": where, "words": words})
    detail = "; ".join(f"{one['where']}: {one['words']}" for one in found)
    more = {}
    if any("alert_thresholds" in one["where"] for one in found):
        more["thresholds"] = threshold_table()
    return Problem(422, "invalid", detail, errors=found, **more)


def _no_tables(error: Any) -> Problem:
    return unavailable(
        "history store",
        f"the history store lacks tables: {error.diag.message_primary}; run `execmon db migrate`",
    )


def _unfit(error: Any) -> Problem:
    """A value that passed every check and yet is none of the column's kind, such as a NUL."""
    return Problem(422, "invalid", f"a parameter cannot be looked for: {error}")


_TOLD: dict[type[Exception], Callable[[Any], Problem]] = {
    HTTPException: _http,
    RequestValidationError: _invalid,
    Refused: _refused,
    RedisError: _no_status,
    BusError: _no_bus,
    psycopg.errors.UndefinedTable: _no_tables,
    psycopg.DataError: _unfit,
    psycopg.OperationalError: _no_history,
}


async def _answer(request: Request, error: Exception) -> Response:
    return problem_response(request.scope, as_problem(error))


def install(app: FastAPI) -> None:
    """Answer every error of the routes with a problem."""
    for kind in (Problem, *_TOLD):
        app.add_exception_handler(kind, _answer)


def responses(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """For a route's `responses`: these statuses, and those any route may answer."""
    wanted = sorted({400, 401, 403, 405, 413, 422, 429, 500, 503, *statuses})
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/ProblemBody"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content} for status in wanted
    }
