"""Executions and events of an order and of those below it."""

import pytest

from analytics.history.events import EventPlace, list_events
from analytics.history.fills import FillPlace, list_fills
from analytics.timeline import steps_of
from tests import history_data as data
from tests.history_store import ask

EU = frozenset({data.EU})


def fills(url, order_id=data.PARENT, desks=None, **how):
    return ask(url, lambda c: list_fills(c, order_id, desks=desks, **{"limit": 100, **how}))


def events(url, order_id=data.PARENT, desks=None, **how):
    return ask(url, lambda c: list_events(c, order_id, desks=desks, **{"limit": 100, **how}))


def place(row, kind):
    return kind(row["ts_ns"], row["source"], row["pos"], row["order_id"])


def test_a_parent_s_executions_are_those_of_its_children_each_once(history_url):
    found = fills(history_url)

    assert [(f["exec_id"], f["status"], f["last_qty"], f["last_px"]) for f in found] == [
        ("E77", "COUNTED", 200, 225.01),
        ("E78", "COUNTED", 300, 225.05),
        ("F1", "BUSTED", 100, 225.08),
        ("F2", "CORRECTED", 100, 225.06),
    ]
    assert fills(history_url, children=False) == []
    assert {f["order_id"] for f in fills(history_url, data.FIRST)} == {data.FIRST}


def test_executions_of_a_working_order_are_there_with_the_same_numbers(history_url, working_url):
    same = ("order_id", "root_order_id", "symbol", "venue", "exec_id", "side", "status", "ts_ns",
            "last_qty", "last_px", "fee", "liquidity", "bid", "ask", "mid")  # fmt: skip

    for order_id in (data.PARENT, data.OPEN, data.OTHERS):
        settled, told = fills(history_url, order_id), fills(working_url, order_id)
        assert [[f[n] for n in same] for f in told] == [[f[n] for n in same] for f in settled]
        assert all(f["settled"] for f in settled)
        assert not any(f["settled"] for f in told)
        assert all(f["mid_5s"] is None for f in told)
    assert any(f["mid_5s"] is not None for f in fills(history_url))


def test_a_repeated_report_is_counted_once_before_the_record_too(working_url):
    assert [f["exec_id"] for f in fills(working_url, data.FIRST)] == ["E77", "E78"]


@pytest.mark.parametrize(("ask_for", "kind"), [(fills, FillPlace), (events, EventPlace)])
def test_pages_hold_each_row_once_in_order_of_time(history_url, ask_for, kind):
    whole = ask_for(history_url)
    found, after = [], None
    while page := ask_for(history_url, limit=3, after=after):
        found += page
        after = place(page[-1], kind)

    assert found == whole
    assert [row["ts_ns"] for row in found] == sorted(row["ts_ns"] for row in found)


def test_another_desk_s_order_has_neither_executions_nor_events(history_url):
    for ask_for in (fills, events):
        assert ask_for(history_url, desks=EU) is None
        assert ask_for(history_url, desks=EU, children=False) is None
        assert ask_for(history_url, "nobody's") is None
        assert ask_for(history_url, desks=frozenset({data.US})) is not None


def test_the_timeline_begins_with_the_decision_and_times_every_step(history_url):
    steps = list(
        steps_of(events(history_url), order_id=data.PARENT, decision_ns=data.T0 - 5 * data.SECOND)
    )

    assert [step["type"] for step in steps[:6]] == [
        "decision", "order_accepted", "order_accepted", "route_sent", "route_acknowledged",
        "order_filled",
    ]  # fmt: skip
    assert steps[-1]["type"] == "order_cancelled"
    assert steps[0]["since_previous_ms"] is None
    assert steps[1]["since_previous_ms"] == pytest.approx(5_000.123456, abs=1e-9)
    answers = {s["route_id"]: s["ack_ms"] for s in steps if s["ack_ms"] is not None}
    assert answers == pytest.approx({"R1": 0.4, "R2": 3.1, "R3": 0.7}, abs=1e-9)
    refused = next(s for s in steps if s["type"] == "route_rejected")
    assert (refused["venue"], refused["reject_reason"]) == ("ARCX", "EXCHANGE_CLOSED")


def test_the_mean_answer_of_a_child_s_routes_is_its_metric(history_url, example_rows):
    import msgspec

    from analytics.history.statuses import newest_status

    for order_id in (data.FIRST, data.SECOND_CHILD):
        steps = steps_of(events(history_url, order_id), order_id=order_id)
        acks = [s["ack_ms"] for s in steps if s["type"] == "route_acknowledged"]
        body = ask(history_url, lambda c, o=order_id: newest_status(c, o, desks=None))
        assert sum(acks) / len(acks) == pytest.approx(msgspec.json.decode(body)["ack_ms"], abs=1e-9)
