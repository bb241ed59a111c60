"""Which events go to which subscription."""

import pytest

from domain.instants import SECOND
from domain.published import Severity
from domain.subscriptions import ALERT, Start, Subscription, topics_of, wants, wrong_address
from domain.vocabulary import Topic
from tests.alert_messages import alert_event, raw_of

T0 = 1_789_997_600 * SECOND
PROGRESS = b'{"event_type":"EXECUTION_PROGRESS","order_id":"A","status":{"desk":"US"}}'


def subscription(**more):
    told = {"subscription_id": "s", "generation": 1, "event_types": [ALERT, "EXECUTION_PROGRESS"],
            "desks": None, "min_severity": Severity.MEDIUM, "url": "http://x", "secret": "SECRET",
            "start": Start(), **more}  # fmt: skip
    return Subscription(**told)


def alert(**more):
    return raw_of(alert_event(at=T0, **more))


@pytest.mark.parametrize(
    ("raw", "more", "is_wanted"),
    [
        (alert(), {}, True),
        (alert(severity="LOW"), {}, False),
        (alert(severity="LOW"), {"min_severity": Severity.LOW}, True),
        (alert(), {"event_types": ["EXECUTION_PROGRESS"]}, False),
        (alert(desk="US"), {"desks": ["US"]}, True),
        (alert(desk="US"), {"desks": ["EU"]}, False),
        (alert(desk=""), {"desks": ["-"]}, True),
        (PROGRESS, {}, True),
        (PROGRESS, {"event_types": [ALERT]}, False),
        (PROGRESS, {"desks": ["US"], "min_severity": Severity.CRITICAL}, True),
        (PROGRESS, {"desks": ["EU"]}, False),
        (b'{"event_type":"EXECUTION_PROGRESS"}', {"desks": ["-"]}, True),
        (b"no json", {}, False),
        (b"\xff", {}, False),
    ],
)
def test_an_event_goes_to_who_wants_it(raw, more, is_wanted):
    assert wants(subscription(**more), raw) is is_wanted


def test_only_the_topics_that_are_needed_are_read():
    assert subscription().topics == [Topic.EXECUTION_ALERTS, Topic.EXECUTION_EVENTS]
    assert topics_of([ALERT]) == [Topic.EXECUTION_ALERTS]
    assert topics_of(["EXECUTION_COMPLETED"]) == [Topic.EXECUTION_EVENTS]


def test_a_subscription_does_not_show_its_secret():
    assert "SECRET" not in repr(subscription())


@pytest.mark.parametrize(
    ("url", "hosts", "words"),
    [
        ("https://a.example/x", (), ""),
        ("http://127.0.0.1:99/", (), ""),
        ("https://A.example/x", ("*.example",), ""),
        ("https://a.example/x", ("b.example", "*.test"), "host a.example is not among those"),
        ("ftp://a.example/x", (), "url must be an address"),
        ("https://[x", (), "url must be an address"),
        ("https://a:port/", (), "url must be an address"),
        ("/x", (), "url must be an address"),
        ("https://u:p@a.example/", (), "url must hold no user and no password"),
    ],
)
def test_an_address_is_one_that_may_be_sent_to(url, hosts, words):
    found = wrong_address(url, hosts)

    assert found.startswith(words)
    assert bool(found) == bool(words)
