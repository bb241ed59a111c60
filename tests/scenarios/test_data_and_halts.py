"""The market stops, or only its data do: who is judged then, and who is told."""

import numpy as np
import pytest

from domain.instants import SECOND
from domain.rows import MarketFlag
from operators.feed import STEADY_NS
from rules.levels import SLOW_GAP
from sources.simulator.spec import FaultSpec, HaltSpec
from tests.scenarios.given import DESK, desk, order, symbol
from tests.scenarios.outcome import EVALUATION_S, simulated

SLOW, COST, DATA = "SLOW_EXECUTION", "HIGH_COST", "DATA"
SILENT_FROM_S, SILENT_UNTIL_S = 600.0, 880.0
STOPS_S, BACK_S = 3_600.0, 4_500.0
HALT_FROM_S, HALT_S = 900.0, 1_000.0


def troubled(*more):
    """A TWAP that stalls, and a VWAP that grows expensive, both from the same time on."""
    return simulated(
        desk(
            order("STALLED", "AAA", 20_000, 300, 1_200),
            order("COSTLY", "BBB", 20_000, 300, 1_200, "VWAP"),
            minutes=20,
            faults=(
                FaultSpec(
                    kind="stalled_algorithm", algorithm="TWAP", symbol="AAA", start_s=SILENT_FROM_S
                ),
                FaultSpec(
                    kind="costly_algorithm", algorithm="VWAP", start_s=SILENT_FROM_S, bps=80.0
                ),
                *more,
            ),
        )
    )


@pytest.fixture(scope="module")
def with_data():
    return troubled()


@pytest.fixture(scope="module")
def without_data():
    """The same while the feed says nothing."""
    return troubled(FaultSpec(kind="stale_feed", start_s=SILENT_FROM_S, end_s=SILENT_UNTIL_S))


@pytest.fixture(scope="module")
def halted():
    """A long halt: of an order that is on schedule, and of one whose algorithm sleeps."""
    return simulated(
        desk(
            order("ON TIME", "AAA", 20_000, 10, 2_410),
            order("BEHIND", "AAA", 20_000, 10, 2_410, "VWAP"),
            minutes=41,
            faults=(FaultSpec(kind="stalled_algorithm", algorithm="VWAP", start_s=20.0),),
            halts=(HaltSpec(symbol="AAA", start_s=HALT_FROM_S, duration_s=HALT_S),),
        )
    )


def during(outcome, begin_s, end_s):
    """What was told between two times."""
    return [
        change
        for change in outcome.changes
        if begin_s <= outcome.seconds(change.transition.at) < end_s
    ]


def test_a_stalled_twap_is_seen_at_the_same_time_with_and_without_data(with_data, without_data):
    assert without_data.told("STALLED")[:2] == [
        ("STALLED", SLOW, "RAISED", "LOW"),
        ("STALLED", SLOW, "SEVERITY", "MEDIUM"),
    ]
    for severity in ("LOW", "MEDIUM"):
        at = without_data.reached("STALLED", SLOW, severity)
        assert at == with_data.reached("STALLED", SLOW, severity)
        assert SILENT_FROM_S < without_data.seconds(at) < SILENT_UNTIL_S


def test_rules_that_need_prices_are_silent_with_the_feed(with_data, without_data):
    seen = with_data.seconds(with_data.reached("COSTLY", COST, "MEDIUM"))
    assert SILENT_FROM_S < seen < SILENT_UNTIL_S

    told = during(without_data, 0, SILENT_UNTIL_S + 2 * EVALUATION_S)
    assert {change.alert.type for change in told} == {SLOW, DATA}
    assert without_data.seconds(without_data.reached("COSTLY", COST, "MEDIUM")) > SILENT_UNTIL_S


def test_a_silent_feed_is_one_page_with_the_orders_that_it_concerns(without_data):
    (raised, escalated, resolved) = [c for c in without_data.changes if c.alert.type == DATA]

    assert str(escalated.transition.change) == "ESCALATED"
    assert (str(raised.transition.change), raised.notify) == ("RAISED", True)
    assert raised.alert.scope.startswith("feed:market-data-")
    assert raised.alert.desk == DESK
    assert (
        5.0 < without_data.seconds(raised.transition.at) - SILENT_FROM_S <= 5.0 + 2 * EVALUATION_S
    )
    assert (str(resolved.transition.change), resolved.notify) == ("RESOLVED", False)
    steady_s = STEADY_NS / SECOND
    after_s = without_data.seconds(resolved.transition.at) - SILENT_UNTIL_S - steady_s
    assert 0.0 < after_s <= 2 * EVALUATION_S


@pytest.fixture(scope="module")
def thin():
    """A feed with one illiquid symbol, a word every seven seconds, that stops for good."""
    return simulated(
        desk(
            order("PATIENT", "THIN", 3_000, 10, 5_300),
            minutes=90,
            symbols=(symbol("THIN", adv_qty=200_000, quotes_per_s=0.1, trades_per_s=0.05),),
            faults=(FaultSpec(kind="stale_feed", start_s=STOPS_S, end_s=BACK_S),),
        )
    )


def test_a_thin_feed_that_is_well_is_no_page_though_its_quotes_are_stale_at_times(thin):
    rows = thin.marks_of("PATIENT")
    well = rows[rows["known"] < thin.start_ns + STOPS_S * SECOND]
    stale = (well["market_flags"] & MarketFlag.STALE) != 0

    assert np.count_nonzero(np.diff(stale.astype(int)) > 0) > 20
    assert during(thin, 0, STOPS_S) == []


def test_a_thin_feed_that_stops_is_one_page_within_some_gaps_of_its_own(thin):
    raised, *_, resolved = [c for c in thin.changes if c.alert.type == DATA]
    at_s, over_s = (thin.seconds(change.transition.at) for change in (raised, resolved))

    assert STOPS_S + 60.0 < at_s < STOPS_S + 300.0
    assert over_s > BACK_S + STEADY_NS / SECOND
    assert len([alert for alert in thin.alerts if alert.type == DATA]) == 1


def test_an_order_in_a_halt_is_left_alone_and_so_it_is_afterwards(halted):
    rows = halted.marks_of("ON TIME")
    stopped = rows[(rows["market_flags"] & MarketFlag.HALTED) != 0]
    assert len(stopped) == HALT_S / EVALUATION_S
    assert np.ptp(stopped["execution_progress"]) == 0.0
    due = stopped["expected_progress"] - stopped["execution_progress"]
    assert np.ptp(stopped["expected_progress"]) == 0.0, "nothing falls due in a halt"
    assert due.max() < SLOW_GAP[0]

    assert halted.told("ON TIME") == []


def test_nobody_is_told_of_an_order_while_its_market_is_halted(halted):
    before = during(halted, 0, HALT_FROM_S)
    assert before[-1].alert.scope == "BEHIND"
    assert before[-1].alert.severity == "HIGH"

    stopped = during(halted, HALT_FROM_S + EVALUATION_S, HALT_FROM_S + HALT_S)
    assert [change for change in stopped if change.notify] == []
    after = during(halted, HALT_FROM_S + HALT_S, 2_400)
    assert [change.alert.scope for change in after if change.notify][:1] == ["BEHIND"]
