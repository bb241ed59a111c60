"""What a route asks for: the clients, a history connection, and who is calling."""

from collections.abc import AsyncIterator, Callable, Coroutine
from functools import cache
from typing import Annotated, Any

from fastapi import Depends, Path
from starlette.requests import HTTPConnection

from api.context import Connection, Context
from api.gate import request_id
from api.identity.caller import Caller, Scope
from api.problems import Problem, not_found
from api.service import Service
from domain.validate import check_id

_UNKNOWN = "(unknown)"
_SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})


def service_of(connection: HTTPConnection) -> Service:
    """What this process keeps beside the requests."""
    return connection.app.state.service


async def _service(connection: HTTPConnection) -> Service:
    return service_of(connection)


async def _context(connection: HTTPConnection) -> Context:
    return service_of(connection).context


async def _history(context: Annotated[Context, Depends(_context)]) -> AsyncIterator[Connection]:
    async with context.history() as connection:
        yield connection


async def _order_id(
    order_id: Annotated[str, Path(min_length=1, max_length=100, examples=["A/1 #ü"])],
) -> str:
    check_id("order_id", order_id, needed=True)
    return order_id


TheService = Annotated[Service, Depends(_service)]
TheContext = Annotated[Context, Depends(_context)]
HistoryConnection = Annotated[Connection, Depends(_history, scope="function")]
"""In a transaction that is committed when the route has returned, before its answer goes."""
OrderId = Annotated[str, Depends(_order_id)]


def action_of(connection: HTTPConnection) -> str:
    """What the request does, in the words of the audit: the method and the route."""
    route = getattr(connection.scope.get("route"), "path", connection.scope["path"])
    return f"{connection.scope.get('method', 'WS')} {route}"


def note(
    connection: HTTPConnection,
    who: str,
    outcome: str,
    *,
    target: str | None = None,
    **detail: Any,
) -> None:
    """One line in the audit about this request."""
    found = target if target is not None else connection.path_params.get("order_id")
    service_of(connection).audit.note(
        who,
        action_of(connection),
        found,
        outcome,
        request_id=request_id(connection.scope),
        detail=detail,
    )


async def admit(connection: HTTPConnection, scope: Scope) -> Caller:
    """The caller, if they are known, have the scope and are not too fast. Raises Problem.

    Every refusal is in the audit.
    """
    service = service_of(connection)
    address = connection.client.host if connection.client else None
    try:
        caller = await service.authority.caller(connection, service.context.status)
    except Problem as problem:
        if problem.status in {401, 403, 429}:
            note(connection, _UNKNOWN, "refused", address=address, why=problem.detail)
        raise
    is_read = connection.scope.get("method") in _SAFE_METHODS
    try:
        await (service.reads if is_read else service.writes).check(caller)
        _must_have(caller, scope)
    except Problem as problem:
        note(connection, caller.name, "refused", address=address, why=problem.detail)
        raise
    return caller


def _must_have(caller: Caller, scope: Scope) -> None:
    if not caller.may(scope):
        raise Problem(
            403, "scope", f"{caller.name} has scope {caller.scope.word}; this needs {scope.word}"
        )


@cache
def require(scope: Scope) -> Callable[..., Coroutine[Any, Any, Caller]]:
    """A dependency that gives the caller, or refuses who lacks this scope.

    `Reader`, `Operator` and `Admin` below are made of it.
    """

    async def caller(connection: HTTPConnection) -> Caller:
        return await admit(connection, scope)

    return caller


Reader = Annotated[Caller, Depends(require(Scope.READ))]
Operator = Annotated[Caller, Depends(require(Scope.OPERATE))]
Admin = Annotated[Caller, Depends(require(Scope.ADMIN))]


def must_see(connection: HTTPConnection, caller: Caller, order_id: str, desk: str | None) -> None:
    """Raise the 404 of an order that does not exist where the caller may not see this one.

    The attempt is in the audit.
    """
    if not caller.sees(desk):
        note(connection, caller.name, "refused", target=order_id, why="another desk's order")
        raise not_found(order_id)
