"""WebSockets: one order's updates, or those of many."""

from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Protocol

from fastapi import APIRouter
from starlette.websockets import WebSocket, WebSocketDisconnect

from api.deps import admit, must_see, note, service_of
from api.identity.caller import NO_DESK, Caller, Scope
from api.live.client import StreamClient, Wanted
from api.live.entry import MEMBERS, Entry
from api.live.session import StreamSession
from api.problems import Problem, as_problem
from api.service import Service
from api.status import newest
from domain.validate import check_id

router = APIRouter()
_MOST_REASON = 120


class Session(Protocol):
    """What is told to one client."""

    async def run(self) -> None:
        """Stream until the client goes."""
        ...


Begin = Callable[[Service, Caller], Awaitable[Session]]


@router.websocket("/api/v1/monitoring/{order_id:path}/stream")
async def order_stream(
    socket: WebSocket, order_id: str, last_seq: str = "", position: str = ""
) -> None:
    """Updates of one order, from its newest status or from where the client left."""

    async def begin(service: Service, caller: Caller) -> StreamSession:
        check_id("order_id", order_id, needed=True)
        found = await newest(service, order_id)
        must_see(socket, caller, order_id, found.desk)
        client = StreamClient(caller, order_id=order_id, wanted=_seen_by(caller))
        return StreamSession(
            socket, service, client, last_seq=_whole("last_seq", last_seq), position=position
        )

    await serve(socket, begin)


@router.websocket("/api/v1/stream")
async def stream(socket: WebSocket, desk: str = "", position: str = "") -> None:
    """Updates of every order the caller may see, narrowed by `desk` and `filter`."""

    async def begin(service: Service, caller: Caller) -> StreamSession:
        if desk and not caller.sees(desk):
            note(socket, caller.name, "refused", target=f"desk:{desk}", why="another desk")
            raise Problem(404, "desk-not-found", f"no orders of desk {desk!r} are yours to see")
        wanted = _narrowed(_seen_by(caller), desk, _filters(socket.query_params.getlist("filter")))
        client = StreamClient(caller, order_id=None, wanted=wanted)
        return StreamSession(socket, service, client, desk=desk, position=position)

    await serve(socket, begin)


async def serve(socket: WebSocket, begin: Begin) -> None:
    """Accept, say what is wrong with a close code, or stream until the client goes."""
    service = service_of(socket)
    await socket.accept()
    try:
        _must_be_ours(socket, service)
        _must_have_room(service)
        caller = await admit(socket, Scope.READ)
        session = await begin(service, caller)
    except WebSocketDisconnect:
        return
    except Exception as error:
        await _close(socket, as_problem(error))
        return
    note(socket, caller.name, "done")
    service.streams += 1
    try:
        await session.run()
    except WebSocketDisconnect:
        pass
    except Exception as error:
        await _close(socket, as_problem(error))
    finally:
        service.streams -= 1


async def _close(socket: WebSocket, problem: Problem) -> None:
    """4000 and the HTTP status, the detail as the reason as far as it fits."""
    reason = problem.detail.encode()[:_MOST_REASON].decode(errors="ignore")
    with suppress(RuntimeError, WebSocketDisconnect):
        await socket.close(4000 + problem.status, reason)


def _must_have_room(service: Service) -> None:
    if service.streams >= service.config.limits.max_streams:
        raise Problem(503, "too-many-streams", "too many WebSockets are open; try again later")


def _must_be_ours(socket: WebSocket, service: Service) -> None:
    """Refuse a page of another origin: browsers ask nobody before they open a WebSocket."""
    origin = socket.headers.get("origin")
    if origin is None or origin in service.config.cors_origins:
        return
    host = socket.headers.get("host", "")
    if origin.partition("://")[2] != host:
        raise Problem(403, "origin", f"pages of {origin} may not listen here")


def _seen_by(caller: Caller) -> Wanted:
    if caller.desks is None:
        return lambda _: True
    return lambda entry: caller.sees(entry.desk)


def _filters(told: list[str]) -> Mapping[str, frozenset[str]]:
    """`symbol:AMZN` and the like; the same member twice means either. Raises Problem 422."""
    found: dict[str, set[str]] = {}
    for text in told:
        member, colon, value = text.partition(":")
        if not colon or member not in MEMBERS:
            raise Problem(
                422,
                "invalid",
                f"filter must be MEMBER:VALUE with one of {', '.join(MEMBERS)}, was {text!r}",
            )
        found.setdefault(member, set()).add(value)
    return {member: frozenset(values) for member, values in found.items()}


def _narrowed(seen: Wanted, desk: str, filters: Mapping[str, frozenset[str]]) -> Wanted:
    def wanted(entry: Entry) -> bool:
        if (desk and (entry.desk or NO_DESK) != desk) or not seen(entry):
            return False
        members = entry.members if filters else None
        return all((getattr(members, member) or "") in values for member, values in filters.items())

    return wanted


def _whole(name: str, text: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > 18:
        raise Problem(422, "invalid", f"{name} must be a number from 0, was {text!r}")
    return int(text)
