"""Rows of an order in time, and what was known when."""

import msgspec

from analytics.history.statuses import (
    StatusPlace,
    list_statuses,
    newest_status,
    order_record,
    status_known_at,
)
from domain.rows import LATER_METRICS
from sinks.updates import updates_of
from tests import history_data as data
from tests.history_store import ask

US, EU = frozenset({data.US}), frozenset({data.EU})


def statuses(url, order_id=data.PARENT, desks=None, **how):
    return ask(url, lambda c: list_statuses(c, order_id, desks=desks, **{"limit": 100, **how}))


def published(rows, order_id):
    """The statuses that went onto the bus."""
    return [
        event["status"]
        for part in rows
        for event in map(msgspec.json.decode, updates_of(part, data.T0, "test"))
        if event["kind"] == "status" and event["order_id"] == order_id
    ]


def test_every_final_status_is_a_row_and_none_of_its_numbers_changes(history_url, example_rows):
    told = published(example_rows, data.PARENT)

    rows = statuses(history_url, descending=False, with_body=True)

    assert [msgspec.json.decode(row["body"]) for row in rows] == told
    for row, status in zip(rows, told, strict=True):
        assert row["seq"] == status["seq"]
        assert row["slippage"] == status["slippage_bps"]
        assert row["average_price"] == status["avg_px"]
        assert row["market_impact"] == status["market_impact_bps"]
        assert row["fill_rate"] == status["fill_rate"]
        assert row["cost_efficiency"] == status["cost_efficiency"]
        assert row["venue_distribution"] == status["venue_distribution"]


def test_rows_are_paged_either_way_and_cut_by_time(history_url):
    whole = [row["seq"] for row in statuses(history_url, descending=False)]
    assert len(whole) > 8
    assert [row["seq"] for row in statuses(history_url)] == whole[::-1]

    found, after = [], None
    while page := statuses(history_url, limit=3, after=after):
        found += [row["seq"] for row in page]
        after = StatusPlace(page[-1]["ts_ns"], page[-1]["seq"])
    assert found == whole[::-1]

    some = statuses(
        history_url, from_ns=data.T0 + 20 * data.SECOND, to_ns=data.T0 + 50 * data.SECOND
    )
    seconds = {(row["ts_ns"] - data.T0) / data.SECOND for row in some}
    assert {20, 25, 40} <= seconds
    assert min(seconds) >= 20
    assert max(seconds) < 50


def test_the_newest_status_is_the_last_that_was_published(history_url, example_rows):
    found = ask(history_url, lambda c: newest_status(c, data.PARENT, desks=US))

    assert msgspec.json.decode(found) == published(example_rows, data.PARENT)[-1]


def test_a_status_is_answered_as_it_was_known_then(history_url):
    def progress(seconds, desks=None):
        known = data.T0 + round(seconds * data.SECOND)
        found = ask(history_url, lambda c: status_known_at(c, data.PARENT, known, desks=desks))
        return None if found is None else msgspec.json.decode(found)["cum_qty"]

    assert progress(-1) is None
    assert progress(0.5) == 0
    assert progress(3) == 200
    assert progress(30) == 700
    # The bust came at 50 s: before it the execution counted.
    assert (progress(49.9), progress(50)) == (700, 600)
    assert progress(1e6, US) == 600
    assert progress(1e6, EU) is None


def test_the_record_of_an_order_has_what_the_market_did_afterwards(history_url, working_url):
    record = ask(history_url, lambda c: order_record(c, data.PARENT, desks=US))

    assert set(LATER_METRICS) <= set(record)
    assert record["markout_cost_5s_bps"] is not None
    assert ask(working_url, lambda c: order_record(c, data.PARENT, desks=None)) is None


def test_another_desk_s_order_has_no_rows(history_url):
    assert statuses(history_url, desks=EU) == []
    assert ask(history_url, lambda c: newest_status(c, data.PARENT, desks=EU)) is None
    assert ask(history_url, lambda c: order_record(c, data.PARENT, desks=EU)) is None
    assert statuses(history_url, "nobody's") == []
