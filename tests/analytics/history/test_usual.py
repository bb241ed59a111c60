"""Stored days as the real sink wrote them, and records made of them."""

from datetime import date

import psycopg
import pytest
from psycopg.types.json import Json

from analytics.history.usual import (
    costs_of_orders,
    markouts_of_fills,
    routes_of_venues,
    stored_days,
)
from analytics.usual import Wanted, usual_records
from metrics.markout import markout_cost_bps
from tests.history_store import ask

DAY, NEXT = date(2026, 11, 20), date(2026, 11, 21)
OWN = ["EXCHANGE_CLOSED"]


def routes(url, own=OWN, until=NEXT):
    return {r["venue"]: r for r in ask(url, lambda c: routes_of_venues(c, DAY, until, own))}


def test_days_are_those_with_events_before_the_one_that_is_left_out(history_url):
    assert ask(history_url, lambda c: stored_days(c, NEXT, 20)) == [DAY]
    assert ask(history_url, lambda c: stored_days(c, DAY, 20)) == []
    assert ask(history_url, lambda c: stored_days(c, date(2027, 11, 20), 20)) == []


def test_a_venue_s_routes_are_counted_by_their_outcome(history_url):
    found = routes(history_url)

    assert found["XNAS"]["ack_ms"] == pytest.approx([0.4, 0.4, 0.4])
    assert (found["XNAS"]["n"], found["XNAS"]["failures"]) == (1, 0)
    # Its only route met a market that was closed: our own making, but an answer.
    assert (found["ARCX"]["n"], found["ARCX"]["answers"]) == (0, 1)
    assert found["ARCX"]["ack_ms"][2] == pytest.approx(3.1)
    assert routes(history_url, own=[])["ARCX"]["failures"] == 1
    assert routes(history_url, until=DAY) == {}


def test_a_route_that_timed_out_failed_once_whatever_came_after(empty_url):
    columns = ("order_id", "type", "venue", "exec_id", "ts_ns", "pos", "reject_reason")
    events = [
        ("A", "route_sent", "X", "r1", 0, 1, None),
        ("A", "route_timed_out", "X", "r1", 5, 2, None),
        ("A", "route_acknowledged", "X", "r1", 9_000_000, 3, None),
        ("A", "route_sent", "X", "r2", 0, 4, None),
        ("B", "route_sent", "X", "r1", 0, 5, None),
        ("B", "route_rejected", None, "r1", 1_000_000, 6, "OTHER"),
        ("B", "route_cancelled", "Y", "r9", 1, 7, None),
    ]
    with psycopg.connect(empty_url) as connection:
        for event in events:
            values = dict(zip(columns, event, strict=True))
            connection.execute(
                'INSERT INTO order_events (order_id, "type", venue, exec_id, ts_ns, pos,'
                " reject_reason, ts, source) VALUES (%(order_id)s, %(type)s, %(venue)s,"
                " %(exec_id)s, %(ts_ns)s, %(pos)s, %(reject_reason)s,"
                " '2026-11-20T14:30:00Z', 0)",
                values,
            )

    found = routes(empty_url)

    assert (found["X"]["n"], found["X"]["failures"], found["X"]["answers"]) == (2, 2, 2)
    assert (found["Y"]["n"], found["Y"]["answers"], found["Y"]["ack_ms"]) == (0, 0, None)


def test_fills_that_count_come_with_the_mid_a_minute_later(history_url):
    found = ask(history_url, lambda c: markouts_of_fills(c, DAY, NEXT))

    assert found
    for row in found:
        cost = markout_cost_bps(row["last_px"], mid_later=row["mid_60s"], side=row["side"])
        assert abs(cost) < 100
    assert {row["day"] for row in found} == {DAY}
    assert {row["liquidity"] for row in found} <= {"ADDED", "REMOVED", ""}


def tca(connection, order_id, z, *, algo="VWAP", broker="BRK1", parent=None, schedule=None):
    connection.execute(
        "INSERT INTO order_tca (order_id, parent_order_id, state, algo, broker, closed_ts, ts_ns,"
        " known_ns, seq, missing, restated, body) VALUES (%s, %s, 'FILLED', %s, %s,"
        " '2026-11-20T15:00:00Z', 0, 0, 1, 0, false, %s)",
        (order_id, parent, algo, broker, Json({"z_cost": z, "risk_bps": 5.0,
                                              "schedule": schedule})),
    )  # fmt: skip


def test_costs_are_those_of_parents_and_of_children_with_a_schedule(empty_url):
    with psycopg.connect(empty_url) as connection:
        tca(connection, "A", 1.5, schedule="VWAP")
        tca(connection, "B", -0.5, broker=None)
        tca(connection, "C", 9.0, parent="A")
        tca(connection, "D", 2.0, parent="A", schedule="TWAP")
        tca(connection, "E", None)
        tca(connection, "F", 1.0, algo=None)

    found = ask(empty_url, lambda c: costs_of_orders(c, DAY, NEXT))

    assert [(r["order_id"], r["broker"], r["z_cost"]) for r in found] == [
        ("A", "BRK1", 1.5), ("B", "-", -0.5), ("D", "BRK1", 2.0),
    ]  # fmt: skip


def test_records_hold_from_the_day_that_is_left_out(history_url):
    found = ask(history_url, lambda c: usual_records(c, Wanted(NEXT, 20, "XNYS")))

    assert [r.key for r in found] == ["venue:ARCX", "venue:BATS", "venue:XNAS"]
    assert {(r.effective_from, r.days) for r in found} == {("2026-11-21", 1)}
    assert ask(history_url, lambda c: usual_records(c, Wanted(DAY, 20, "XNYS"))) == []
