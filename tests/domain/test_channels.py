"""Channels and routes as somebody writes them, and what is said of a wrong one."""

import pytest

from domain.alerts import rank
from domain.channels import NOBODY, PAGERDUTY, Severity, Slack
from domain.channels_check import notify_of
from domain.instants import format_rfc3339, parse_rfc3339
from domain.quiet_hours import quiet_hours

SLACK = {"kind": "slack", "url": "https://hooks.example/T/SECRET"}
MAIL = {"kind": "smtp", "host": "mail", "sender": "a@b", "to": ["c@d", "e@f"]}


def test_a_whole_configuration_is_read_and_shown_without_its_secrets():
    found = notify_of(
        {
            "link": "https://execmon.example/",
            "max_age_s": 60,
            "channels": {
                "desk": SLACK, "mail": MAIL, "duty": {"kind": "pagerduty", "routing_key": "KEY"},
                "hook": {"kind": "webhook", "url": "http://u:PASS@h:1/x", "secret": "S" * 16},
                "team": {"kind": "teams", "url": "https://t.example/SECRET", "timeout_s": 3},
            },
            "routes": [
                {"channels": ["desk", "duty"], "desks": ["US"], "types": ["DATA", "VENUE_ISSUE"],
                 "min_severity": "HIGH", "quiet": "22:00-07:00 Europe/London",
                 "digest_below": "CRITICAL", "digest_minutes": 30},
                {"channels": ["mail"]},
            ],
        }
    )  # fmt: skip

    assert found.channels["desk"] == Slack(url=SLACK["url"])
    assert found.channels["duty"].url == PAGERDUTY
    assert [found.channels[name].follow_ups for name in ("hook", "duty", "desk")] == [
        True, True, False,
    ]  # fmt: skip
    assert str(found) == (
        "desk=slack(https://hooks.example); mail=smtp(mail:587 to c@d, e@f); "
        "duty=pagerduty(https://events.pagerduty.com); hook=webhook(http://h:1); "
        "team=teams(https://t.example); 2 routes"
    )
    for secret in ("SECRET", "KEY", "PASS", "SSSS"):
        assert secret not in f"{found!r} {found}"
    assert str(NOBODY) == ""


def test_a_route_matches_by_desk_type_and_severity():
    [route] = notify_of(
        {"channels": {"s": SLACK},
         "routes": [{"channels": ["s"], "desks": ["US"], "types": ["DATA"]}]}
    ).routes  # fmt: skip

    assert route.matches("US", "DATA", Severity.MEDIUM)
    assert not route.matches("EU", "DATA", Severity.MEDIUM)
    assert not route.matches("US", "HIGH_COST", Severity.MEDIUM)
    assert not route.matches("US", "DATA", Severity.LOW)
    assert [rank(one) for one in ("LOW", "CRITICAL")] == [0, 3]


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({"chanels": {}}, "contains unknown field `chanels`"),
        ({"channels": []}, "channels must be a table of channels"),
        ({"routes": {}}, "routes a list of routes"),
        ({"link": "x"}, "link must be an address such as https://execmon.example, was 'x'"),
        ({"link": "http://[x"}, "link must be an address"),
        ({"max_age_s": 0}, "max_age_s must be positive, was 0"),
        ({"channels": {"a b": SLACK}}, "name must be 1–50 letters, digits, . _ or -, was 'a b'"),
        ({"channels": {"a": "slack"}}, "channel a: kind must be one of webhook, slack"),
        ({"channels": {"a": {"kind": "fax"}}}, "channel a: kind must be one of webhook"),
        ({"channels": {"a": {"kind": "slack"}}}, "channel a: missing required field `url`"),
        ({"channels": {"a": {**SLACK, "to": 1}}}, "channel a: contains unknown field `to`"),
        ({"channels": {"a": {**SLACK, "url": 1}}}, "channel a: Expected `str`, got `int` in `url`"),
        ({"channels": {"a": {**SLACK, "url": "ftp://x"}}}, "channel a: url must be an address"),
        ({"channels": {"a": {**SLACK, "timeout_s": 0}}}, "timeout_s and retry_for_s must be pos"),
        ({"channels": {"a": {"kind": "webhook", "url": "http://x", "secret": "short"}}},
         "channel a: secret must have 16 characters or more"),
        ({"channels": {"a": {"kind": "pagerduty", "routing_key": ""}}}, "routing_key must not be"),
        ({"channels": {"a": {**MAIL, "to": []}}}, "channel a: sender and to must be addresses"),
        ({"channels": {"a": {**MAIL, "sender": "desk"}}}, "sender and to must be addresses"),
        ({"channels": {"a": {**MAIL, "to": ["a@b\nBcc: x"]}}}, "sender and to must be addresses"),
        ({"channels": {"a": {**MAIL, "host": ""}}}, "host and port must name a server, were :587"),
        ({"channels": {"a": {**MAIL, "security": "some"}}}, "channel a: Invalid enum value 'some'"),
        ({"routes": [{"channels": ["b"]}]}, "route 1: no channel is called b; there are none"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"]}, {"channels": []}]},
         "route 2: channels must name one or more"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "types": ["SLOW"]}]},
         "route 1: no alert is of type SLOW; there are SLOW_EXECUTION"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "min_severity": "BAD"}]},
         "route 1: Invalid enum value 'BAD' in `min_severity`"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "digest_minutes": 0}]},
         "route 1: digest_minutes must be 1 to 1440, was 0"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "quiet": 5}]},
         "route 1: expected quiet hours such as 22:00-07:00 Europe/London"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "quiet": "at night"}]},
         "expected quiet hours such as 22:00-07:00 Europe/London, got 'at night' in `quiet`"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "quiet": "25:00-07:00 UTC"}]},
         "no such time of day in '25:00-07:00 UTC'"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "quiet": "22:00-07:00 Mars"}]},
         "no time zone is called 'Mars'"),
        ({"channels": {"s": SLACK}, "routes": [{"channels": ["s"], "quiet": "07:00-07:00 UTC"}]},
         "quiet hours must leave some of the day"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named_with_where_it_is(table, words):
    with pytest.raises(ValueError, match=r".") as refused:
        notify_of(table)
    assert words in str(refused.value)


def test_all_that_is_wrong_is_said_at_once():
    with pytest.raises(ValueError, match=r"channel a: .*; route 1: "):
        notify_of({"channels": {"a": {"kind": "slack"}}, "routes": [{"channels": ["b"]}]})


@pytest.mark.parametrize(
    ("text", "now", "end"),
    [
        ("22:00-07:00 Europe/London", "2026-07-01T20:59:59Z", None),
        ("22:00-07:00 Europe/London", "2026-07-01T21:00:00Z", "2026-07-02T06:00:00Z"),
        ("22:00-07:00 Europe/London", "2026-07-02T05:59:59Z", "2026-07-02T06:00:00Z"),
        ("22:00-07:00 Europe/London", "2026-07-02T06:00:00Z", None),
        # The night in which the clocks go back is an hour longer.
        ("22:00-07:00 Europe/London", "2026-10-24T22:00:00Z", "2026-10-25T07:00:00Z"),
        ("12:00-13:00 UTC", "2026-07-01T12:30:00Z", "2026-07-01T13:00:00Z"),
        ("12:00-13:00 UTC", "2026-07-01T13:00:00Z", None),
        ("12:00 - 13:00  America/New_York", "2026-07-01T16:00:00Z", "2026-07-01T17:00:00Z"),
    ],
)
def test_quiet_hours_end_by_the_clock_of_their_place(text, now, end):
    found = quiet_hours(text).end_of(parse_rfc3339(now))

    assert (None if found is None else format_rfc3339(found)) == end
