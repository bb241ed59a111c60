"""A WebSocket of alerts."""

from fastapi import APIRouter
from starlette.websockets import WebSocket

from api.deps import note
from api.identity.caller import Caller
from api.live.alert_session import AlertSession
from api.problems import Problem
from api.routes.stream import serve
from api.service import Service

router = APIRouter()


@router.websocket("/api/v1/alerts/stream")
async def alerts_stream(socket: WebSocket, desk: str = "") -> None:
    """The open alerts the caller may see, then each change of one."""

    async def begin(service: Service, caller: Caller) -> AlertSession:
        if desk and not caller.sees(desk):
            note(socket, caller.name, "refused", target=f"desk:{desk}", why="another desk")
            raise Problem(404, "desk-not-found", f"no alerts of desk {desk!r} are yours to see")
        return AlertSession(socket, service, caller, desk)

    await serve(socket, begin)
