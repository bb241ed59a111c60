"""`execmon alerts preview` on a history store that somebody else fills."""

import pytest

from domain.thresholds import AlertType
from tests.alert_data import raised
from tests.evaluation_data import behind, example_evaluations, store_evaluations, stretch

SET = ("--set", "MARKET_IMPACT=2.2")


@pytest.fixture
def preview(execmon, history_url):
    def call(*options, day="2026-11-20", url=history_url):
        return execmon("alerts", "preview", "--from", day, *options, "--history-url", url)

    return call


@pytest.fixture
def kept(history_url):
    store_evaluations(history_url, example_evaluations())


def test_the_counts_stand_side_by_side_with_the_alerts_that_differ(preview, kept):
    ended = preview(*SET, "--type", "market_impact")

    assert ended.code == 0, ended.err
    for desk in ("EU-CASH", "US-CASH"):
        [line] = [line for line in ended.out.splitlines() if desk in line]
        assert line.split() == ["2026-11-20", desk, "MARKET_IMPACT", "MEDIUM", "0", "1"]
    assert ended.out.count("only with the proposed thresholds: MEDIUM MARKET_IMPACT") == 2
    assert "note:" not in ended.out


def test_the_whole_answer_is_one_json_object(preview, kept):
    answer = preview(*SET, "--desk", "US-CASH", "--json").json

    assert (answer["from"], answer["to"], answer["orders"]) == ("2026-11-20", "2026-11-21", 1)
    assert [one["proposed"] for one in answer["counts"]] == [1]
    both = preview(*SET, "--to", "2026-11-22", "--json").json
    assert [one["proposed"] for one in both["counts"]] == [1, 1]


def test_configured_ones_hold_for_whom_they_name(preview, kept):
    words = "desk=EU-CASH MARKET_IMPACT=2.2; symbol=SAP HIGH_COST=3"
    answer = preview("--configured", words, "--json").json
    assert [one["desk"] for one in answer["only_proposed"]] == ["EU-CASH"]


def test_a_long_list_ends_in_the_terminal_and_a_closed_one_says_how(
    preview, history_url, kept, stored_alerts
):
    names = [f"O{n:02d}" for n in range(25)]
    slow = [one for name in names for one in stretch(name, [behind(0.15)] * 4, desk="US-CASH")]
    store_evaluations(history_url, slow)
    stored_alerts(*(raised(f"AL{name}", name, kind=AlertType.SLOW_EXECUTION) for name in names))

    out = preview().out

    assert out.count("not with the proposed thresholds: MEDIUM SLOW_EXECUTION") == 20
    assert "not with the proposed thresholds: 5 more; --json has them" in out


@pytest.fixture
def stored_alerts(history_url):
    from tests.alert_data import store_alerts

    return lambda *changes: store_alerts(history_url, changes)


def test_an_empty_history_says_so(preview):
    out = preview().out
    assert "no alert of an order, neither before nor as proposed" in out
    assert "note: history holds no evaluations of these days" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--to", "soon"), "--to must be a day such as 2026-11-20, was 'soon'"),
        (("--to", "2026-11-20"), "must be 1 to 31 days apart"),
        (("--type", "VENUE_ISSUE"), "other alerts are not about one order"),
        (("--set", "HIGH_COST=99"), "--set: HIGH_COST must be 1 to 10, z, worse above"),
        (("--set", "VENUE_ISSUE=2"), "VENUE_ISSUE cannot be set for an order"),
        (("--set", "desk=EU HIGH_COST=3"), "--configured takes whose they are"),
        (("--configured", "desk EU"), "--configured: expected desk=…"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_words(preview, options, words):
    ended = preview(*options)
    assert ended.code == 2
    assert words in ended.err


def test_a_store_that_is_not_there_or_not_migrated_is_said_to_be_so(
    execmon, empty_history_url, tmp_path, monkeypatch
):
    def refused(*options):
        ended = execmon("alerts", "preview", "--from", "2026-11-20", *options)
        assert ended.code == 4
        return ended.err

    away = refused("--history-url", "postgresql:///x?host=/nowhere")
    assert "the history store does not answer" in away
    assert "run `execmon db migrate`" in refused("--history-url", empty_history_url)
    monkeypatch.setenv("EXECMON_HISTORY_DIR", str(tmp_path / "history"))
    assert "no history server of yours serves" in refused("--history-url", "embedded")
