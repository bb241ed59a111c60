"""Subscriptions and notifications over HTTP."""

import uuid
from datetime import UTC, datetime

import msgspec
import pytest
from psycopg.types.json import Jsonb

from bus.base import Outgoing
from domain.instants import SECOND
from domain.vocabulary import Topic
from tests.alert_messages import alert_event, publish_alerts

T0 = 1_789_997_600 * SECOND
PATH = "/api/v1/subscriptions"
HOOK = {"kind": "webhook", "url": "https://oms.example/in", "secret": "s" * 16}
ASKED = {"name": "oms", "event_types": ["execution_alert_generated"], "destination": HOOK}


@pytest.fixture
def make(served):
    def call(**more):
        answer = served.client.post(PATH, json={**ASKED, **more})
        assert answer.status_code == 201, answer.text
        return answer.json()

    return call


def get(served, id_):
    return served.client.get(f"{PATH}/{id_}")


def test_a_subscription_is_made_and_shown_without_its_secret(served, bus, history, eventually):
    publish_alerts(bus, alert_event("A", at=T0))
    answer = served.client.post(PATH, json=ASKED)
    told = answer.json()

    assert answer.status_code == 201
    assert answer.headers["location"] == f"{PATH}/{told['subscription_id']}"
    assert (told["state"], told["lag"], told["delivered"]) == ("ACTIVE", 0, 0)
    assert told["destination"] == {"kind": "webhook", "url": HOOK["url"]}
    assert get(served, told["subscription_id"]).json() == told
    assert served.client.get(PATH).json() == {"items": [told], "next": None}
    assert "ssssssss" not in answer.text
    secret = history.execute("SELECT secret FROM subscriptions").fetchone()
    assert secret == (HOOK["secret"],)

    def audited():
        return history.execute(
            "SELECT action, detail FROM audit WHERE target = %s", [told["subscription_id"]]
        ).fetchall()

    assert eventually(audited) == [("POST /api/v1/subscriptions", {"url": HOOK["url"]})]


def test_it_begins_where_it_is_told_to(make, bus):
    first = alert_event("A", at=T0)
    publish_alerts(bus, *[first] * 3)
    newest = make()
    [(partition, position)] = newest["start"]["positions"]["execution-alerts"].items()
    publish_alerts(bus, first)

    assert make(start={"at": "earliest"})["lag"] == 4
    assert make(start={"at": "latest"})["lag"] == 0
    since = make(start={"since": "2026-01-01T00:00:00Z"})
    assert (since["start"], since["lag"]) == ({"since": "2026-01-01T00:00:00Z"}, 4)
    placed = make(start={"positions": {"execution-alerts": {partition: position}}})
    assert placed["lag"] == 1
    assert placed["positions"] == {"execution-alerts": {partition: position}}


def test_lag_counts_every_topic_that_is_read(make, bus):
    publish_alerts(bus, alert_event("A", at=T0))
    bus.append([Outgoing(Topic.EXECUTION_EVENTS, 1, b"{}")] * 2)
    both = ["execution_alert_generated", "EXECUTION_PROGRESS"]

    assert make(start={"at": "earliest"}, event_types=both)["lag"] == 3
    assert make(start={"at": "earliest"}, event_types=["EXECUTION_PROGRESS"])["lag"] == 2


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({"event_types": []}, "event_types"),
        ({"event_types": ["ORDER_FILLED"]}, "event_types"),
        ({"min_severity": "BAD"}, "min_severity"),
        ({"name": ""}, "name"),
        ({"colour": 1}, "colour"),
        ({"destination": {**HOOK, "secret": "short"}}, "secret"),
        ({"destination": {**HOOK, "url": "ftp://x"}}, "url"),
        ({"destination": {**HOOK, "url": "https://u:p@x"}}, "no user and no password"),
        ({"destination": {"kind": "fax"}}, "destination"),
        ({"start": {"at": "earliest", "since": "2026-01-01T00:00:00Z"}}, "give one of at, since"),
        ({"start": {"since": "today"}}, "since"),
        ({"start": {"positions": {"orders": {"0": "1-0"}}}}, "positions"),
        ({"start": {"positions": {"execution-alerts": {"x": "1-0"}}}}, "a partition is a number"),
        ({"start": {"positions": {"execution-alerts": {"9": "1-0"}}}}, "/9 is not read"),
        ({"start": {"positions": {"execution-events": {"0": "1-0"}}}}, "events/0 is not read"),
        ({"start": {"positions": {"execution-alerts": {"0": "9-0"}}}}, "this is another bus"),
        ({"start": {"positions": {"execution-alerts": {"0": "-,-"}}}}, "start.positions"),
    ],
)
def test_what_is_wrong_is_refused_in_words(served, more, words):
    answer = served.client.post(PATH, json={**ASKED, **more})

    assert answer.status_code == 422
    assert words in answer.text


TO_TOPIC = {"kind": "topic", "topic": "out.oms"}


def test_a_topic_is_made_and_shown_with_how_far_it_has_come(make, served, bus, history, eventually):
    publish_alerts(bus, alert_event("A", at=T0))
    told = make(destination=TO_TOPIC, start={"at": "earliest"})

    assert told["destination"] == TO_TOPIC
    assert told["lag"] == 1
    assert bus.partitions("out.oms") == 2
    path = f"{PATH}/{told['subscription_id']}"
    assert served.client.patch(path, json={"state": "PAUSED"}).json()["state"] == "PAUSED"
    assert history.execute("SELECT secret FROM subscriptions").fetchone() == (None,)

    def audited():
        return history.execute(
            "SELECT detail FROM audit WHERE action = %s AND outcome = 'done'", [f"POST {PATH}"]
        ).fetchone()

    assert eventually(audited) == ({"topic": "out.oms"},)


@pytest.mark.parametrize(
    "name",
    ["orders", "execution-alerts", "out.", "out.A", "out.a:0", "out.x-partition-1", "dead-letter"],
)
def test_a_topic_of_our_own_cannot_be_written_to(served, bus, name):
    answer = served.client.post(PATH, json={**ASKED, "destination": {**TO_TOPIC, "topic": name}})

    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("destination: a topic must")
    assert not [key for key in bus._client.hkeys("execmon:meta") if b"out." in key]


def test_a_topic_is_one_living_subscriptions_alone(make, served):
    first = make(destination=TO_TOPIC)
    path = f"{PATH}/{first['subscription_id']}"
    second = make(destination={**TO_TOPIC, "topic": "out.b"})

    taken = served.client.post(PATH, json={**ASKED, "destination": TO_TOPIC})
    moved = served.client.patch(
        f"{PATH}/{second['subscription_id']}", json={"destination": TO_TOPIC}
    )
    kept = served.client.patch(path, json={"destination": TO_TOPIC})
    assert (taken.status_code, moved.status_code, kept.status_code) == (409, 409, 200)
    assert "another subscription writes to topic out.oms" in taken.json()["detail"]
    assert served.client.delete(path).status_code == 204

    assert make(destination=TO_TOPIC)["destination"] == TO_TOPIC


def test_a_webhook_may_become_a_topic_and_back(make, served, history):
    path = f"{PATH}/{make()['subscription_id']}"

    assert (
        served.client.patch(path, json={"destination": TO_TOPIC}).json()["destination"] == TO_TOPIC
    )
    assert history.execute("SELECT secret FROM subscriptions").fetchone() == (None,)
    back = served.client.patch(path, json={"destination": HOOK}).json()
    assert back["destination"] == {"kind": "webhook", "url": HOOK["url"]}


def test_without_a_bus_no_topic_is_made(serve):
    with serve(bus_url="") as api:
        answer = api.client.post(
            PATH, json={**ASKED, "destination": TO_TOPIC, "start": {"at": "earliest"}}
        )

    assert (answer.status_code, answer.json()["dependency"]) == (503, "bus")


def test_a_bus_that_does_not_let_us_make_the_topic_is_told_in_words(served, bus):
    bus._client.execute_command("ACL", "SETUSER", "default", "-hsetnx")
    try:
        answer = served.client.post(PATH, json={**ASKED, "destination": TO_TOPIC})
    finally:
        bus._client.execute_command("ACL", "SETUSER", "default", "+hsetnx")

    assert answer.status_code == 422
    assert "hsetnx" in answer.json()["detail"]


def test_hosts_may_be_limited(serve):
    with serve(subscription_hosts=("*.desk.example",)) as api:
        refused = api.client.post(PATH, json=ASKED)
        good = {**HOOK, "url": "https://oms.desk.example/in"}
        taken = api.client.post(PATH, json={**ASKED, "destination": good})

    assert refused.status_code == 422
    assert "oms.example is not among those that may be sent to" in refused.json()["detail"]
    assert taken.status_code == 201


def test_the_same_key_makes_one(served):
    answers = [
        served.client.post(PATH, json=ASKED, headers={"Idempotency-Key": "k"}) for _ in range(2)
    ]

    assert answers[0].json() == answers[1].json()
    assert len(served.client.get(PATH).json()["items"]) == 1


def test_it_is_paused_changed_begun_anew_and_ended(served, make, history, bus):
    publish_alerts(bus, alert_event("A", at=T0))
    made = make()
    path = f"{PATH}/{made['subscription_id']}"

    def patch(**more):
        answer = served.client.patch(path, json=more)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def generation():
        return history.execute("SELECT generation FROM subscriptions").fetchone()[0]

    assert patch(state="PAUSED")["state"] == "PAUSED"
    assert generation() == 1
    changed = patch(state="ACTIVE", name="new", min_severity="HIGH",
                    event_types=["EXECUTION_COMPLETED"],
                    destination={**HOOK, "url": "https://other.example/"})  # fmt: skip
    assert (changed["name"], changed["min_severity"]) == ("new", "HIGH")
    assert changed["destination"]["url"] == "https://other.example/"
    # It reads another topic from now on.
    assert generation() == 2
    again = patch(start={"at": "earliest"}, event_types=["execution_alert_generated"])
    assert (again["lag"], generation()) == (1, 3)
    assert patch() | {"changed_at": None} == again | {"changed_at": None}
    assert served.client.patch(path, json={"state": "GONE"}).status_code == 422

    assert served.client.delete(path).status_code == 204
    for answer in (served.client.delete(path), served.client.get(path),
                   served.client.patch(path, json={})):  # fmt: skip
        assert answer.status_code == 404
    assert served.client.get(PATH).json()["items"] == []
    assert history.execute("SELECT state, secret FROM subscriptions").fetchall() == [
        ("DELETED", None)
    ]


def test_another_type_s_topic_is_read_from_now_on(served, make, bus):
    publish_alerts(bus, *[alert_event("A", at=T0)] * 3)
    bus.append([Outgoing(Topic.EXECUTION_EVENTS, 1, b"{}")] * 5)
    both = {"event_types": ["execution_alert_generated", "EXECUTION_PROGRESS"]}

    def widened(**more):
        path = f"{PATH}/{make(**more)['subscription_id']}"
        return served.client.patch(path, json=both).json()

    newest = widened()
    publish_alerts(bus, alert_event("A", at=T0))

    assert newest["lag"] == 0
    assert set(newest["positions"]) == {"execution-alerts", "execution-events"}
    assert served.client.get(f"{PATH}/{newest['subscription_id']}").json()["lag"] == 1
    assert widened(start={"at": "earliest"})["lag"] == 9


def test_progress_and_problems_are_shown(served, make, history, bus):
    publish_alerts(bus, *[alert_event("A", at=T0)] * 3)
    made = make(start={"at": "earliest"})
    [partition] = make()["positions"]["execution-alerts"]
    [second, *_] = bus.read_back((Topic.EXECUTION_ALERTS, int(partition)), None, 2)[1:]
    history.execute(
        "INSERT INTO subscription_progress VALUES (%s, 1, %s, 2, now(), now(), 'answered 503', "
        "now())",
        (made["subscription_id"], Jsonb({"execution-alerts": {partition: second.position}})),
    )

    told = get(served, made["subscription_id"]).json()

    assert (told["lag"], told["delivered"], told["problem"]) == (1, 2, "answered 503")
    assert told["failing_since"]


def test_lists_have_pages(served, make):
    ids = [make(name=f"s{n}")["subscription_id"] for n in range(5)]
    found, path = [], f"{PATH}?limit=2"
    while path:
        answer = served.client.get(path)
        page = answer.json()
        found += [one["subscription_id"] for one in page["items"]]
        path = f"{PATH}?limit=2&cursor={page['next']}" if page["next"] else None

    assert found == ids[::-1]
    assert served.client.get(f"{PATH}?cursor=xx").status_code == 422


def test_a_subscription_is_there_for_its_desks_alone(served, make_key, eventually):
    us, eu = make_key("us", "operate", ["US"]), make_key("eu", "operate", ["EU"])
    everyone, reader = make_key("all", "operate"), make_key("reader", "read", ["US"])

    def ask(method, path, key, **body):
        return served.client.request(method, path, headers=key, json=body or None)

    eventually(lambda: ask("GET", PATH, reader).is_success)
    of_us = ask("POST", PATH, us, **ASKED).json()
    of_desk = ask("POST", PATH, everyone, **ASKED, desk="EU").json()
    of_all = ask("POST", PATH, everyone, **ASKED).json()

    def seen(key):
        return {one["subscription_id"] for one in ask("GET", PATH, key).json()["items"]}

    ids = [one["subscription_id"] for one in (of_us, of_desk, of_all)]
    assert seen(us) == seen(reader) == {ids[0]}
    assert seen(eu) == {ids[1]}
    assert seen(everyone) == set(ids)
    assert ask("PATCH", f"{PATH}/{ids[0]}", eu, name="x").status_code == 404
    assert ask("DELETE", f"{PATH}/{ids[0]}", reader).status_code == 403
    refused = ask("POST", PATH, us, **ASKED, desk="EU")
    assert refused.status_code == 403
    assert "may not see desk 'EU'" in refused.json()["detail"]


def test_without_a_bus_a_past_start_is_taken_and_lag_is_not_known(serve):
    with serve(bus_url="") as api:
        assert api.client.post(PATH, json=ASKED).status_code == 503
        told = api.client.post(PATH, json={**ASKED, "start": {"at": "earliest"}}).json()

    assert told["lag"] is None
    assert told["start"] == {"at": "earliest"}


def test_a_bus_that_is_away_is_told(serve, tmp_path):
    with serve(bus_url=f"unix://{tmp_path}/none") as api:
        assert api.client.post(PATH, json=ASKED).status_code == 503
        told = api.client.post(PATH, json={**ASKED, "start": {"at": "earliest"}}).json()

    assert told["lag"] is None


def notification(history, number, **more):
    at = datetime(2026, 9, 21, 13, number, tzinfo=UTC)
    told = {
        "key": uuid.UUID(int=number), "channel": "slack", "kind": "ALERT", "alert_id": "a",
        "desk": "US", "severity": "HIGH", "state": "DELIVERED", "subject": "s", "due_at": at,
        "created_at": at, "changed_at": at, "attempts": 1, "is_repeat": False, "digest": None,
        "words": "answered 200", "revision": 1, **more,
    }  # fmt: skip
    names = ", ".join(told)
    marks = ", ".join(["%s"] * len(told))
    history.execute(f"INSERT INTO notifications ({names}) VALUES ({marks})", list(told.values()))


def test_undelivered_pages_are_found_by_those_who_may_see_their_desk(
    served, history, make_key, eventually
):
    for number, desk in enumerate(("US", "EU", "-", "*", "US")):
        notification(history, number, desk=desk, state="UNDELIVERED" if number else "DELIVERED")
    path = "/api/v1/notifications"

    everything = served.client.get(path).json()
    undelivered = served.client.get(f"{path}?state=UNDELIVERED&limit=2").json()
    rest = served.client.get(f"{path}?state=UNDELIVERED&cursor={undelivered['next']}").json()
    us_key, with_key = make_key("us", "read", ["US"]), make_key("all", "read")
    eventually(lambda: served.client.get(path, headers=with_key).is_success)
    us = served.client.get(path, headers=us_key).json()

    assert [one["desk"] for one in everything["items"]] == ["US", "*", "-", "EU", "US"]
    assert [one["desk"] for one in undelivered["items"] + rest["items"]] == ["US", "*", "-", "EU"]
    assert [one["desk"] for one in us["items"]] == ["US", "US"]
    assert everything["items"][0]["words"] == "answered 200"
    csv = served.client.get(f"{path}?channel=slack&alert_id=a",
                            headers={**with_key, "Accept": "text/csv"})  # fmt: skip
    assert csv.text.startswith("key,channel,kind,alert_id")
    assert msgspec.json.decode(csv.content.splitlines()[1].split(b",")[11]) == 1
