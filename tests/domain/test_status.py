"""The status as JSON: every specified member, null with a reason, the same bytes each time."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.columns import EVENT, blank
from domain.instants import NO_TIME
from domain.keys import key_of, names_of
from domain.reasons import Reason
from domain.records import (
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    WALL_CLOCK_FIELDS,
    anomaly_names,
    event_records,
    fill_records,
    name_of,
    order_record,
    status_record,
    venue_shares,
)
from domain.rows import FILL, ORDER, ORDER_METRICS, STATUS, STATUS_METRICS, Rows, Venues
from domain.status import (
    attention_ccy,
    bodies_of,
    is_closed,
    status_bodies,
    status_body,
    with_alerts,
    write_order,
)
from domain.vocabulary import Anomaly, EventKind, OrderState

T0 = 1_700_000_000 * 1_000_000_000
NAMES = names_of(["A", "IBM", "XNAS", "ARCX", "US-CASH"])


def row(dtype=STATUS, **values):
    out = blank(dtype, 1)
    values = {"order": "A", "root": "A", "symbol": "IBM", "ts": T0, "known": T0, **values}
    for name, value in values.items():
        out[name] = key_of(value) if isinstance(value, str) else value
    return out[0]


def reason_at(found, name, reason, metrics=STATUS_METRICS):
    found["reasons"][metrics.index(name)] = reason


def told(found, venues=None, **more):
    return json.loads(status_body(found, NAMES, venues or Venues(), **more))


def test_the_specified_members_come_first():
    status = told(row(side=1))

    assert list(status)[:6] == [
        "order_id", "execution_progress", "current_metrics", "alerts", "performance_score",
        "last_updated",
    ]  # fmt: skip
    assert list(status["current_metrics"]) == [
        "EXECUTION_SPEED", "COST_EFFICIENCY", "MARKET_IMPACT", "FILL_RATE", "SLIPPAGE",
    ]  # fmt: skip


def test_every_metric_and_every_header_field_is_there():
    status = told(row())

    members = {f.name for f in ORDER_FIELDS} - {"known_at"}
    assert members | set(STATUS_METRICS) <= set(status)
    assert {"reasons", "metric_reasons", "venue_distribution", "published_at", "config_version",
            "quote_age_ms"} <= set(status)  # fmt: skip


def test_the_five_metrics_are_the_columns_they_stand_for():
    found = row(execution_speed=0.5, cost_efficiency=0.6, market_impact_bps=-3.0, fill_rate=0.7)
    reason_at(found, "slippage_bps", Reason.NO_ARRIVAL)

    status = told(found)

    assert status["current_metrics"] == {
        "EXECUTION_SPEED": 0.5, "COST_EFFICIENCY": 0.6, "MARKET_IMPACT": -3.0, "FILL_RATE": 0.7,
        "SLIPPAGE": None,
    }  # fmt: skip
    assert status["metric_reasons"] == {"SLIPPAGE": "NO_ARRIVAL"}
    assert status["reasons"]["slippage_bps"] == "NO_ARRIVAL"


def test_a_number_that_stands_with_a_caveat_is_not_listed_as_null():
    found = row(market_impact_bps=12.0)
    reason_at(found, "market_impact_bps", Reason.NO_INDEX)

    status = told(found)

    assert status["market_impact_bps"] == 12.0
    assert status["reasons"] == {}
    assert status["metric_reasons"] == {}
    assert status["caveats"] == {"market_impact_bps": "NO_INDEX"}


@given(st.floats(), st.floats(allow_nan=False, allow_infinity=False))
def test_json_never_carries_nan(any_number, number):
    body = status_body(row(slippage_bps=any_number, avg_px=number), NAMES, Venues())

    status = json.loads(body, parse_constant=pytest.fail)
    assert status["avg_px"] == number
    assert status["slippage_bps"] == (any_number if np.isfinite(any_number) else None)


def test_equal_rows_give_equal_bytes_but_for_the_wall_clock():
    found = row(avg_px=9.5, desk="US-CASH")
    first = status_body(found, NAMES, Venues(), published_ns=T0 + 1)
    second = status_body(found, NAMES, Venues(), published_ns=T0 + 2)

    assert first != second
    differs = {k for k, v in json.loads(first).items() if json.loads(second)[k] != v}
    assert differs == WALL_CLOCK_FIELDS
    assert status_body(found, NAMES, Venues()) == status_body(found.copy(), NAMES, Venues())


def test_a_body_is_made_once_whoever_asks_first():
    rows = Rows(status=np.array([row(), row(side=1)]), names=NAMES)
    [first] = bodies_of(rows, [1], published_ns=T0 + 1)
    other, again = bodies_of(rows, [0, 1], published_ns=T0 + 10**9)
    assert again is first
    assert json.loads(first)["published_at"] != json.loads(other)["published_at"]
    alone = {**json.loads(status_body(rows.status[1], NAMES, Venues()))}
    assert {**json.loads(first), "published_at": None} == alone


def test_many_rows_say_what_each_says_alone():
    rows = np.array([row(avg_px=float(i)) for i in range(3)])
    venues = Venues(np.array([0, 1, 1, 3]), np.array([key_of("XNAS")] * 3, "u8"), np.ones(3))

    bodies = status_bodies(rows, NAMES, venues)

    assert [json.loads(b)["avg_px"] for b in bodies] == [0.0, 1.0, 2.0]
    assert [json.loads(b)["venue_distribution"] for b in bodies] == [{"XNAS": 1.0}, {}, {"XNAS": 1}]
    [third] = status_bodies(rows[2:], NAMES, venues, at=[2])
    assert third == bodies[2]


def test_times_flags_and_codes_are_words():
    status = told(
        row(
            side=-1, side_code=4, state=OrderState.PARTIALLY_FILLED, ts=T0 + 5, known=T0 + 10**9,
            arrival_ts=T0, kind=EventKind.MARK, provisional=1, anomalies=4 | 16, seq=-1,
            desk="US-CASH", quote_ts=T0 - 2_500_000, ord_type=2, schedule=1,
        )
    )  # fmt: skip

    assert status["side"] == "SELL_SHORT"
    assert status["state"] == "PARTIALLY_FILLED"
    assert status["as_of"] == "2023-11-14T22:13:20.000000005Z"
    assert status["last_updated"] == "2023-11-14T22:13:21Z"
    assert status["arrival_ts"] == "2023-11-14T22:13:20Z"
    assert status["decision_ts"] is None
    assert status["cause"] == "mark"
    assert status["provisional"] is True
    assert status["anomalies"] == ["OVERFILL", "LATE"]
    assert status["seq"] is None
    assert status["desk"] == "US-CASH"
    assert status["trader"] is None
    assert status["quote_age_ms"] == pytest.approx(2.500005)
    assert (status["ord_type"], status["time_in_force"], status["schedule"]) == (
        "LIMIT", None, "TWAP",
    )  # fmt: skip


def test_a_side_never_told_is_null_and_not_a_buy():
    assert told(row(side=0))["side"] is None
    assert order_record(row(ORDER, side=0), NAMES, Venues())["side"] is None


def test_an_order_never_accepted_is_in_state_unknown():
    assert told(row())["state"] == "UNKNOWN"


def test_last_updated_is_the_event_time_where_nothing_else_is_known():
    status = told(row(known=NO_TIME))

    assert status["last_updated"] == "2023-11-14T22:13:20Z"
    assert status["quote_age_ms"] is None


@given(st.lists(st.floats(0.001, 1e9), min_size=1, max_size=6))
def test_venue_shares_sum_to_one(quantities):
    keys = np.array([key_of(f"V{i}") for i in range(len(quantities))], "u8")
    venues = Venues(np.array([0, len(keys)]), keys, np.array(quantities))

    shares = venue_shares(venues, 0, names_of(f"V{i}" for i in range(6)))

    assert sum(shares.values()) == pytest.approx(1.0, abs=1e-12)
    assert len(shares) == len(quantities)


def test_an_execution_without_a_venue_counts_under_a_dash_and_none_at_all_under_nothing():
    venues = Venues(np.array([0, 2, 3]), np.array([0, key_of("XNAS"), 5], "u8"),
                    np.array([1.0, 3.0, 0.0]))  # fmt: skip

    assert venue_shares(venues, 0, NAMES) == {"-": 0.25, "XNAS": 0.75}
    assert venue_shares(venues, 1, NAMES) == {}
    assert venue_shares(Venues(), 0, NAMES) == {}


def test_a_key_whose_name_was_lost_shows_itself():
    assert name_of(255, {}) == "#00000000000000ff"
    assert name_of(0, {}) is None
    assert told(row(desk="GONE"))["desk"].startswith("#")


def test_alerts_take_the_place_kept_for_them():
    names = {**NAMES, key_of('x","alerts":[],"'): 'x","alerts":[],"'}
    body = status_body(row(order='x","alerts":[],"'), names, Venues())

    status = json.loads(with_alerts(body, b'["HIGH_COST"]'))

    assert status["alerts"] == ["HIGH_COST"]
    assert status["order_id"] == 'x","alerts":[],"'


def test_order_and_fill_and_event_records_carry_every_field_once():
    found = row(ORDER, side=1, avg_px=9.5)
    reason_at(found, "twap", Reason.NO_QUOTE, ORDER_METRICS)
    venues = Venues(np.array([0, 1]), np.array([key_of("XNAS")], "u8"), np.array([2.0]))

    order = order_record(found, NAMES, venues)
    assert list(order)[: len(ORDER_FIELDS)] == [f.name for f in ORDER_FIELDS]
    assert set(ORDER_METRICS) <= set(order)
    assert order["reasons"] == {"twap": "NO_QUOTE"}
    assert order["twap"] is None
    assert order["venue_distribution"] == {"XNAS": 1.0}

    state = status_record(row(), NAMES, Venues())
    assert set(STATUS_METRICS) <= set(state)

    executed = row(FILL, side=-1, status=2, liquidity=1, venue="XNAS").reshape(1)
    [fill] = fill_records(executed, NAMES)
    assert list(fill) == [f.name for f in FILL_FIELDS]
    assert (fill["side"], fill["status"], fill["liquidity"]) == ("SELL", "REPEATED", "ADDED")
    assert fill["mid_60s"] is None

    event = blank(EVENT, 1)
    event["kind"], event["order"], event["side"] = EventKind.ROUTE_REJECTED, key_of("A"), 1
    event["reason"] = 4
    [record] = event_records(event, NAMES)
    assert list(record) == [f.name for f in EVENT_FIELDS]
    assert (record["type"], record["side"]) == ("route_rejected", "BUY")
    assert record["reject_reason"] == "ORDER_EXCEEDS_LIMIT"


@given(st.sets(st.sampled_from(list(Anomaly))))
def test_anomalies_are_listed_by_name(members):
    bits = sum(int(m) for m in members)

    assert set(anomaly_names(bits)) == {m.name for m in members}


def test_writes_are_ordered_by_events_then_final_then_market_time():
    rows = np.array(
        [
            row(events=1, ts=T0 + 9, provisional=1),
            row(events=1, ts=T0),
            row(events=1, ts=T0 + 5, known=T0 + 7),
            row(events=2, ts=T0 - 5, known=T0 - 5, provisional=1),
        ]
    )

    order = write_order(rows)

    assert order == sorted(order)
    assert order[2] == (1, 1, T0 + 7)


def test_attention_is_what_remains_at_expected_cost_plus_the_cost_so_far():
    rows = np.array(
        [
            row(bid=9.0, ask=11.0, leaves_qty=1_000.0, expected_cost_bps=20.0, slippage_ccy=5.0),
            row(avg_px=10.0, leaves_qty=1_000.0, expected_cost_bps=20.0),
            row(limit_px=10.0, leaves_qty=1_000.0, expected_cost_bps=20.0, slippage_ccy=-4.0),
            row(slippage_ccy=7.0),
            row(),
        ]
    )

    assert attention_ccy(rows).tolist() == pytest.approx([25.0, 20.0, 16.0, 7.0, 0.0])


def test_only_the_four_last_states_are_closed():
    rows = np.array([row(state=state) for state in OrderState])

    closed = {s.name for s, c in zip(OrderState, is_closed(rows).tolist(), strict=True) if c}
    assert closed == {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"}
