"""Every example of the API's description and of its page is asked, and answered as it says."""

from dataclasses import replace

import jsonschema_rs
import pytest

from api.history.examples import examples
from sinks.alerts import AlertPartition, AlertSettings
from tests.alert_data import Desk
from tests.api_examples import (
    REQUESTS,
    VOLATILE,
    asked,
    blocks,
    give_alerts,
    is_part,
    pages,
    refuse_example,
)

from .conftest import wait_until_ready

TAGS = {"orders", "analytics", "dead letters", "alerts"}


@pytest.fixture
def prepared(serve_all, config, letters_bus):
    """The API with a dead letter, and with alerts that somebody answers for."""
    refuse_example(letters_bus.url)
    part = AlertPartition(letters_bus, config.status_url, AlertSettings())
    with Desk(letters_bus, part, []) as desk, serve_all(replace(config, action_wait_s=5)) as served:
        give_alerts(desk, config.status_url, config.history_url)
        wait_until_ready(served.client)
        yield served.client
    part.close()


@pytest.fixture(scope="module")
def described(api):
    return api.get("/openapi.json").json()


def operations(described):
    return [
        (method, path, operation)
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
        if TAGS & set(operation.get("tags", ()))
    ]


def plain(name, answer):
    return {k: v for k, v in answer.items() if k not in VOLATILE.get(name, ())}


def test_the_examples_are_those_that_are_written_anew():
    assert {name: found["request"] for name, found in examples().items()} == REQUESTS


@pytest.mark.parametrize("name", REQUESTS)
def test_an_example_is_answered_as_the_description_says(prepared, name):
    found = examples()[name]

    answer = asked(prepared, found["request"])

    assert answer.status_code == found["status"]
    assert plain(name, answer.json()) == plain(name, found["answer"])


def test_every_operation_has_its_example_and_a_schema_that_the_example_fits(described):
    shown = set()
    for method, path, operation in operations(described):
        contents = [
            answer["content"]["application/json"]
            for status, answer in operation["responses"].items()
            if status.startswith("2")
        ]
        [content] = [one for one in contents if "examples" in one]
        example = content["examples"]["example"]
        assert example["summary"].startswith(method.upper()), path
        schema = {**content["schema"], "components": described["components"]}
        jsonschema_rs.validator_for(schema).validate(example["value"])
        shown.add(example["summary"])
    assert shown == set(REQUESTS.values())


SHOWN = blocks(pages())


@pytest.mark.parametrize(("request_line", "shown"), SHOWN, ids=[line for line, _ in SHOWN])
def test_the_page_shows_what_is_answered(prepared, request_line, shown):
    answer = asked(prepared, request_line)

    assert answer.is_success
    assert is_part(shown, answer.json()), answer.text


def test_the_page_has_every_endpoint(described):
    page = pages()

    for method, path, _ in operations(described):
        words = path.replace("{order_id}", "{order_id}")
        assert f"{method.upper()} {words}" in page, path
    assert len(SHOWN) == len(REQUESTS)


def test_what_is_left_out_of_an_example_is_marked():
    assert is_part({"a": 1, "…": "…"}, {"a": 1, "b": 2})
    assert not is_part({"a": 1}, {"a": 1, "b": 2})
    assert not is_part({"a": 2, "…": "…"}, {"a": 1, "b": 2})
    assert is_part([1, "…"], [1, 2, 3])
    assert not is_part([1], [1, 2])
    assert not is_part([1, 2, "…"], [1])
