"""The market moves against an order: by its own trading, or by itself while others trade."""

import pytest

from domain.vocabulary import Anomaly
from sources.simulator.spec import FaultSpec, ImpactSpec
from tests.scenarios.given import desk, order
from tests.scenarios.outcome import simulated

IMPACT = "MARKET_IMPACT"
QUARTER_OF_VOLUME, HUNDREDTH_OF_VOLUME = 128_000, 5_000
WORKED_S = 1_200.0
MOVE_FROM_S, MOVE_UNTIL_S = 600.0, 900.0
SEED = 5


@pytest.fixture(scope="module")
def heavy():
    """An order that is a fifth of the volume, in a market that gives way eight times too far."""
    return simulated(
        desk(
            order("HEAVY", "AAA", QUARTER_OF_VOLUME, 10, WORKED_S),
            minutes=21,
            impact=ImpactSpec(scale=12.0),
        ),
        SEED,
    )


@pytest.fixture(scope="module")
def moved_bps(heavy):
    """How far the market was against the heavy order at most."""
    return float(heavy.marks_of("HEAVY")["market_impact_bps"].max())


@pytest.fixture(scope="module")
def light(moved_bps):
    """Orders of a hundredth of the volume in a market that moves as far by itself.

    One is nearly done when it begins, the other is worked evenly through it.
    """
    move = FaultSpec(
        kind="market_move", symbol="AAA", start_s=MOVE_FROM_S, end_s=MOVE_UNTIL_S, bps=moved_bps
    )
    return simulated(
        desk(
            order("EARLY", "AAA", HUNDREDTH_OF_VOLUME, 10, WORKED_S, "IS", urgency="high"),
            order("EVEN", "AAA", HUNDREDTH_OF_VOLUME, 10, WORKED_S),
            minutes=21,
            impact=ImpactSpec(scale=0.0),
            faults=(move,),
        ),
        SEED,
    )


def drifting(outcome, order_id):
    """Marks of an order that are labelled with drift."""
    rows = outcome.marks_of(order_id)
    return rows[(rows["anomalies"] & Anomaly.DRIFT) != 0]


def test_an_order_that_is_much_of_the_market_and_moves_it_is_market_impact(heavy):
    (alert,) = [alert for alert in heavy.alerts if alert.type == IMPACT]

    assert alert.scope == "HEAVY"
    assert alert.recommendation == "Slow down"
    first = next(c.alert for c in heavy.pages if c.alert.type == IMPACT)
    assert first.alert_id == alert.alert_id
    assert first.evidence.z > first.evidence.threshold == 2.5
    assert {str(c.alert.type) for c in heavy.pages} == {IMPACT}
    assert len(drifting(heavy, "HEAVY")) == 0


def test_the_same_move_without_us_is_no_alert(light, moved_bps):
    rows = light.marks_of("EARLY")
    assert rows["market_impact_bps"].max() > 0.8 * moved_bps

    assert light.told("EARLY") == []
    assert [alert for alert in light.alerts if alert.type == IMPACT] == []


@pytest.mark.parametrize("order_id", ["EARLY", "EVEN"])
def test_the_same_move_without_us_is_labelled_as_drift(light, order_id):
    found = drifting(light, order_id)

    assert len(found) > 3
    assert light.seconds(int(found["known"][0])) > MOVE_FROM_S
    assert found["participation_rate"].max() < 0.05
