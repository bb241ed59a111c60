"""Who sees what: every caller, every order, every endpoint of history."""

import time
from urllib.parse import quote

import psycopg
import pytest

from tests import history_data as data

DESK_OF = {
    data.PARENT: data.US, data.FIRST: data.US, data.SECOND_CHILD: data.US, data.OPEN: data.US,
    data.OTHERS: data.EU, data.NOBODYS: "-",
}  # fmt: skip
SEES = {
    "everyone": {data.US, data.EU, "-"},
    "reader": {data.US, data.EU, "-"},
    "us": {data.US},
    "eu": {data.EU},
    "none": {"-"},
    "nothing": set(),
}
ENDPOINTS = (
    "/api/v1/orders/{}",
    "/api/v1/orders/{}/history",
    "/api/v1/orders/{}/history?full=true",
    "/api/v1/orders/{}/timeline",
    "/api/v1/orders/{}/timeline?children=false",
    "/api/v1/orders/{}/fills",
    "/api/v1/orders/{}/fills?children=false",
    "/api/v1/orders/{}/restatements",
    "/api/v1/orders/{}/metrics",
    "/api/v1/orders/{}/metrics?explain=true",
    "/api/v1/monitoring/{}/analytics",
    "/api/v1/monitoring/{}/status",
    "/api/v1/monitoring/{}/status?known_at=2026-11-20T20:00:00Z",
)


@pytest.mark.parametrize("who", SEES)
@pytest.mark.parametrize("endpoint", ENDPOINTS)
def test_an_order_is_there_for_its_desk_alone(keyed, who, endpoint):
    for order_id, desk in DESK_OF.items():
        answer = keyed.get(who, endpoint.format(quote(order_id, safe="")))

        if desk in SEES[who]:
            assert answer.status_code == 200, (order_id, answer.text)
        else:
            assert answer.status_code == 404, (order_id, answer.text)
            unknown = keyed.get(who, endpoint.format("nobody%27s")).json()
            hidden = answer.json()
            assert hidden["type"] == unknown["type"]
            assert hidden["title"] == unknown["title"]
            assert hidden.keys() == unknown.keys()
            assert desk == "-" or desk not in answer.text


def test_without_a_key_there_is_nothing(keyed):
    for path in ("/api/v1/orders", "/api/v1/orders/A2", "/api/v1/rollups?by=desk",
                 "/api/v1/dead-letters"):  # fmt: skip
        assert keyed.client.get(path).status_code == 401


@pytest.mark.parametrize("endpoint", [ENDPOINTS[0], ENDPOINTS[3], ENDPOINTS[10]])
def test_a_look_at_another_desk_s_order_is_in_the_audit(keyed, refusals, eventually, endpoint):
    # Lines are written a little later: those of other tests must be there first.
    before = -1
    while before != (before := refusals("eu", data.PARENT)):
        time.sleep(2)

    keyed.get("eu", endpoint.format(quote(data.PARENT, safe="")))

    assert eventually(lambda: refusals("eu", data.PARENT) == before + 1)


@pytest.fixture
def refusals(keyed):
    """How often the audit says that somebody was refused an order."""

    def count(who, order_id):
        with psycopg.connect(keyed.history_url) as connection:
            [found] = connection.execute(
                "SELECT coalesce(sum(coalesce((detail ->> 'times')::int, 1)), 0)::int FROM audit"
                " WHERE who = %s AND target = %s AND outcome = 'refused'",
                [who, order_id],
            ).fetchone()
        return found

    return count
