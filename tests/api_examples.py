"""The requests that the API's description and its page show, and the answers they get.

`python -m tests.api_examples` writes those of the description anew.
"""

import re
import shlex
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import redis

from domain.topics import BYTES_TYPE, stream_key
from domain.vocabulary import Topic
from sinks.alerts import AlertPartition, AlertSettings
from tests import alert_data as alerts
from tests import evaluation_data as evaluations
from tests import history_data as data

ROOT = Path(__file__).resolve().parents[1]
PAGES = (ROOT / "docs" / "api.md", ROOT / "docs" / "alerts.md")
EXAMPLES = ROOT / "api" / "history" / "examples.json"
_ORDER = f"/api/v1/orders/{quote(data.PARENT, safe='')}"
_LETTER = "/api/v1/dead-letters/0/1795185000000-0"
_DAY = "from=2026-11-20T00:00:00Z&to=2026-11-21T00:00:00Z"
REQUESTS = {
    "get_orders": "GET /api/v1/orders?desk=US-CASH&roots_only=true&limit=1",
    "get_order": f"GET {_ORDER}",
    "get_history": f"GET {_ORDER}/history?limit=1",
    "get_timeline": f"GET {_ORDER}/timeline?limit=5",
    "get_fills": f"GET {_ORDER}/fills?limit=1",
    "get_restatements": f"GET {_ORDER}/restatements?limit=1",
    "get_metrics": f"GET {_ORDER}/metrics?name=slippage_bps&explain=true",
    "get_analytics": f"GET {_ORDER.replace('orders', 'monitoring')}/analytics",
    "get_rollups": f"GET /api/v1/rollups?by=strategy&{_DAY}",
    "get_dead_letters": "GET /api/v1/dead-letters?topic=orders&limit=1",
    "get_dead_letter": f"GET {_LETTER}",
    "replay_dead_letter": f"POST {_LETTER}/replay",
    "get_alerts": "GET /api/v1/alerts?order_id=A2&open=true&limit=1",
    "get_alert": "GET /api/v1/alerts/AL2",
    "ack_alert": 'POST /api/v1/alerts/AL1/ack {"why": "calling the broker"}',
    "snooze_alert": 'POST /api/v1/alerts/AL1/snooze {"minutes": 15}',
    "close_alert": 'POST /api/v1/alerts/AL1/close {"reason": "TRUE_ACTED", "why": "rate raised"}',
    "preview_thresholds": (
        'POST /api/v1/alerts/preview {"from": "2026-11-20", '
        '"alert_thresholds": {"MARKET_IMPACT": 2.2}, "alert_type": "MARKET_IMPACT", '
        '"desk": "US-CASH"}'
    ),
    "test_send": 'POST /api/v1/alerts/test-send {"channel": "desk-mail"}',
    "get_silences": "GET /api/v1/silences?limit=1",
    "set_silence": 'POST /api/v1/silences {"desk": "US-CASH", "symbol": "AMZN", "minutes": 30}',
    "lift_silence": f"DELETE /api/v1/silences/{alerts.SECOND_SILENCE}",
}
VOLATILE = {
    "replay_dead_letter": {"position"},
    "snooze_alert": {"snoozed_until"},
    "test_send": {"request_id", "key"},
    "set_silence": {"silence_id", "created_at", "until"},
    "lift_silence": {"lifted_at"},
}
"""Members of an answer that no two runs share."""
_BLOCK = re.compile(r"```sh\n\$ curl ([^\n]+)\n(.*?)```", re.DOTALL)
MORE = "…"


def refuse_example(bus_url: str) -> None:
    """A dead letter at the place that the examples name."""
    with redis.Redis.from_url(bus_url) as client:
        client.xadd(
            stream_key(Topic.DEAD_LETTER, 0),
            {
                "content-type": BYTES_TYPE, "topic": "orders", "partition": "1",
                "position": "1795184999990-0", "reason": "MISSING_FIELD",
                "words": "side is missing", "ce_time": "2026-11-20T14:29:59.990Z",
                "body": b'{"type":"order_accepted","order_id":"A9","symbol":"AMZN"}',
            },
            id="1795185000000-0",
        )  # fmt: skip


def parts_of(request: str) -> dict[str, Any]:
    """`METHOD PATH [BODY]` as the arguments of a client's `request`."""
    method, path, *body = request.split(" ", 2)
    headers = {"Content-Type": "application/json"} if body else None
    return {"method": method, "url": path, "content": "".join(body) or None, "headers": headers}


def asked(client: Any, request: str) -> Any:
    """The answer to one request."""
    return client.request(**parts_of(request))


def blocks(page: str) -> list[tuple[str, Any]]:
    """(request, answer as it is shown) of every example on the page."""
    found: list[tuple[str, Any]] = []
    for words, shown in _BLOCK.findall(page):
        told = shlex.split(words)
        url = next(part for part in told if part.startswith("localhost:8080"))
        body = told[told.index("--json") + 1] if "--json" in told else ""
        method = told[told.index("-X") + 1] if "-X" in told else "POST" if body else "GET"
        request = f"{method} {url.removeprefix('localhost:8080')}"
        found.append((f"{request} {body}".strip(), msgspec.json.decode(shown.encode())))
    return found


def pages() -> str:
    """The text of the pages with examples."""
    return "\n".join(page.read_text(encoding="utf-8") for page in PAGES)


def give_alerts(desk: alerts.Desk, status_url: str, history_url: str) -> None:
    """The alerts and silences of the examples, as they were before anybody did anything."""
    alerts.forget_live_alerts(status_url)
    desk.give(*alerts.example_alerts())
    alerts.set_example_silences(history_url)


def is_part(shown: Any, whole: Any) -> bool:
    """Whether what is shown is the answer, `…` standing for what is left out."""
    if isinstance(shown, dict):
        rest = shown.keys() - {MORE}
        same = isinstance(whole, dict) and all(
            n in whole and is_part(shown[n], whole[n]) for n in rest
        )
        return same and (MORE in shown or rest == whole.keys())
    if isinstance(shown, list):
        items = [item for item in shown if item != MORE]
        whole_items = whole[: len(items)] if MORE in shown else whole
        return len(items) == len(whole_items) and all(map(is_part, items, whole_items))
    return shown in (MORE, whole)


@contextmanager
def _serving() -> Iterator[Any]:
    import httpx

    from api.app import create_app
    from api.config import ApiConfig
    from bus.connect import open_bus
    from runtime.history_server import EmbeddedPostgres
    from runtime.servers import EmbeddedServer
    from tests.history_store import fresh_database

    with (
        tempfile.TemporaryDirectory() as folder,
        EmbeddedPostgres() as postgres,
        EmbeddedServer("status", durable=False) as status,
        EmbeddedServer("bus", durable=False) as bus,
    ):
        rows = data.monitored(data.example_events(), Path(folder))
        url = fresh_database(postgres.url, "example")
        data.store_history(rows, url)
        data.store_live(rows, status.url)
        alerts.store_alerts(url, alerts.example_alerts())
        evaluations.store_evaluations(url, evaluations.example_evaluations())
        found = open_bus(bus.url)
        found.set_up(dict.fromkeys(Topic, 2), 16)
        refuse_example(bus.url)
        config = ApiConfig(status_url=status.url, bus_url=bus.url, history_url=url)
        app = create_app(config)
        transport = httpx.ASGITransport(app)
        part = AlertPartition(found, status.url, AlertSettings())
        with alerts.Desk(found, part, []) as desk:
            yield app, transport, lambda: give_alerts(desk, status.url, url)


async def _answers() -> dict[str, Any]:
    import asyncio

    import httpx

    found: dict[str, Any] = {}
    with _serving() as (app, transport, prepare):
        async with (
            app.router.lifespan_context(app),
            httpx.AsyncClient(transport=transport, base_url="http://localhost") as client,
        ):
            while (await client.get("/api/v1/orders")).status_code == 503:
                await asyncio.sleep(0.05)
            for name, request in REQUESTS.items():
                await asyncio.to_thread(prepare)
                answer = await client.request(**parts_of(request))
                assert answer.is_success, answer.text
                found[name] = {
                    "request": request, "status": answer.status_code, "answer": answer.json(),
                }  # fmt: skip
    return found


def main() -> None:
    """Write the examples."""
    import asyncio

    found = asyncio.run(_answers())
    EXAMPLES.write_bytes(msgspec.json.format(msgspec.json.encode(found), indent=1) + b"\n")


if __name__ == "__main__":
    main()
