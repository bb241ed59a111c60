import bytewax.operators as op
import msgspec
import numpy as np
import pytest
from bytewax.dataflow import Dataflow
from bytewax.testing import TestingSink, TestingSource, run_main
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.errors import RecoveryError
from domain.instants import END_OF_TIME
from domain.keys import GROUP_KEYS, key_of
from domain.reference import ReferenceRecord
from domain.rows import ORDER, STATUS_IN_KERNELS, MarketFlag, Rows
from domain.thresholds import AlertType, Configured
from domain.vocabulary import EventKind
from operators.alerts.watch import WatchLogic, WatchSettings, watch_orders
from operators.orders.group import OrderSettings
from rules.severity import spread_bps

T0 = 1_700_000_000 * 1_000_000_000
SECOND = 1_000_000_000
TWAP = ("TWAP", 0.5, 1000.5, None)
SLOW = AlertType.SLOW_EXECUTION
COST = AlertType.HIGH_COST
IMPACT = AlertType.MARKET_IMPACT
KNOWN = ReferenceRecord(
    type="reference", symbol="X", adv_qty=1e6, sigma_daily_bps=200.0, spread_bps=2.0, tick=0.01,
    lot=100.0, calendar="24/7",
)  # fmt: skip
WITH_REFERENCE = OrderSettings(progress_ns=20_000_000, references=(KNOWN,))


def quotes(tape, until, px=100.0, every=1.0, begin=0.0):
    t = begin
    while t < until:
        tape.quote(t, px - 0.01, px + 0.01)
        t += every


def in_time(tape):
    """The tape as it would have been stored."""
    for messages in (tape.market, tape.orders):
        messages.sort(key=lambda message: message.ts_event)


def control(t, type_, **members):
    return (T0 + round(t * 1e9), msgspec.json.encode({"type": type_, **members}))


def asks(t, thresholds, order_id="A", version="v1"):
    return control(
        t, "monitoring_started", order_id=order_id, alert_thresholds=thresholds,
        config_version=version,
    )  # fmt: skip


def test_an_order_that_stalls_is_slow_within_three_evaluations_of_the_level(tape, judged, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP, desk="D")

    crossings = judged(tape)

    assert said(crossings) == [("A", "LOW"), ("A", "MEDIUM")]
    level = T0 + int(200.5 * SECOND)
    assert level < crossings[1].t <= level + 15 * SECOND


def test_the_specifications_own_example_comes_out_with_its_fields(tape, judged):
    quotes(tape, 702)
    tape.accept(0.5, 10_000, schedule=TWAP, desk="D")
    for i in range(8):
        tape.fill(20 + 60 * i, 562.5, 100.0, f"e{i}", venue="XNAS")

    found = judged(tape)[-1]

    assert found.type is SLOW
    assert found.severity.name == "MEDIUM"
    assert found.progress == 0.45
    assert found.expected_progress == pytest.approx(0.65, abs=0.02)
    assert found.metrics.execution_speed == pytest.approx(0.45 / found.expected_progress)
    assert found.recommendation == "Consider increasing participation rate"
    assert found.evidence.n == 8
    assert found.evidence.threshold == 0.20
    assert (found.desk, found.symbol, found.order_ids) == ("D", "X", ["A"])


def test_an_order_on_schedule_is_left_alone(tape, judged):
    quotes(tape, 1000)
    tape.accept(0.5, 10_000, schedule=TWAP)
    for i in range(50):
        tape.fill(10 + 20 * i, 200, 100.0, f"e{i}", venue="XNAS")
    assert judged(tape) == []


def test_an_order_that_catches_up_is_cleared_after_a_minute(tape, judged, said):
    quotes(tape, 400)
    tape.accept(0.5, 10_000, schedule=TWAP)
    tape.fill(250, 2_500, 100.0, "e1", venue="XNAS")

    crossings = judged(tape)

    assert said(crossings) == [("A", "LOW"), ("A", "MEDIUM"), ("A", "CLEARED")]
    assert 310 * SECOND < crossings[-1].t - T0 <= 320 * SECOND


def test_an_alert_ends_with_its_order(tape, judged, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP)
    tape.say("order_cancelled", 260)
    assert said(judged(tape))[-1] == ("A", "ENDED")


def test_a_market_order_done_in_50_ms_is_no_alert(tape, run, judge_of):
    quotes(tape, 40)
    tape.accept(10.0, 1_000, ord_type="MARKET")
    tape.fill(10.05, 1_000, 100.01, "e1", venue="XNAS")
    assert judge_of().take(run(tape, orders=WITH_REFERENCE)) == []


def test_a_dear_order_too_short_to_be_judged_is_judged_at_its_end_and_not_paged(
    tape, run, judge_of, said
):
    quotes(tape, 40)
    tape.accept(10.0, 1_000, ord_type="MARKET")
    tape.fill(10.05, 1_000, 103.0, "e1", venue="XNAS")

    crossings = judge_of().take(run(tape, orders=WITH_REFERENCE))

    assert said(crossings) == [("A", "MEDIUM"), ("A", "ENDED")]
    assert [c.type for c in crossings] == [COST, COST]
    assert not any(c.pages for c in crossings)


def test_a_parent_with_twenty_children_is_one_alert(tape, judged, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, order_id="P", schedule=TWAP)
    for i in range(20):
        tape.accept(1 + i, 500, order_id=f"P.{i}", parent_order_id="P", root_order_id="P")
    assert said(judged(tape)) == [("P", "LOW"), ("P", "MEDIUM")]


def test_a_child_with_a_schedule_says_who_stands_above_it(tape, judged):
    quotes(tape, 200)
    tape.accept(0.5, 10_000, order_id="P", schedule=TWAP)
    tape.accept(1, 500, order_id="P.1", parent_order_id="P", root_order_id="P", schedule=TWAP)
    tape.accept(2, 100, order_id="P.1.1", parent_order_id="P.1", root_order_id="P", schedule=TWAP)

    found = {c.scope: c.ancestors for c in judged(tape) if c.type is SLOW}

    assert found == {"P": [], "P.1": ["P"], "P.1.1": ["P", "P.1"]}


def test_a_child_with_a_schedule_of_its_own_is_judged_by_it(tape, judged, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, order_id="P")
    tape.accept(
        1, 5_000, order_id="C", schedule=TWAP, parent_order_id="P", root_order_id="P"
    )  # fmt: skip
    assert said(judged(tape)) == [("C", "LOW"), ("C", "MEDIUM")]


def dear(tape, until=300):
    """An order of little volume whose price is 30 bps above a market that then stays."""
    quotes(tape, 1.0)
    tape.accept(0.5, 10_000, desk="D", asset_class="EQUITY")
    for t in range(1, until):
        tape.quote(t, 100.29, 100.31)
        tape.trade(t + 0.1, 100.3, 1_000.0)
    for i in range(4):
        tape.fill(2 + i, 1_000, 100.30, f"e{i}", venue="XNAS")


def test_a_cost_beyond_its_risk_is_high_cost_and_medium_without_an_index(tape, run, judge_of, said):
    dear(tape, 30)

    crossings = judge_of().take(run(tape, orders=WITH_REFERENCE))

    assert said(crossings, COST) == [("A", "MEDIUM")]
    found = next(c for c in crossings if c.type is COST)
    assert found.evidence.actual == pytest.approx(30.0)
    assert found.evidence.z > 4
    assert found.evidence.threshold == 2.5


def test_the_same_move_is_impact_for_a_large_order_and_nothing_for_a_small_one(
    tape, run, judge_of, said
):
    dear(tape, 30)
    crossings = judge_of().take(run(tape, orders=WITH_REFERENCE))
    assert ("A", "CRITICAL") in said(crossings, IMPACT)

    tape.market = [m for m in tape.market if m.type == "quote"]
    for t in range(1, 30):
        tape.trade(t + 0.1, 100.3, 1e6)
    assert said(judge_of().take(run(tape, orders=WITH_REFERENCE)), IMPACT) == []


def test_in_a_halt_nobody_is_judged(tape, judged):
    from domain.events import MarketMessage
    from domain.instants import format_rfc3339

    quotes(tape, 60)
    tape.market.append(
        MarketMessage(type="halted", ts_event=format_rfc3339(T0 + 60 * SECOND), symbol="X")
    )
    tape.accept(0.5, 10_000, schedule=TWAP)
    tape.say("cancel_rejected", 600)
    assert judged(tape) == []


def test_an_alert_that_is_open_is_told_of_again_when_its_market_is_halted_and_goes_on(
    tape, judged, said
):
    quotes(tape, 250)
    halted(tape, 250, 300)
    quotes(tape, 340, begin=300.5)
    tape.accept(0.5, 10_000, schedule=TWAP)
    tape.accept(0.6, 10_000, order_id="B")

    crossings = judged(tape)

    assert said(crossings) == [("A", "LOW"), *[("A", "MEDIUM")] * 3]
    assert [c.halted for c in crossings] == [False, False, True, False]
    assert [(c.t - T0) // (5 * SECOND) * 5 for c in crossings[2:]] == [250, 300]


def halted(tape, begin, end):
    from domain.events import MarketMessage
    from domain.instants import format_rfc3339

    for type_, t in (("halted", begin), ("resumed", end)):
        when = format_rfc3339(T0 + t * SECOND)
        tape.market.append(MarketMessage(type=type_, ts_event=when, symbol="X"))


def test_after_a_halt_an_order_has_a_minute_to_catch_up(tape, judged, said):
    quotes(tape, 100)
    halted(tape, 100, 600)
    quotes(tape, 1_000, begin=600.5)
    for order_id in ("A", "B"):
        tape.accept(0.5, 10_000, order_id=order_id, schedule=TWAP)
        tape.fill(95, 1_000, 100.0, f"{order_id}1", order_id=order_id, venue="XNAS")
        if order_id == "A":
            tape.fill(640, 2_000, 100.0, "A2", order_id=order_id, venue="XNAS")
    in_time(tape)

    crossings = [c for c in judged(tape) if c.t < T0 + 680 * SECOND]

    assert said(crossings) == [("B", "LOW")]
    assert crossings[0].t > T0 + 660 * SECOND


def test_with_a_silent_feed_the_schedule_is_still_watched_and_the_desk_told_once(
    tape, run, judge_of, said
):
    dear(tape)
    tape.orders[0].algo_params = None
    tape.accept(0.7, 10_000, order_id="T", schedule=TWAP, desk="D")
    rows = run(tape, orders=WITH_REFERENCE)
    for one in rows:
        one.status["market_flags"] |= np.where(
            (one.status["ts"] >= T0 + 3 * SECOND) & (one.status["ts"] < T0 + 250 * SECOND),
            MarketFlag.STALE | MarketFlag.SILENT, 0,
        )  # fmt: skip

    crossings = judge_of(market_partitions=1).take(rows)

    before = [c for c in crossings if c.t < T0 + 250 * SECOND]
    assert said(before, COST) == []
    assert said(before, IMPACT) == []
    assert said(crossings, SLOW) == [("T", "LOW"), ("T", "MEDIUM")]
    told = [c for c in crossings if c.type == "DATA"]
    assert said(told)[:2] == [("feed:market-data-0", "HIGH"), ("feed:market-data-0", "CLEARED")]
    assert {c.desk for c in told} == {"D"}


def test_a_desk_is_told_that_a_feed_speaks_again_when_its_last_silent_order_ended(
    tape, run, judge_of, said
):
    quotes(tape, 60)
    tape.accept(0.5, 1_000, desk="D")
    tape.say("order_cancelled", 50)
    rows = run(tape)
    for one in rows:
        one.status["market_flags"] |= MarketFlag.SILENT
    assert said(judge_of(market_partitions=1).take(rows)) == [
        ("feed:market-data-0", "HIGH"), ("feed:market-data-0", "CLEARED"),
    ]  # fmt: skip


def test_a_feed_s_page_ends_once_it_speaks_steadily_and_none_begins_before(
    tape, run, judge_of, said
):
    quotes(tape, 200)
    tape.accept(0.5, 1_000, desk="D")
    tape.accept(70, 1_000, order_id="LATE", desk="E")
    rows = run(tape)
    for one in rows:
        at = one.status["ts"]
        silent = (at >= T0 + 20 * SECOND) & (at < T0 + 60 * SECOND)
        shaky = (at >= T0 + 60 * SECOND) & (at < T0 + 120 * SECOND)
        one.status["market_flags"] |= np.where(silent, MarketFlag.SILENT, 0)
        one.status["market_flags"] |= np.where(shaky, MarketFlag.UNSTEADY, 0)
        one.status["market_flags"] |= np.where(at >= T0 + 130 * SECOND, MarketFlag.STALE, 0)

    told = judge_of(market_partitions=1).take(rows)

    assert [(c.desk, c.severity is not None) for c in told] == [("D", True), ("D", False)]
    assert [(c.t - T0) // (5 * SECOND) * 5 for c in told] == [20, 120]


def test_what_somebody_asked_for_an_order_holds_from_then_on(tape, judged, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP)
    tape.accept(0.6, 10_000, order_id="B", schedule=TWAP)

    crossings = judged(tape, [asks(120, {"SLOW_EXECUTION": 0.5}, version="mine")])

    assert said([c for c in crossings if c.scope == "B"]) == [("B", "LOW"), ("B", "MEDIUM")]
    mine = [c for c in crossings if c.scope == "A"]
    assert said(mine)[:2] == [("A", "LOW"), ("A", "CLEARED")]
    assert mine[0].evidence.config_version == ""
    assert mine[1].evidence.config_version == "mine"


def test_a_second_request_replaces_the_first_and_stopping_gives_the_defaults_back(
    tape, judged, said
):
    quotes(tape, 330)
    tape.accept(0.5, 10_000, schedule=TWAP)
    told = [
        asks(10, {"SLOW_EXECUTION": 0.9}),
        asks(20, {"SLOW_EXECUTION": 0.8}),
        control(260, "monitoring_stopped", order_id="A"),
        control(270, "alert_acknowledged", order_id="A"),
        control(280, "monitoring_started", order_id=None),
    ]

    crossings = judged(tape, told)

    assert said(crossings) == [("A", "MEDIUM")]
    assert 260 * SECOND < crossings[0].t - T0 < 280 * SECOND


def test_caps_and_floors_that_were_asked_for_fire_at_medium(tape, run, judge_of, said):
    dear(tape, 30)
    rows = run(tape)
    thresholds = {
        "SLIPPAGE": 20.0, "MARKET_IMPACT_BPS": 20.0, "FILL_RATE": 0.5, "COST_EFFICIENCY": 0.9,
    }  # fmt: skip
    crossings = judge_of().take([Rows(controls=[asks(0, thresholds)]), *rows])
    assert sorted(said(crossings)) == [("A", "MEDIUM")] * 3
    assert {c.type for c in crossings} == {SLOW, COST, IMPACT}


def share_of_volume(tape, per_second):
    """An order for a tenth of the volume that takes so much of a thousand a second."""
    quotes(tape, 250)
    tape.accept(0.5, 100_000, schedule=("POV", 0.5, 1000.5, 0.10))
    for t in range(1, 250):
        tape.trade(t + 0.1, 100.0, 1_000.0)
        if per_second:
            tape.fill(t + 0.2, per_second, 100.0, f"e{t}", venue="XNAS")
    in_time(tape)


def test_a_share_of_volume_is_judged_by_its_share(tape, judged, said):
    share_of_volume(tape, 0)
    [found] = crossings = judged(tape)
    assert said(crossings) == [("A", "CRITICAL")]
    evidence = found.evidence
    assert (evidence.expected, evidence.actual, evidence.threshold) == (0.10, 0.0, 0.2)
    # Two slices that miss a lively market are no alert.
    assert 0.15 < found.expected_progress < 0.18


def test_a_share_of_volume_that_ends_has_its_share_and_no_threshold(tape, judged, said):
    share_of_volume(tape, 0)
    tape.say("order_cancelled", 240)

    [_, over] = crossings = judged(tape)

    assert said(crossings) == [("A", "CRITICAL"), ("A", "ENDED")]
    assert (over.evidence.actual, over.evidence.threshold, over.recommendation) == (0.0, None, "")


def test_a_share_of_volume_is_judged_by_a_gap_where_one_is_asked(tape, judged, said):
    share_of_volume(tape, 82.5)
    assert judged(tape) == []
    asked = [asks(0, {"SLOW_EXECUTION": 0.05})]
    assert said(judged(tape, asked)) == [("A", "MEDIUM")]


def test_configured_thresholds_hold_for_the_orders_they_name(tape, judged, said):
    quotes(tape, 300)
    for i, more in enumerate(({"desk": "D"}, {"desk": "E"}, {"asset_class": "EQUITY"})):
        tape.accept(0.5, 10_000, order_id=f"O{i}", schedule=TWAP, **more)
    configured = (
        Configured({"SLOW_EXECUTION": 0.9}, desk="D"),
        Configured({"SLOW_EXECUTION": 0.8}, asset_class="EQUITY"),
        Configured({"SLOW_EXECUTION": 0.7}, symbol="Y"),
    )

    crossings = judged(tape, configured=configured, config_version="c7")

    assert said(crossings) == [("O1", "LOW"), ("O1", "MEDIUM")]
    assert crossings[0].evidence.config_version == "c7"


def test_an_order_that_mostly_went_to_one_venue_names_it(tape, judged):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP)
    for i, (venue, qty) in enumerate((("XNAS", 300), ("BATS", 200), ("XNAS", 100))):
        tape.say(
            "route_sent", 10 + i, exec_id=None, route_id=f"r{i}", venue=venue, order_qty=qty
        )  # fmt: skip
    assert judged(tape)[0].main_venue == "XNAS"

    tape.say("route_sent", 19, route_id="r8", order_qty=5_000)
    tape.say("route_sent", 20, route_id="r9", venue="BATS", order_qty=200)
    assert judged(tape)[0].main_venue == ""


def test_an_order_at_a_limit_that_the_market_left_says_so(tape, judged):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP, limit_px=99.5, ord_type="LIMIT")
    found = judged(tape)[0]
    assert found.limit_bound
    assert found.recommendation == "Review limit: market 50 bps away"


def test_marks_for_a_screen_are_not_evaluations(tape, run, judge_of):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP)
    rows = run(tape)
    for one in rows:
        one.status["market_flags"] |= MarketFlag.SHOWS_ONLY
    assert judge_of().take(rows) == []


def test_a_restated_end_is_not_judged_again(tape, run, judge_of, said):
    quotes(tape, 60)
    tape.accept(10.0, 1_000, ord_type="MARKET")
    tape.fill(10.05, 1_000, 103.0, "e1", venue="XNAS")
    tape.say("fill_corrected", 20, exec_ref_id="e1", exec_id="e2", last_qty=1_000, last_px=103.1)
    crossings = judge_of().take(run(tape, orders=WITH_REFERENCE))
    assert said(crossings) == [("A", "MEDIUM"), ("A", "ENDED")]


def test_an_order_that_is_over_is_judged_no_more(tape, run, judge_of, said):
    quotes(tape, 60)
    tape.accept(10.0, 1_000, ord_type="MARKET")
    tape.fill(10.05, 1_000, 103.0, "e1", venue="XNAS")
    judge = judge_of()
    rows = run(tape, orders=WITH_REFERENCE)
    assert said(judge.take(rows)) == [("A", "MEDIUM"), ("A", "ENDED")]
    (end,) = [row for one in rows for row in one.status if row["ts"] == row["closed_ts"]]
    names = next(one.names for one in rows if len(one.status))
    found_later = np.array([end])
    found_later["kind"] = EventKind.OWN_PRINT
    leaves = np.zeros(1, ORDER)

    assert judge.take([Rows(status=found_later, names=names)]) == []
    assert judge.take([Rows(status=np.array([end]), orders=leaves, names=names)]) == []


def crowd(tape, count=150):
    quotes(tape, 260)
    for i in range(count):
        tape.accept(0.5 + i / count, 10_000, order_id=f"O{i}", schedule=TWAP, desk="D")
        if i % 3 == 0:
            tape.say("order_cancelled", 230, f"O{i}")
        if i % 4 == 0:
            tape.fill(225, 4_000, 100.0, f"e{i}", order_id=f"O{i}", venue="XNAS")
    in_time(tape)


@pytest.mark.large
def test_many_orders_are_each_judged_and_forgotten(tape, run, judge_of, said):
    crowd(tape)
    judge = judge_of()
    crossings = judge.take(run(tape))
    assert said(crossings).count(("O1", "MEDIUM")) == 1
    assert len({c.scope for c in crossings}) == 150
    assert sum(c.ended for c in crossings) == 50
    for i in range(0, 150, 3):
        assert key_of(f"O{i}") not in judge.logic._table[:, 0]


@pytest.mark.large
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 400), max_size=4), restarts=st.booleans())
def test_crossings_do_not_depend_on_batches_or_restarts(lab, judge_of, cuts, restarts):
    tape = lab.Tape()
    crowd(tape, 24)
    desk = lab.Desk()
    desk.push(*tape.batches())
    rows = [Rows(controls=[asks(215, {"SLOW_EXECUTION": 0.3}, "O1")]), *desk.rows]
    expected = judge_of().take(rows)

    judge, begin, out = judge_of(), 0, []
    for end in [*sorted(cuts), len(rows)]:
        out += judge.take(rows[begin:end])
        begin = max(begin, end)
        if restarts:
            judge.restart()

    assert out == expected


def test_one_large_batch_gives_what_small_ones_give(tape, run, judge_of):
    crowd(tape, 24)
    tape.accept(259.0, 1_000, order_id="Q", ord_type="MARKET")
    tape.fill(259.1, 1_000, 103.0, "q1", order_id="Q", venue="XNAS")
    tape.say(
        "fill_corrected", 259.2, "Q", exec_ref_id="q1", exec_id="q2", last_qty=1_000, last_px=103.1
    )
    rows = run(tape, orders=WITH_REFERENCE)
    names = {key: name for one in rows for key, name in one.names.items()}
    status = np.concatenate([one.status for one in rows])
    small = judge_of().take(rows)

    judge = judge_of()
    judge.logic._verdicts = np.zeros(8, judge.logic._verdicts.dtype)
    large = judge.take([Rows(status=status, names=names)])

    by_order = sorted(small, key=lambda c: (c.scope, c.type, c.t, c.seq, c.ended))
    assert sorted(large, key=lambda c: (c.scope, c.type, c.t, c.seq, c.ended)) == by_order


def test_an_order_that_is_over_and_was_never_judged_is_left_alone(tape, run, judge_of, said):
    quotes(tape, 60)
    tape.accept(10.0, 1_000, ord_type="MARKET")
    tape.fill(10.05, 1_000, 103.0, "e1", venue="XNAS")
    rows = run(tape, orders=WITH_REFERENCE)
    status = np.concatenate([one.status for one in rows])
    late = status.copy()
    late["restated"] = 1
    names = {key: name for one in rows for key, name in one.names.items()}
    tape.accept(20.0, 1_000, order_id="B", schedule=TWAP)
    other = np.concatenate([one.status for one in run(tape, orders=WITH_REFERENCE)])
    both = np.concatenate([other[other["order"] == key_of("B")], late])
    names[key_of("B")] = "B"
    assert judge_of().take([Rows(status=both, names=names)]) == []


def test_a_request_that_comes_when_its_order_is_watched_takes_effect(tape, run, judge_of, said):
    quotes(tape, 300)
    tape.accept(0.5, 10_000, schedule=TWAP)
    rows = run(tape)
    names = {key: name for one in rows for key, name in one.names.items()}
    status = np.concatenate([one.status for one in rows])
    early = status["known"] < T0 + 50 * SECOND
    judge = judge_of()
    asked = asks(60, {"SLOW_EXECUTION": 0.9})

    before = judge.take([Rows(status=status[early], names=names)])
    after = judge.take(
        [Rows(controls=[asked]), Rows(controls=[asked]), Rows(status=status[~early], names=names)]
    )

    assert before == []
    assert after == []
    assert said(judge_of().take(rows)) == [("A", "LOW"), ("A", "MEDIUM")]


def test_a_feed_is_told_of_once_for_all_the_orders_of_a_desk(tape, run, judge_of, said):
    quotes(tape, 60)
    tape.accept(0.5, 1_000, desk="D")
    tape.accept(0.6, 1_000, order_id="B", desk="D")
    rows = run(tape)
    for one in rows:
        one.status["market_flags"] |= MarketFlag.SILENT
    status = np.concatenate([one.status for one in rows])
    names = {key: name for one in rows for key, name in one.names.items()}
    status = status[np.argsort(status["known"], kind="stable")]
    found = judge_of(market_partitions=1).take([Rows(status=status, names=names)])
    assert said(found) == [("feed:market-data-0", "HIGH")]


def test_the_usual_spread_stands_in_where_the_market_is_crossed():
    row = np.zeros(1, STATUS_IN_KERNELS)
    row["bid"], row["ask"], row["usual_spread_bps"] = 100.0, 100.02, 7.0
    assert spread_bps(row[0]) == pytest.approx(1.9998)
    row["bid"] = 100.03
    assert spread_bps(row[0]) == 7.0


def test_the_step_says_how_far_it_is(tape, run, judge_of):
    quotes(tape, 3)
    judge = judge_of()
    judge.take(run(tape, orders=OrderSettings(progress_ns=20_000_000)))
    assert judge.watermark == END_OF_TIME
    assert judge.logic.notify_at() is None
    assert judge.logic.on_notify() == ([], False)
    assert judge.logic.on_eof() == ([], False)


def test_the_step_runs_under_the_engine(tape, run, judge_of):
    crowd(tape, 8)
    rows = run(tape, orders=WITH_REFERENCE)
    parcels = []
    flow = Dataflow("watched")
    up = op.input("rows", flow, TestingSource([(GROUP_KEYS[0], one) for one in rows]))
    op.output("out", watch_orders("watch", up, WatchSettings()), TestingSink(parcels))
    run_main(flow)
    found = [crossing for _, parcel in parcels for crossing in parcel.crossings]
    assert found
    assert found == judge_of().take(rows)


def test_a_snapshot_of_another_version_is_refused(judge_of):
    snapshot = judge_of().logic.snapshot()
    with pytest.raises(RecoveryError, match="version 99"):
        WatchLogic(WatchSettings(), (99, *snapshot[1:]))
