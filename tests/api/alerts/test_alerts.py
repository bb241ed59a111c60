"""Alerts over HTTP: open ones live, past ones from history, each once."""

import json

import pytest

from api.alerts.models import AlertDetail, AlertRow
from api.history.models import Page
from domain.alerts import Change, CloseReason
from domain.published import Severity
from domain.thresholds import AlertType
from domain.topics import OPEN_ALERTS, alert_key, open_alerts_key
from tests.alert_data import raised, then

ALERTS = "/api/v1/alerts"


def ids(api, headers=None, **query):
    answer = api.client.get(ALERTS, params=query, headers=headers)
    assert answer.status_code == 200, answer.text
    return [row.alert_id for row in Page[AlertRow].model_validate_json(answer.content).items]


def over(change, **more):
    return then(change, Change.RESOLVED, t=30, **more)


def test_open_ones_come_from_the_store_and_past_ones_from_history(served, desk, stored):
    past, here = raised("P1", t=1), raised("O1", t=2)
    low = raised("L1", "B", severity=Severity.LOW, t=3)
    stored(past, over(past), here)
    desk.give(here, low)

    assert ids(served) == ["L1", "O1", "P1"]
    assert ids(served, open=True) == ["L1", "O1"]
    assert ids(served, open=False) == ["P1"]


def test_what_history_does_not_know_yet_is_shown_as_the_store_has_it(served, desk, stored):
    first = raised("A1")
    stored(first)
    desk.give(first, over(first))

    [row] = served.client.get(ALERTS).json()["items"]
    assert (row["state"], row["ended_at"]) == ("RESOLVED", "2026-11-20T14:31:30Z")
    assert ids(served, open=True) == ids(served, state="OPEN") == []
    assert ids(served, state="RESOLVED") == []  # history still has it open


def test_what_the_store_forgot_is_still_told_by_history(served, desk, stored, store):
    first = raised("A1")
    stored(first)

    assert ids(served) == ["A1"]
    assert ids(served, open=True) == []
    steps = served.client.get(f"{ALERTS}/A1").json()["transitions"]
    assert [step["change"] for step in steps] == ["RAISED"]


def test_pages_run_through_both_sources_and_give_each_alert_once(served, desk, stored):
    made = [raised(f"A{n:02d}", f"O{n}", t=n // 3) for n in range(40)]
    stored(*made, *(over(one) for one in made[::2]))
    desk.give(*made[1::2])

    found, path, pages = [], f"{ALERTS}?limit=7", 0
    while path:
        answer = served.client.get(path)
        found += [row["alert_id"] for row in answer.json()["items"]]
        link = answer.headers.get("link")
        path = link and link.split(">")[0].lstrip("<")
        pages += 1

    assert found == [f"A{n:02d}" for n in sorted(range(40), key=lambda n: (n // 3, n))][::-1]
    assert pages >= 6


def test_the_order_is_the_same_in_both_sources_whatever_is_in_an_id(served, desk, stored):
    names = ["a", "B", "ü", "z", "Z", "~", "_"]
    made = [raised(name, f"O{n}") for n, name in enumerate(names)]
    stored(*made, *(over(one) for one in made[::2]))
    desk.give(*made[1::2])

    assert ids(served) == sorted(names, reverse=True)
    found, cursor = [], None
    while True:
        page = served.client.get(ALERTS, params={"limit": 1, "cursor": cursor} if cursor else
                                 {"limit": 1}).json()  # fmt: skip
        found += [row["alert_id"] for row in page["items"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert found == sorted(names, reverse=True)


def test_they_are_chosen_by_what_they_are(served, desk, stored):
    cost = raised("A1", "X", kind=AlertType.HIGH_COST, severity=Severity.HIGH, t=0)
    venue = raised("A2", "venue:XNAS", kind=AlertType.VENUE_ISSUE, order_ids=["X", "Y"],
                   desk="EU-CASH", severity=Severity.CRITICAL, t=60)  # fmt: skip
    feed = raised("A3", "feed:md-1", kind="DATA", desk="-", t=120)
    for write in (desk.give, stored):
        write(cost, venue, feed)
        if write == desk.give:
            for query, wanted in CHOSEN:
                assert ids(served, open=True, **query) == wanted, query
    stored(over(cost), over(venue), over(feed))
    desk.give(over(cost), over(venue), over(feed))

    for query, wanted in CHOSEN:
        if query.get("state") != "OPEN":
            assert ids(served, open=False, **query) == wanted, query


CHOSEN = (
    ({"desk": "EU-CASH"}, ["A2"]),
    ({"type": "DATA"}, ["A3"]),
    ({"type": ["DATA", "HIGH_COST"]}, ["A3", "A1"]),
    ({"min_severity": "HIGH"}, ["A2", "A1"]),
    ({"scope": "venue:XNAS"}, ["A2"]),
    ({"order_id": "X"}, ["A2", "A1"]),
    ({"order_id": "Y"}, ["A2"]),
    ({"state": "OPEN"}, ["A3", "A2", "A1"]),
    ({"state": "ACKED"}, []),
    ({"since": "2026-11-20T14:32:00Z"}, ["A3", "A2"]),
    ({"until": "2026-11-20T14:32:00Z"}, ["A1"]),
    ({"since": "2026-11-20T14:31:30Z", "until": "2026-11-20T14:32:30Z"}, ["A2"]),
)


@pytest.mark.parametrize(
    "query",
    [{"type": "GOSSIP"}, {"state": "PENDING"}, {"min_severity": "BAD"}, {"since": "now"},
     {"cursor": "e30"}, {"limit": 0}, {"colour": "red"}],
)  # fmt: skip
def test_what_cannot_be_asked_is_a_422(served, query):
    assert served.client.get(ALERTS, params=query).status_code == 422


def test_they_come_in_every_form_with_an_etag(served, desk):
    desk.give(raised("A1"), raised("A2", "B"))

    lines = served.client.get(ALERTS, params={"open": True},
                              headers={"Accept": "application/x-ndjson"})  # fmt: skip
    table = served.client.get(ALERTS, params={"open": True}, headers={"Accept": "text/csv"})
    plain = served.client.get(ALERTS, params={"open": True})

    assert [json.loads(line)["alert_id"] for line in lines.text.splitlines()] == ["A2", "A1"]
    assert table.text.splitlines()[0].split(",")[:3] == ["alert_id", "desk", "scope"]
    again = {"If-None-Match": plain.headers["etag"]}
    assert served.client.get(ALERTS, params={"open": True}, headers=again).status_code == 304


def test_one_is_shown_with_its_evidence_and_its_whole_life(served, desk, stored):
    first = raised("A1", severity=Severity.LOW)
    risen = then(first, Change.SEVERITY, severity=Severity.HIGH)
    closed = then(risen, Change.CLOSED, by="mia", why="traded", closed_by="mia",
                  close_reason=CloseReason.TRUE_ACTED)  # fmt: skip
    desk.give(first, risen, closed)
    stored(risen, closed)

    live = AlertDetail.model_validate_json(served.client.get(f"{ALERTS}/A1").content)
    assert [step.seq for step in live.transitions] == [1, 2, 3]
    assert (live.close_reason, live.evidence.threshold) == (CloseReason.TRUE_ACTED, 0.2)
    assert live.transitions[2].why == "traded"


def test_live_or_from_history_it_is_the_same_but_for_steps_that_were_not_published(
    served, desk, stored, store
):
    first = raised("A1", "A/1 #ü", snoozed_until=10**18, group="G", suppressed_by="halt")
    closed = then(first, Change.CLOSED, by="mia", why="x", closed_by="mia", acked_by="joe",
                  close_reason=CloseReason.DUPLICATE)  # fmt: skip
    desk.give(first, closed)
    stored(first, closed)
    live = served.client.get(f"{ALERTS}/A1").json()
    store.delete(alert_key("A1"))

    assert served.client.get(f"{ALERTS}/A1").json() == live


def test_what_is_not_there_is_a_404(served, desk):
    answer = served.client.get(f"{ALERTS}/nothing%20at%20all")

    assert (answer.status_code, answer.json()["type"]) == (
        404, "urn:execmon:problem:alert-not-found",
    )  # fmt: skip
    assert served.client.get(f"{ALERTS}/a%00b").status_code == 422


def test_without_a_history_store_open_ones_are_there_and_the_rest_is_said_to_be_missing(
    serve, desk
):
    desk.give(raised("A1"))
    with serve(history_url="") as api:
        assert ids(api, open=True) == ["A1"]
        answer = api.client.get(ALERTS)
        assert (answer.status_code, answer.json()["dependency"]) == (503, "history store")
        assert api.client.get(f"{ALERTS}/A1").status_code == 200
        assert api.client.get(f"{ALERTS}/A2").status_code == 404


def test_an_alert_is_there_for_its_desk_alone(serve, desk, stored, make_key, history, eventually):
    for n, name in enumerate(("US-CASH", "EU-CASH", "-")):
        here, past = raised(f"O{n}", "X", desk=name), raised(f"P{n}", "X", desk=name)
        desk.give(here)
        stored(past, over(past))
    everyone, us, none = make_key("all"), make_key("us", desks=["US-CASH"]), make_key(
        "none", desks=["-"]
    )  # fmt: skip
    with serve() as api:
        eventually(lambda: api.client.get(ALERTS, headers=us).status_code == 200)
        assert ids(api, everyone) == ["P2", "P1", "P0", "O2", "O1", "O0"]
        assert ids(api, us) == ["P0", "O0"]
        assert ids(api, none) == ["P2", "O2"]
        assert ids(api, us, desk="EU-CASH") == []
        for alert_id in ("O1", "P1"):
            hidden = api.client.get(f"{ALERTS}/{alert_id}", headers=us)
            unknown = api.client.get(f"{ALERTS}/none", headers=us)
            assert hidden.status_code == unknown.status_code == 404
            assert hidden.json()["detail"] == unknown.json()["detail"].replace("none", alert_id)
        assert api.client.get(f"{ALERTS}/O0", headers=us).status_code == 200

        def told():
            return history.execute(
                "SELECT target, detail->>'why' FROM audit WHERE outcome = 'refused' ORDER BY id"
            ).fetchall()

        assert eventually(told) == [("O1", "another desk's alert"), ("P1", "another desk's alert")]


def test_an_alert_that_left_the_store_between_two_looks_is_left_out(served, desk, store):
    desk.give(raised("A1"))
    store.zadd(OPEN_ALERTS, {"GONE": 1})
    store.zadd(open_alerts_key("US-CASH"), {"GONE": 1})

    assert ids(served, open=True) == ["A1"]
