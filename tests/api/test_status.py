import time
from typing import Any

import msgspec
import pytest
from redis import Redis

from domain.instants import format_rfc3339
from domain.topics import status_key

ODD_IDS = ["A", "A/1 #ü", "a b", "x/status", "100%", "?q=1", "../B", "🂡", "/", "a//b"]


def path(order_id: str, what: str = "status") -> str:
    from urllib.parse import quote

    return f"/api/v1/monitoring/{quote(order_id, safe='')}/{what}"


@pytest.mark.parametrize("order_id", ODD_IDS)
def test_a_status_is_served_byte_for_byte_whatever_the_id(
    order_id: str, served: Any, write: Any, store: Redis
):
    write(order_id, events=3)

    answer = served.client.get(path(order_id))

    assert answer.status_code == 200
    assert answer.content == store.hget(status_key(order_id), "body")
    assert answer.headers["content-type"] == "application/json"
    assert answer.json()["order_id"] == order_id


def test_the_alerts_of_another_writer_stand_in_their_place(served: Any, write: Any, store: Redis):
    write("A")
    store.hset(status_key("A"), "alerts", '["HIGH_COST"]')

    answer = served.client.get(path("A"))

    body = store.hget(status_key("A"), "body")
    assert answer.content == body.replace(b'"alerts":[]', b'"alerts":["HIGH_COST"]')


def test_an_order_that_was_never_seen_is_a_404_in_words(served: Any):
    answer = served.client.get(path("A/1 #ü"))

    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert problem["type"] == "urn:execmon:problem:order-not-found"
    assert problem["title"] == "Not Found"
    assert problem["status"] == 404
    assert problem["detail"] == "nothing is known of order 'A/1 #ü'"
    assert problem["instance"] == "/api/v1/monitoring/A/1%20%23%C3%BC/status"


def test_the_age_grows_while_nothing_comes(served: Any, write: Any):
    told = time.time_ns() - 2_000_000_000
    write("A", ts=told, known=told)

    first = int(served.client.get(path("A")).headers["x-data-age-ms"])
    time.sleep(0.05)
    second = int(served.client.get(path("A")).headers["x-data-age-ms"])

    assert 2_000 <= first < second < 60_000


def test_who_has_the_newest_status_gets_304(served: Any, write: Any):
    write("A", events=1)
    etag = served.client.get(path("A")).headers["etag"]

    again = served.client.get(path("A"), headers={"If-None-Match": etag})
    write("A", events=2)
    changed = served.client.get(path("A"), headers={"If-None-Match": etag})

    assert again.status_code == 304
    assert again.content == b""
    assert again.headers["etag"] == etag
    assert int(again.headers["x-data-age-ms"]) > 0
    assert changed.status_code == 200
    assert changed.headers["etag"] != etag


async def _kept(connection: Any, order_id: str, known_ns: int | None) -> bytes | None:
    [[one]] = await (await connection.execute("SELECT 1")).fetchall()
    assert one == 1
    if order_id != "OLD":
        return None
    return msgspec.json.encode(
        {"order_id": "OLD", "desk": "US", "last_updated": "2026-01-01T00:00:00Z", "at": known_ns}
    )


def test_an_expired_status_comes_from_history(serve: Any):
    with serve(status_known_at=_kept) as api:
        answer = api.client.get(path("OLD"))

        assert answer.status_code == 200
        assert answer.json()["at"] is None
        assert int(answer.headers["x-data-age-ms"]) > 0
        assert api.client.get(path("NEW")).status_code == 404


def test_known_at_is_answered_from_history_alone(serve: Any, write: Any):
    write("OLD")
    with serve(status_known_at=_kept) as api:
        answer = api.client.get(path("OLD"), params={"known_at": "2026-01-02T00:00:00.5Z"})
        wrong = api.client.get(path("OLD"), params={"known_at": "yesterday"})

    assert format_rfc3339(answer.json()["at"]) == "2026-01-02T00:00:00.500Z"
    assert wrong.status_code == 422
    assert "expected a time such as" in wrong.json()["detail"]


def test_the_status_store_down_is_a_503_that_says_so(serve: Any):
    with serve(status_url="unix:///nowhere/status.sock") as api:
        answer = api.client.get(path("A"))

        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["dependency"] == "status store"


@pytest.mark.parametrize("order_id", ["A\0", "x" * 101])
def test_an_id_that_cannot_be_is_refused(order_id: str, served: Any):
    answer = served.client.get(path(order_id))

    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
