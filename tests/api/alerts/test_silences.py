"""Silences: set, listed, over by themselves or lifted."""

import msgspec
import pytest

from api.alerts.models import SilenceRow
from api.history.models import Page
from domain.alerts import Silence
from domain.instants import parse_rfc3339

SILENCES = "/api/v1/silences"


def listed(api, headers=None, **query):
    answer = api.client.get(SILENCES, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [str(one.silence_id) for one in
            Page[SilenceRow].model_validate_json(answer.content).items]  # fmt: skip


def put(api, headers=None, **body):
    return api.client.post(
        SILENCES, json={"desk": "US-CASH", "minutes": 5, **body}, headers=headers
    )


def test_a_silence_is_told_to_the_pipeline_and_listed(served, desk, eventually):
    answer = put(served, alert_type="HIGH_COST", about="A/1 #ü", symbol="AMZN", why="auction")

    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["created_by"], made["about"], made["lifted_at"]) == ("local", "A/1 #ü", None)
    assert listed(served) == [made["silence_id"]]
    [event] = eventually(lambda: list(desk.heard))
    told = msgspec.convert(event, Silence)
    assert (told.scope, told.silence_id, told.by) == ("US-CASH", made["silence_id"], "local")
    assert (told.alert_type, told.about, told.symbol) == ("HIGH_COST", "A/1 #ü", "AMZN")
    assert told.until == made["until"]
    ahead_s = (parse_rfc3339(told.until) - parse_rfc3339(told.ts_event)) / 1e9
    assert ahead_s == pytest.approx(300, abs=60)


def test_one_that_was_lifted_ends_then_and_stays_as_it_is(served, desk, eventually):
    made = put(served).json()

    first = served.client.delete(f"{SILENCES}/{made['silence_id']}").json()
    second = served.client.delete(f"{SILENCES}/{made['silence_id']}").json()

    assert first == second
    assert (first["lifted_by"], listed(served)) == ("local", [])
    assert listed(served, past=True) == [made["silence_id"]]
    _, event = eventually(lambda: desk.heard if len(desk.heard) > 1 else None)
    assert event["until"] == first["lifted_at"]


def test_one_whose_time_is_over_is_listed_no_more(served, desk, history):
    made = put(served).json()

    history.execute("UPDATE silences SET until = now() - interval '1 second'")

    assert listed(served) == []
    assert served.client.delete(f"{SILENCES}/{made['silence_id']}").json()["lifted_at"] is None
    assert len(desk.heard) <= 1


def test_they_are_listed_in_pages_newest_first(served):
    made = [put(served, about=f"O{n}").json()["silence_id"] for n in range(5)]

    found, path = [], f"{SILENCES}?limit=2"
    while path:
        answer = served.client.get(path)
        found += [row["silence_id"] for row in answer.json()["items"]]
        link = answer.headers.get("link")
        path = link and link.split(">")[0].lstrip("<")

    assert found == made[::-1]
    assert served.client.get(SILENCES, params={"cursor": "e30"}).status_code == 422


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"minutes": None}, "either minutes or until"),
        ({"minutes": 10_081}, "less than or equal to 10080"),
        ({"minutes": None, "until": "2099-01-01T00:00:00Z"}, "at most 10080 minutes"),
        ({"desk": ""}, "desk"),
        ({"alert_type": "GOSSIP"}, "alert_type"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_what_makes_no_sense_is_a_422(served, body, words):
    answer = put(served, **body)

    assert answer.status_code == 422
    assert words in answer.json()["detail"]


def test_who_sees_some_desks_silences_those_and_hears_of_what_concerns_them(serve, make_key):
    admin, us = make_key("all", "operate"), make_key("us", "operate", ["US-CASH"])
    reader = make_key("reader")
    with serve() as api:
        everywhere = put(api, admin, desk="*").json()["silence_id"]
        others = put(api, admin, desk="EU-CASH").json()["silence_id"]
        own = put(api, us).json()["silence_id"]

        assert listed(api, us) == [own, everywhere]
        assert put(api, us, desk="EU-CASH").status_code == 404
        assert put(api, us, desk="*").status_code == 403
        assert put(api, reader).status_code == 403
        for silence_id in (everywhere, others, "00000000-0000-4000-8000-000000000000"):
            answer = api.client.delete(f"{SILENCES}/{silence_id}", headers=us)
            assert (answer.status_code, answer.json()["type"]) == (
                404, "urn:execmon:problem:silence-not-found",
            )  # fmt: skip
        assert api.client.delete(f"{SILENCES}/{own}", headers=us).status_code == 200


def test_with_the_same_key_there_is_one(served, desk, eventually):
    key = {"Idempotency-Key": "one"}

    first, second = (put(served, key) for _ in range(2))

    assert first.json() == second.json()
    assert listed(served) == [first.json()["silence_id"]]
