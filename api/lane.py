"""The short way to one order's status: no routing table, no solving of dependencies.

The route itself describes the endpoint and answers where this is not in front of it; both
call the same function.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

Endpoint = Callable[[Request, str, str | None], Awaitable[Response]]


@dataclass(frozen=True, slots=True)
class _Route:
    """Stands for the route in counters and the audit."""

    path: str


class StatusLane:
    """ASGI middleware that serves `{prefix}ORDER{suffix}` itself."""

    def __init__(
        self, app: ASGIApp, *, prefix: str, suffix: str, route: str, endpoint: Endpoint
    ) -> None:
        self._app = app
        self._route = _Route(route)
        self._prefix = prefix
        self._suffix = suffix
        self._endpoint = endpoint

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve the request, or pass it on; errors are for whoever stands around this."""
        path: str = scope.get("path", "")
        if (
            scope["type"] != "http"
            or scope["method"] != "GET"
            or not path.endswith(self._suffix)
            or not path.startswith(self._prefix)
            or "\n" in path
        ):
            await self._app(scope, receive, send)
            return
        order_id = path[len(self._prefix) : -len(self._suffix)]
        scope["route"] = self._route
        scope["path_params"] = {"order_id": order_id}
        known_at = None
        if scope["query_string"]:
            asked = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
            known_at = asked.get("known_at", [None])[-1]
        response = await self._endpoint(Request(scope, receive), order_id, known_at)
        await response(scope, receive, send)
