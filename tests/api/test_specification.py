"""The published description: every operation answers as it says, whatever it is asked."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import psycopg
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from api.app import create_app
from api.config import ApiConfig
from bus.connect import open_bus
from domain.vocabulary import Topic
from sinks.status import StatusPartition, StatusSettings

from .conftest import FAST, Served, serving, status_rows

APP = create_app(ApiConfig(status_url="unix:///nowhere"))
schema = schemathesis.openapi.from_dict(APP.openapi())
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    unsupported_method,
]
ORDERS = ("A", "A/1 #ü")


@pytest.fixture(scope="module")
def running(status_server: Any, bus_server: Any, history_server: Any) -> Iterator[Served]:
    with psycopg.connect(history_server.url, autocommit=True) as connection:
        connection.execute("TRUNCATE api_keys")
    bus = open_bus(bus_server.url)
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    part = StatusPartition(status_server.url, StatusSettings(conflate_ms=0))
    part.write_batch([status_rows(order_id, desk="US") for order_id in ORDERS])
    part.snapshot()
    part.close()
    config = ApiConfig(
        status_url=status_server.url,
        bus_url=bus_server.url,
        history_url=history_server.url,
        limits=FAST,
        action_wait_s=0.05,
    )
    with serving(config) as api:
        yield api
    bus.close()


@schema.parametrize()
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_every_answer_is_as_described(case: Any, running: Served):
    case.call_and_validate(base_url=running.url, checks=CHECKS)


@pytest.mark.parametrize("order_id", ORDERS)
def test_a_real_status_is_as_described(order_id: str, running: Served):
    case = schema["/api/v1/monitoring/{order_id}/status"]["GET"].Case(
        path_parameters={"order_id": quote(order_id, safe="")}
    )
    answer = case.call(base_url=running.url)

    assert answer.status_code == 200
    case.validate_response(answer, checks=CHECKS)


def test_every_operation_says_what_it_does_and_how_it_fails():
    found = APP.openapi()
    assert found["openapi"] == "3.1.0"
    for path, item in found["paths"].items():
        for method, operation in item.items():
            assert operation["summary"], f"{method} {path}"
            assert operation["description"], f"{method} {path}"
            if path.startswith("/api/"):
                for status in ("401", "403", "422", "429", "500", "503"):
                    content = operation["responses"][status]["content"]
                    assert list(content) == ["application/problem+json"]
