"""Every route that the API has, read off its own table, and how each is to be asked."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
from starlette.routing import WebSocketRoute

from api.app import ROUTERS
from tests import history_data as data
from tests.alert_data import SILENCE

PUBLIC = {"/livez", "/readyz", "/version", "/metrics", "/", "/docs", "/static/{name}"}
"""Routes that need no key, and tell of no order."""
LETTER = {"partition": "0", "position": "1795185000000-0"}
"""The dead letter of `tests.api_examples`."""
ALERT = {"alert_id": "AL1"}
"""An open one of `tests.alert_data.example_alerts`."""
SUBSCRIPTION = "7c9e6679-7425-40de-944b-e07fc1f90ae7"
"""One of every desk, where a test has made it."""
QUERIES: dict[str, dict[str, str]] = {
    "/api/v1/rollups": {
        "by": "desk", "from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z",
    },
}  # fmt: skip
"""What a route cannot be asked without."""
BODIES: dict[str, dict[str, Any]] = {
    "/api/v1/monitoring/start": {"order_id": data.PARENT},
    "/api/v1/alerts/{alert_id}/snooze": {"minutes": 5},
    "/api/v1/alerts/{alert_id}/close": {"reason": "TRUE_ACTED"},
    "/api/v1/alerts/preview": {
        "from": "2026-11-20", "alert_thresholds": {"MARKET_IMPACT": 2.2},
    },
    "/api/v1/alerts/test-send": {"channel": "mail"},
    "/api/v1/silences": {"desk": data.US, "minutes": 5},
    "/api/v1/subscriptions": {
        "name": "oms", "event_types": ["EXECUTION_COMPLETED"],
        "destination": {"kind": "webhook", "url": "http://127.0.0.1:9/x", "secret": "s" * 16},
    },
    "/api/v1/subscriptions/{subscription_id}": {"name": "oms"},
}  # fmt: skip


def keep_subscription(history_url: str) -> None:
    """The subscription that the paths name, there again whoever ended it."""
    with psycopg.connect(history_url) as connection:
        connection.execute(
            "INSERT INTO subscriptions (subscription_id, name, state, event_types, min_severity, "
            "destination, secret, start, created_by) VALUES (%s, 'oms', 'PAUSED', "
            "'{EXECUTION_COMPLETED}', 'LOW', %s, 'SECRET', '{}', 'ann') "
            "ON CONFLICT (subscription_id) DO UPDATE SET state = 'PAUSED'",
            (SUBSCRIPTION, '{"kind":"webhook","url":"http://127.0.0.1:9/x"}'),
        )


def routes() -> list[tuple[str, str]]:
    """(method, or WS for a stream; path as the description has it) of every route."""
    return list(_routes())


def _routes() -> Iterator[tuple[str, str]]:
    for router in ROUTERS:
        for route in router.routes:
            path = getattr(route, "path", "").replace(":path}", "}")
            if isinstance(route, WebSocketRoute):
                yield "WS", path
            else:
                for method in sorted(getattr(route, "methods", None) or {"GET"}):
                    yield method, path


def url_of(path: str, order_id: str = data.PARENT, **names: str) -> str:
    """The path with its parameters filled in. Raises KeyError for one that nobody knows of."""
    known = {
        "order_id": order_id, "name": "app.js", "subscription_id": SUBSCRIPTION, **LETTER, **ALERT,
        "silence_id": SILENCE, **names,
    }  # fmt: skip
    return path.format_map({name: quote(text, safe="") for name, text in known.items()})
