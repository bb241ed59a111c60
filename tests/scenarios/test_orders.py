"""One order in trouble, told by the simulated desk: one alert each, in time, and of its kind."""

import numpy as np
import pytest

from rules.levels import COST_Z, SLOW_GAP
from sources.simulator.spec import FaultSpec
from tests.scenarios.given import DESK, desk, order
from tests.scenarios.outcome import EVALUATION_NS, simulated

SLOW, COST = "SLOW_EXECUTION", "HIGH_COST"
STALL_S = 720.0


@pytest.fixture(scope="module")
def stalled():
    """A TWAP of half an hour falls asleep in it; the one beside it does not."""
    return simulated(
        desk(
            order("STALLED", "AAA", 20_000, 10, 1_810),
            order("FINE", "BBB", 20_000, 10, 1_810),
            minutes=31,
            faults=(
                FaultSpec(
                    kind="stalled_algorithm", algorithm="TWAP", symbol="AAA", start_s=STALL_S
                ),
            ),
        )
    )


@pytest.fixture(scope="module")
def costly():
    """An algorithm that books 30 bps worse than its venues' prices; the other's does not."""
    return simulated(
        desk(
            order("COSTLY", "AAA", 20_000, 10, 910, "VWAP"),
            order("FINE", "BBB", 20_000, 10, 910, "VWAP"),
            minutes=16,
            faults=(FaultSpec(kind="costly_algorithm", algorithm="VWAP", symbol="AAA", bps=30.0),),
        )
    )


def first_above(rows, values, level):
    """When a value of an order's marks first exceeded a level, UNIX ns."""
    return int(rows["known"][np.flatnonzero(values > level)[0]])


def test_a_stalled_algorithm_is_slow_at_the_third_evaluation_beyond_each_level(stalled):
    rows = stalled.marks_of("STALLED")
    gap = rows["expected_progress"] - rows["execution_progress"]

    for severity, level in zip(("LOW", "MEDIUM", "HIGH"), SLOW_GAP, strict=False):
        crossed = first_above(rows, gap, level)
        assert stalled.seconds(crossed) > STALL_S
        assert stalled.reached("STALLED", SLOW, severity) == crossed + 2 * EVALUATION_NS
    crossed = first_above(rows, gap, SLOW_GAP[-1])
    assert stalled.reached("STALLED", SLOW, "CRITICAL") == crossed + EVALUATION_NS


def test_a_stalled_algorithm_is_one_alert_from_its_beginning_to_its_order_s_end(stalled):
    assert stalled.told() == [
        ("STALLED", SLOW, "RAISED", "LOW"),
        ("STALLED", SLOW, "SEVERITY", "MEDIUM"),
        ("STALLED", SLOW, "SEVERITY", "HIGH"),
        ("STALLED", SLOW, "SEVERITY", "CRITICAL"),
        ("STALLED", SLOW, "ESCALATED", "CRITICAL"),
        ("STALLED", SLOW, "EXPIRED", "CRITICAL"),
    ]
    (alert,) = stalled.alerts
    assert (alert.desk, alert.order_ids, alert.symbol) == (DESK, ["STALLED"], "AAA")
    assert alert.recommendation == "Consider increasing participation rate"


def test_nobody_is_told_of_low_and_everybody_of_each_rise_above_it(stalled):
    told = [(str(c.transition.change), str(c.alert.severity)) for c in stalled.pages]

    assert told == [
        ("SEVERITY", "MEDIUM"), ("SEVERITY", "HIGH"), ("SEVERITY", "CRITICAL"),
        ("ESCALATED", "CRITICAL"),
    ]  # fmt: skip


def test_a_cost_of_30_bps_is_high_cost_and_without_an_index_medium_at_most(costly):
    rows = costly.marks_of("COSTLY")
    judged = rows["execution_progress"] >= 0.10
    crossed = first_above(rows[judged], rows[judged]["z_cost"], COST_Z[1])

    assert costly.told() == [
        ("COSTLY", COST, "RAISED", "MEDIUM"),
        ("COSTLY", COST, "EXPIRED", "MEDIUM"),
    ]
    assert costly.reached("COSTLY", COST, "MEDIUM") == crossed + 2 * EVALUATION_NS
    (page,) = costly.pages
    assert page.alert.evidence.actual == pytest.approx(30.0, abs=4.0)
    assert page.alert.evidence.threshold == COST_Z[1]


@pytest.mark.parametrize(("run", "parent"), [("stalled", "STALLED"), ("costly", "COSTLY")])
def test_a_parent_with_twenty_children_is_one_alert(run, parent, request):
    outcome = request.getfixturevalue(run)

    assert outcome.children_of(parent) >= 20
    assert [alert.scope for alert in outcome.alerts] == [parent]
    assert [alert.order_ids for alert in outcome.alerts] == [[parent]]
