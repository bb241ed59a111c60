"""The whole description against a store with orders in it: each kind of caller, known or not."""

from typing import Any
from urllib.parse import quote

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.core import NOT_SET
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from api.app import create_app
from api.config import ApiConfig
from tests import history_data as data
from tests.alert_data import SILENCE
from tests.api_examples import refuse_example
from tests.api_routes import (
    ALERT,
    BODIES,
    LETTER,
    PUBLIC,
    QUERIES,
    SUBSCRIPTION,
    keep_subscription,
    routes,
)

APP = create_app(ApiConfig(status_url="unix:///nowhere"))
schema = schemathesis.openapi.from_dict(APP.openapi())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]
ORDERS = (data.PARENT, data.FIRST, data.OPEN, data.OTHERS, data.NOBODYS)
DESCRIBED = [r for r in routes() if r[0] != "WS" and r[1] not in {"/", "/docs", "/static/{name}"}]


@schema.hook
def map_path_parameters(context: Any, path_parameters: dict[str, Any] | None) -> Any:
    """Half of the ids that are made up become those of orders that are there."""
    del context
    found = dict(path_parameters or {})
    odd = sum(map(ord, "".join(map(str, found.values()))))
    if odd % 2:
        order_id = quote(ORDERS[odd // 2 % len(ORDERS)], safe="")
        there = {"order_id": order_id, "subscription_id": SUBSCRIPTION, **LETTER, **ALERT,
                 "silence_id": SILENCE}  # fmt: skip
        found = {name: there[name] for name in found}
    return found


@pytest.fixture(scope="module")
def asked(keyed: Any, letters_server: Any) -> Any:
    from bus.connect import open_bus
    from domain.vocabulary import Topic

    bus = open_bus(letters_server.url)
    bus._client.flushall()
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    bus.close()
    refuse_example(letters_server.url)
    return keyed


def headers_of(keyed: Any, who: str) -> dict[str, str]:
    return {"X-Api-Key": keyed.keys[who]} if who else {}


@pytest.mark.parametrize("who", ["admin", "us", ""])
@schema.parametrize()
@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_answer_is_as_described_whoever_asks(case: Any, asked: Any, who: str):
    base = str(asked.client.base_url).rstrip("/")
    case.call_and_validate(base_url=base, headers=headers_of(asked, who), checks=CHECKS)


@pytest.mark.parametrize(("method", "path"), DESCRIBED)
def test_every_answer_about_what_is_there_is_as_described(method: str, path: str, asked: Any):
    start = "/api/v1/monitoring/start"
    asked.post("admin", start, json=BODIES[start])
    keep_subscription(asked.history_url)
    body = BODIES.get(path, NOT_SET) if method in {"POST", "PATCH"} else NOT_SET
    case = schema[path][method].Case(
        path_parameters={
            "order_id": quote(data.PARENT, safe=""),
            "subscription_id": SUBSCRIPTION,
            **LETTER,
            **ALERT,
            "silence_id": SILENCE,
        },
        query=QUERIES.get(path, {}),
        body=body,
        media_type=None if body is NOT_SET else "application/json",
        headers=headers_of(asked, "" if path in PUBLIC else "admin"),
    )

    answer = case.call(base_url=str(asked.client.base_url).rstrip("/"))

    assert 200 <= answer.status_code < 300, answer.text
    case.validate_response(answer, checks=CHECKS)
