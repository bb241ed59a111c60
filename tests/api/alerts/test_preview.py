"""Thresholds tried over HTTP before anybody saves them."""

import pytest

from api.alerts.preview_models import Preview
from domain.alerts import Change, CloseReason, alert_id_of, dedupe_key
from domain.thresholds import AlertType
from tests import history_data as data
from tests.alert_data import raised, then
from tests.evaluation_data import behind, impact_bps, store_evaluations, stretch

PREVIEW = "/api/v1/alerts/preview"
DAY = "2026-11-20"
SLOW = AlertType.SLOW_EXECUTION
IMPACT = AlertType.MARKET_IMPACT


@pytest.fixture
def kept(history, history_server):
    """Writes evaluations into the history store, with one of the day before."""

    def write(*stretches):
        store_evaluations(
            history_server.url,
            [*stretch("A0", [{}], t=-86_400.0), *(one for each in stretches for one in each)],
        )

    return write


def ask(api, headers=None, **asked):
    answer = api.client.post(PREVIEW, json={"from": DAY, **asked}, headers=headers)
    assert answer.status_code == 200, answer.text
    Preview.model_validate_json(answer.content)
    return answer.json()


def problem(api, **asked):
    answer = api.client.post(PREVIEW, json={"from": DAY, **asked})
    assert answer.status_code == 422, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return answer.json()


def id_of(order_id, kind, desk=data.US, ordinal=1):
    return alert_id_of(dedupe_key(desk, order_id, kind), ordinal)


def slow(order_id, gap=0.25, **more):
    return stretch(order_id, [behind(gap)] * 4, **{"desk": data.US, **more})


def counted(answer):
    return {
        (one["desk"], one["type"], one["severity"]): (one["before"], one["proposed"])
        for one in answer["counts"]
    }


def test_a_harsher_threshold_shows_what_is_no_longer_raised_and_what_was_true(served, kept, stored):
    kept(slow("A"), slow("B"), slow("C", 0.5))
    made = [raised(id_of(name, SLOW), name, kind=SLOW) for name in "ABC"]
    closed = then(
        made[0], Change.CLOSED, t=20, by="mia", closed_by="mia",
        close_reason=CloseReason.TRUE_ACTED,
    )  # fmt: skip
    stored(*made, closed)

    answer = ask(served, alert_thresholds={"SLOW_EXECUTION": 0.4})

    assert counted(answer) == {(data.US, "SLOW_EXECUTION", "MEDIUM"): (3, 1)}
    assert [one["scope"] for one in answer["only_before"]] == ["A", "B"]
    [missed] = answer["missed_true"]
    assert (missed["scope"], missed["close_reason"], missed["closed_by"]) == (
        "A", "TRUE_ACTED", "mia",
    )  # fmt: skip
    assert answer["only_proposed"] == []
    assert answer["is_exact"]
    assert any("somebody closed" in words for words in answer["notes"])


def test_a_milder_threshold_shows_what_it_raises_more(served, kept):
    kept(stretch("A", [{"market_impact_bps": impact_bps(2.4)}] * 4, desk=data.US))

    assert ask(served)["counts"] == []
    answer = ask(served, alert_thresholds={"MARKET_IMPACT": 2.2})

    [one] = answer["only_proposed"]
    assert one["alert_id"] == id_of("A", IMPACT)
    assert (one["severity"], one["started_at"]) == ("MEDIUM", "2026-11-20T14:40:10Z")
    assert one["ended_at"] == "2026-11-20T14:40:20Z"
    assert (
        ask(served, alert_type="HIGH_COST", alert_thresholds={"MARKET_IMPACT": 2.2})["counts"] == []
    )


def test_an_alert_that_would_have_been_open_meanwhile_is_not_missed(served, kept, stored):
    kept(slow("A", 0.6))
    one = raised("other numbering", "A", kind=SLOW, t=550)
    stored(one, then(one, Change.CLOSED, t=20, close_reason=CloseReason.TRUE_NO_ACTION))

    answer = ask(served, alert_thresholds={"SLOW_EXECUTION": 0.1})

    assert [gone["alert_id"] for gone in answer["only_before"]] == ["other numbering"]
    assert answer["missed_true"] == []


def test_configured_thresholds_hold_for_whom_they_name_and_an_orders_own_go_before(served, kept):
    own = {"configured": {"SLOW_EXECUTION": 0.3}, "asked": {"SLOW_EXECUTION": 0.9}}
    kept(
        slow("A"), slow("B", desk=data.EU), slow("C", asset_class="FX", symbol="EURUSD"),
        slow("D", **own),
    )  # fmt: skip

    def scopes(**entry):
        configured = [{**entry, "alert_thresholds": {"SLOW_EXECUTION": 0.9}}]
        return {one["scope"] for one in ask(served, configured=configured)["only_proposed"]}

    assert scopes() == set()
    assert scopes(desk=data.EU) == {"A", "C"}
    assert scopes(asset_class="FX") == {"A", "B"}
    assert scopes(symbol="AMZN", desk=data.US) == {"B", "C"}
    everywhere = ask(served, alert_thresholds={"SLOW_EXECUTION": 0.2})
    assert {one["scope"] for one in everywhere["only_proposed"]} == {"A", "B", "C", "D"}


def test_another_desks_orders_are_never_counted(serve, make_key, kept, stored):
    kept(slow("A"), slow("B", desk=data.EU), slow("C", desk=None))
    stored(raised(id_of("B", SLOW, data.EU), "B", kind=SLOW, desk=data.EU))
    headers, nobodys = make_key("mia", desks=[data.US]), make_key("joe", desks=["-"])
    with serve() as api:
        answer = ask(api, headers)
        assert {one["desk"] for one in answer["counts"]} == {data.US}
        assert (answer["orders"], answer["evaluations"]) == (1, 5)
        assert [one["scope"] for one in answer["only_proposed"]] == ["A"]
        assert ask(api, headers, desk=data.EU)["counts"] == []
        assert [one["scope"] for one in ask(api, nobodys)["only_proposed"]] == ["C"]


def test_an_empty_history_says_so(served, history):
    answer = ask(served, alert_thresholds={"HIGH_COST": 3})

    assert answer["counts"] == answer["only_proposed"] == []
    assert answer["stored_since"] is None
    assert not answer["is_exact"]
    assert answer["notes"] == [
        "history holds no evaluations of these days: nothing can be said of them"
    ]


def test_what_was_raised_before_evaluations_were_stored_is_left_out(served, history_server, stored):
    store_evaluations(history_server.url, slow("A"))
    stored(raised("AL9", "Z", kind=SLOW))

    answer = ask(served)

    assert answer["only_before"] == []
    assert not answer["is_exact"]
    assert any("stored since 2026-11-20T14:40:00Z" in words for words in answer["notes"])
    assert any(words.startswith("1 alerts are about orders") for words in answer["notes"])


def test_a_threshold_milder_than_what_is_stored_gives_a_lower_bound_and_says_so(served, kept):
    kept(slow("A"))
    configured = [{"alert_thresholds": {"SLOW_EXECUTION": 0.06, "EXECUTION_SPEED": 0.9}}]

    answer = ask(served, alert_thresholds={"SLIPPAGE": 30}, configured=configured)

    assert not answer["is_exact"]
    assert [words.split()[0] for words in answer["notes"]] == [
        "EXECUTION_SPEED", "SLIPPAGE", "SLOW_EXECUTION",
    ]  # fmt: skip
    assert ask(served, alert_thresholds={"SLIPPAGE": 40, "HIGH_COST": 1.3})["is_exact"]


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"alert_thresholds": {"HIGH_COST": 0.5}}, "HIGH_COST must be 1 to 10"),
        ({"alert_thresholds": {"VENUE_ISSUE": 2}}, "VENUE_ISSUE cannot be set for an order"),
        ({"configured": [{"alert_thresholds": {"ALGORITHM_UNDERPERFORMANCE": 2}}]},
         "it is about an algorithm over many orders"),
        ({"configured": [{"alert_thresholds": {"WRONG": 2}}]}, "no threshold is called 'WRONG'"),
    ],
)  # fmt: skip
def test_thresholds_that_cannot_be_are_refused_with_the_table(served, asked, words):
    said = problem(served, **asked)
    assert words in said["detail"]
    assert said["thresholds"]["HIGH_COST"] == "1 to 10, z, worse above"


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        ({"to": DAY}, "must be 1 to 31 days apart, were 0"),
        ({"to": "2027-11-20"}, "were 365"),
        ({"from": "yesterday"}, "date"),
        ({"alert_type": "VENUE_ISSUE"}, "VENUE_ISSUE is not about one order"),
        ({"configured": [{"asset_class": "TULIPS", "alert_thresholds": {"HIGH_COST": 2}}]},
         "asset_class must be one of EQUITY"),
        ({"configured": [{"alert_thresholds": {}}]}, "at least 1"),
        ({"other": 1}, "not permitted"),
    ],
)  # fmt: skip
def test_questions_that_cannot_be_are_refused_in_words(served, asked, words):
    assert words in problem(served, **asked)["detail"]


def test_too_much_for_one_answer_is_refused_in_words(served, kept, monkeypatch):
    kept(slow("A"))
    monkeypatch.setattr("analytics.alert_preview.MOST_EVALUATIONS", 4)
    assert "5 evaluations are stored of these days" in problem(served)["detail"]


def test_orders_are_read_some_at_a_time_and_never_parted(served, kept, monkeypatch):
    monkeypatch.setattr("analytics.history.evaluations.AT_ONCE", 3)
    kept(*(slow(f"O{n}") for n in range(5)))
    answer = ask(served)
    assert [one["scope"] for one in answer["only_proposed"]] == [f"O{n}" for n in range(5)]


def test_long_lists_end_and_say_how_many_are_left_out(served, kept, monkeypatch):
    monkeypatch.setattr("analytics.alert_preview.MOST_LISTED", 2)
    kept(*(slow(f"O{n}") for n in range(5)))
    answer = ask(served)
    assert (len(answer["only_proposed"]), answer["left_out"]) == (2, 3)
    assert sum(one["proposed"] for one in answer["counts"]) == 5
