"""Reference data at work: curves, expected cost, and records that change during the day."""

import json

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.calendar_table import calendar_code
from domain.events import AlgoParams
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.keys import key_of
from domain.reference import ReferenceRecord
from domain.reference_book import ReferenceBook
from domain.vocabulary import Anomaly, EventKind, Topic
from operators.market.logic import MarketSettings
from operators.orders.curves import reference_row, reference_table, sigma_now, usual_between
from operators.orders.group import OrderSettings
from operators.orders.hours import TradingHours

OPEN = parse_rfc3339("2023-11-22T14:30:00Z")
HOUR = 3600 * SECOND


def known(symbol="X", **more):
    return ReferenceRecord(
        type="reference", symbol=symbol,
        **{"adv_qty": 1e6, "sigma_daily_bps": 150.0, "spread_bps": 2.0, "tick": 0.01,
           "calendar": "XNYS", **more},
    )  # fmt: skip


def table_of(*records):
    return reference_table(ReferenceBook(records).table(OPEN))


def test_every_symbol_is_found_and_others_have_the_empty_row():
    names = [f"S{i}" for i in range(50)]
    table = table_of(*(known(name, adv_qty=1.0 + i) for i, name in enumerate(names)))

    for i, name in enumerate(names):
        assert table[reference_row(table, np.uint64(key_of(name)))]["adv_qty"] == 1.0 + i
    for stranger in (1, key_of("other"), 2**64 - 1):
        assert reference_row(table, np.uint64(stranger)) == 0
    assert np.isnan(table[0]["adv_qty"])
    assert reference_row(table_of(), np.uint64(5)) == 0


def usual(ref, start_h, end_h):
    """Usual volume between two times in hours after the open, in sessions' volumes."""
    hours = TradingHours()
    code = calendar_code("XNYS")
    hours.cover(np.array([code], np.uint16), np.array([OPEN]))
    at = [OPEN + round(h * HOUR) for h in (start_h, end_h)]
    return usual_between(ref, hours.hours, 0, len(hours.hours), *at)


def test_the_curve_tells_how_much_usually_trades_between_two_times():
    ref = table_of(known(volume_curve=[0.5, 0.25, 0.25]))[1]

    assert usual(ref, 0, 6.5) == pytest.approx(1.0)
    assert usual(ref, 0, 6.5 / 3) == pytest.approx(0.5)
    assert usual(ref, 6.5 / 3, 6.5 / 2) == pytest.approx(0.125)
    assert usual(ref, 7, 8) == 0.0, "nothing trades after the close"
    assert usual(ref, -3, 0) == 0.0, "nor before the open"
    next_day_off = 48  # Thanksgiving, and then a half day that runs through the whole curve
    assert usual(ref, 6.5 / 3, next_day_off) == pytest.approx(0.5)
    assert usual(ref, 6.5 / 3, next_day_off + 3.5) == pytest.approx(1.5)
    assert np.isnan(usual(table_of(known())[1], 0, 6.5))
    assert np.isnan(usual(table_of(known())[0], 0, 6.5))


def test_volatility_follows_the_time_of_day_where_a_curve_is_known():
    plain = table_of(known("A"), known("B", volatility_curve=[1.2, 0.7483314773547883]))
    rows = {int(r["symbol"]): r for r in plain}
    flat, shaped = rows[key_of("A")], rows[key_of("B")]
    per_second = 150.0 / np.sqrt(6.5 * 3600)
    assert sigma_now(flat, 0.2) == pytest.approx(per_second)
    assert sigma_now(shaped, 0.2) == pytest.approx(1.2 * per_second)
    assert sigma_now(shaped, 0.9) == pytest.approx(0.7483314773547883 * per_second)
    assert np.isnan(sigma_now(plain[0], 0.2))


def at_open(lab, seconds):
    return (OPEN - lab.T0) / SECOND + seconds


def morning(tape, lab, **order):
    tape.quote(at_open(lab, 1), 9.99, 10.01)
    tape.accept(at_open(lab, 60), 1000, **order)
    for i in range(6):
        tape.quote(at_open(lab, 600 * (i + 1)), 9.99, 10.01)
        tape.trade(at_open(lab, 600 * (i + 1) + 1), 10.0, 5000)
        tape.fill(at_open(lab, 600 * (i + 1) + 2), 100, 10.01, f"e{i}")


def settings(lab, *records):
    return {
        "market": MarketSettings(lab.INPUTS, default_calendar="XNYS"),
        "orders": OrderSettings(references=records),
    }


def test_an_orders_cost_is_held_against_the_models_expectation(tape, run, lab):
    morning(tape, lab)

    found = lab.record(run(tape, **settings(lab, known())))

    assert found["expected_cost_bps"] > 0
    assert found["risk_bps"] > 0
    assert found["z_cost"] == pytest.approx(
        (found["slippage_bps"] - found["expected_cost_bps"]) / found["risk_bps"]
    )
    assert 0 < found["cost_efficiency"] < 100


@pytest.mark.parametrize(
    ("px", "volume", "order", "drifts"),
    [
        (10.10, 5_000, {}, True),
        (9.90, 5_000, {"side": "SELL"}, True),
        (9.90, 5_000, {}, False),
        (10.005, 5_000, {}, False),
        (10.10, 1_000, {}, False),
        (10.10, 5_000, {"parent_order_id": "P", "root_order_id": "P"}, False),
    ],
)
def test_a_market_that_runs_away_from_a_small_order_is_labelled_as_drift(
    tape, run, lab, px, volume, order, drifts
):
    tape.quote(at_open(lab, 1), 9.995, 10.005)
    tape.accept(at_open(lab, 60), 1000, **order)
    tape.quote(at_open(lab, 120), px - 0.005, px + 0.005)
    tape.trade(at_open(lab, 121), px, volume)
    tape.fill(at_open(lab, 122), 100, px, "e", **order)

    found = lab.last_status(run(tape, **settings(lab, known())))

    assert bool(found["anomalies"] & Anomaly.DRIFT) == drifts


def test_a_market_may_come_back_to_an_order(tape, run, lab):
    tape.quote(at_open(lab, 1), 9.995, 10.005)
    tape.accept(at_open(lab, 60), 1000)
    for i, px in enumerate((10.10, 10.0)):
        tape.quote(at_open(lab, 120 + i * 60), px - 0.005, px + 0.005)
        tape.trade(at_open(lab, 121 + i * 60), px, 5_000)
        tape.fill(at_open(lab, 122 + i * 60), 100, px, f"e{i}")

    rows = lab.finals(run(tape, **settings(lab, known())))

    told = rows["anomalies"][rows["kind"] != EventKind.MARK]
    assert [bool(bits & Anomaly.DRIFT) for bits in told] == [False, True, False]


def test_without_reference_data_the_expectation_is_missing_and_nothing_breaks(tape, run, lab):
    morning(tape, lab)

    found = lab.record(run(tape, **settings(lab, known("other"))))

    for name in ("expected_cost_bps", "risk_bps", "z_cost", "cost_efficiency"):
        assert found[name] == "NO_REFERENCE"
    assert found["slippage_bps"] == pytest.approx(10.0)


@pytest.mark.parametrize(
    ("schedule", "reason_or_share"),
    [
        (AlgoParams("VWAP"), "NO_SCHEDULE"),
        (AlgoParams("CUSTOM", format_rfc3339(OPEN), format_rfc3339(OPEN + HOUR)), "NO_SCHEDULE"),
        (AlgoParams("TWAP", format_rfc3339(OPEN + HOUR), format_rfc3339(OPEN)), "NO_SCHEDULE"),
        (AlgoParams("POV"), "NO_SCHEDULE"),
        (AlgoParams("POV", participation=0.02), 0.02 / 0.98 * 30_000 / 1000),
        (AlgoParams("TWAP", format_rfc3339(OPEN), format_rfc3339(OPEN + 2 * HOUR)), 3602 / 7200),
        (AlgoParams("VWAP", format_rfc3339(OPEN), format_rfc3339(OPEN + 2 * HOUR)), 3602 / 7200),
        (AlgoParams("IS", format_rfc3339(OPEN), format_rfc3339(OPEN + 2 * HOUR)), 0.8),
    ],
)
def test_expected_progress_follows_the_schedule_the_algorithm_was_told(
    tape, run, lab, schedule, reason_or_share
):
    morning(tape, lab, algo_params=schedule)

    rows = run(tape, **settings(lab, known(volume_curve=[0.25] * 4)))
    fills = lab.finals(rows)
    last = fills[fills["cum_qty"] == 600][0]

    if isinstance(reason_or_share, str):
        assert lab.record(rows)["expected_progress"] == reason_or_share
        assert lab.record(rows)["execution_speed"] == reason_or_share
    elif schedule.schedule == "IS":
        assert last["expected_progress"] > 3602 / 7200, "front-loaded"
    else:
        assert last["expected_progress"] == pytest.approx(reason_or_share, rel=1e-9)


def test_a_vwap_order_without_a_curve_has_no_expected_progress(tape, run, lab):
    params = AlgoParams("VWAP", format_rfc3339(OPEN), format_rfc3339(OPEN + HOUR))
    morning(tape, lab, algo_params=params)

    assert lab.record(run(tape, **settings(lab)))["expected_progress"] == "NO_REFERENCE"


def test_a_record_takes_effect_at_its_time_however_the_events_are_cut(tape, lab):
    morning(tape, lab)
    later = known(effective_from=format_rfc3339(OPEN + 1500 * SECOND), spread_bps=8.0)
    whole = tape.batches()
    results = []
    for pieces in (1, 3, 7):
        desk = lab.Desk(**settings(lab, known(), later))
        desk.push(whole[0], whole[5], *lab.cut(whole[2], pieces), whole[1], whole[3])
        results.append(lab.finals(desk.rows))

    fills = results[0][results[0]["cum_qty"] > 0]
    risks = fills["expected_cost_bps"] - results[0]["expected_cost_bps"][0]
    assert len(fills) >= 6
    assert not np.isnan(risks[1:]).all()
    for other in results[1:]:
        assert other.tobytes() == results[0].tobytes()


def test_a_record_on_the_topic_is_known_from_its_own_place_in_time(tape, lab):
    morning(tape, lab)
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    raw = json.dumps(
        {"type": "reference", "symbol": "X", "adv_qty": 1e6, "sigma_daily_bps": 150.0,
         "spread_bps": 2.0, "tick": 0.01, "calendar": "XNYS"}
    ).encode()  # fmt: skip
    control = b'{"type":"silence_set"}'
    whole = tape.batches()
    results = []
    for pieces, restart in ((1, False), (5, False), (5, True)):
        desk = lab.Desk(MarketSettings(inputs, default_calendar="XNYS"))
        records = Batch(3, references=[raw, control], watermark=OPEN + 1500 * SECOND)
        desk.push(records, whole[0], whole[5])
        if restart:
            desk.restart()
        end = Batch(3, watermark=OPEN + 9000 * SECOND, ended=True)
        desk.push(end, *lab.cut(whole[2], pieces), whole[1], whole[3])
        results.append(lab.finals(desk.rows))

    for other in results[1:]:
        assert other.tobytes() == results[0].tobytes()
    by_fill = results[0][results[0]["last_qty"] == 100]
    assert np.isnan(by_fill["risk_bps"][by_fill["ts"] < OPEN + 1500 * SECOND]).all()
    assert not np.isnan(by_fill["risk_bps"][by_fill["ts"] > OPEN + 1500 * SECOND]).any()


def test_a_record_is_measured_with_the_numbers_of_its_last_status(tape, lab):
    morning(tape, lab)
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    later = OPEN + 9000 * SECOND
    records = [
        b'{"type":"reference","symbol":"X","adv_qty":%d,"sigma_daily_bps":150,"spread_bps":2,'
        b'"tick":0.01,"calendar":"XNYS","effective_from":"%s"}' % (adv, format_rfc3339(t).encode())
        for adv, t in ((1_000_000, OPEN), (9_000_000, later))
    ]
    desk = lab.Desk(MarketSettings(inputs, default_calendar="XNYS"))
    whole = tape.batches()
    desk.push(Batch(3, references=records, watermark=OPEN, ended=True), *whole[:-1])
    desk.push(Batch(2, watermark=later + SECOND, ended=True))

    last = lab.finals(desk.rows)
    for order, record in lab.records(desk.rows).items():
        status = last[last["order"] == order][-1]
        assert record["expected_cost_bps"] == status["expected_cost_bps"] > 0
