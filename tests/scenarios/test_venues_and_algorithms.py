"""What many orders share: a venue that refuses or falls quiet, an algorithm that costs more."""

from collections import Counter

import pytest

from domain.instants import SECOND, parse_rfc3339
from domain.reference import Baseline, ReferenceRecord
from domain.vocabulary import Topic
from sources.simulator.script import Simulation
from sources.simulator.spec import DeskSpec, FaultSpec, ImpactSpec, VenueSpec
from tests.scenarios.given import DESK, OPEN_NS, desk, order, symbol
from tests.scenarios.outcome import outcome, simulated

VENUE, ALGORITHM, SLOW = "VENUE_ISSUE", "ALGORITHM_UNDERPERFORMANCE", "SLOW_EXECUTION"
REFUSES_FROM_S = 600.0
STEADY = {"amend_rate": 0.0, "cancel_rate": 0.0, "reject_rate": 0.0, "limit_rate": 0.0,
          "bust_rate": 0.0, "correct_rate": 0.0, "desks": (DESK,)}  # fmt: skip
LUNCH_S, AFTER_LUNCH_S, CLOSE_S = 9_000.0, 12_600.0, 23_400.0
UNANSWERED_S = 1.9
"""Before the close: shorter than the desk waits for an answer."""


@pytest.fixture(scope="module")
def refusing_messages():
    """A venue that most orders go to refuses a fifth of them, and one algorithm stops."""
    spec = desk(
        order("STUCK", "AAA", 20_000, 10, 1_400, urgency="low"),
        minutes=21,
        venues=(
            VenueSpec(venue="XNAS", weight=10.0),
            VenueSpec(venue="ARCX", weight=1.0),
            VenueSpec(venue="EDGX", weight=1.0),
        ),
        desk=DeskSpec(
            open_parents=6, duration_s=(300.0, 600.0), algorithms={"VWAP": 1.0}, **STEADY
        ),
        faults=(
            FaultSpec(kind="rejecting_venue", venue="XNAS", rate=0.2, start_s=REFUSES_FROM_S),
            FaultSpec(kind="stalled_algorithm", algorithm="TWAP", start_s=REFUSES_FROM_S),
        ),
    )
    return list(Simulation(spec, 0).messages())


@pytest.fixture(scope="module")
def refusing(refusing_messages):
    return outcome(refusing_messages, OPEN_NS)


@pytest.fixture(scope="module")
def costly():
    """Two brokers work one algorithm; at one of them it books 5 bps worse."""
    return simulated(
        desk(
            minutes=20,
            symbols=tuple(
                symbol(name, sigma_daily_bps=150.0, adv_qty=40_000_000, quotes_per_s=0.5)
                for name in ("AAA", "BBB", "CCC", "DDD", "EEE", "FFF")
            ),
            desk=DeskSpec(
                open_parents=6, duration_s=(60.0, 120.0), participation=(0.02, 0.05),
                algorithms={"VWAP": 1.0}, brokers=("BRK1", "BRK2"), **STEADY,
            ),
            faults=(FaultSpec(kind="costly_algorithm", broker="BRK2", algorithm="VWAP", bps=5.0),),
        )
    )  # fmt: skip


@pytest.fixture(scope="module")
def quiet_messages():
    """A whole day on which a venue is quiet over lunch, and dead as the close comes."""
    slow = symbol("AAA", quotes_per_s=0.4, trades_per_s=0.3)
    last = (
        order(f"LAST-{n}", "AAA", 30_000, CLOSE_S - 60, CLOSE_S + 60, urgency="low")
        for n in range(8)
    )
    spec = desk(
        *last,
        minutes=CLOSE_S / 60,
        symbols=(slow, symbol("BBB", quotes_per_s=0.4, trades_per_s=0.3)),
        desk=DeskSpec(open_parents=3, duration_s=(900.0, 1_800.0), **STEADY),
        impact=ImpactSpec(scale=0.0),
        faults=(
            FaultSpec(kind="quiet_venue", venue="EDGX", start_s=LUNCH_S, end_s=AFTER_LUNCH_S),
            FaultSpec(kind="dead_venue", venue="EDGX", start_s=CLOSE_S - UNANSWERED_S),
        ),
    )
    return list(Simulation(spec, 0).messages())


@pytest.fixture(scope="module")
def quiet(quiet_messages):
    usual = {"reject_rate": Baseline(n=20_000, mean=0.003), "ack_ms": Baseline(n=20_000, p99=2.0)}
    known = tuple(
        ReferenceRecord(
            type="reference", scope=f"venue:{name}", calendar="XNYS", baselines=usual, days=20
        )
        for name in ("XNAS", "ARCX", "EDGX")
    )
    return outcome(quiet_messages, OPEN_NS, known)


def routed(messages, venue):
    """(seconds, order's root) of each route that was sent to a venue."""
    return [
        ((parse_rfc3339(m.ts_event) - OPEN_NS) / SECOND, m.root_order_id)
        for topic, m in messages
        if topic is Topic.ROUTES and m.type == "route_sent" and m.venue == venue
    ]


def test_a_venue_that_refuses_a_fifth_is_one_page_with_its_orders_inside(
    refusing, refusing_messages
):
    (page,) = refusing.pages
    raised_s = refusing.seconds(page.transition.at)

    assert (page.alert.scope, page.alert.type) == ("venue:XNAS", VENUE)
    assert REFUSES_FROM_S < raised_s < REFUSES_FROM_S + 300.0
    assert page.alert.severity == "MEDIUM"
    sent = {root for at, root in routed(refusing_messages, "XNAS") if at <= raised_s}
    still_open = {
        name for name in sent
        if refusing.states_of(name)["closed_ts"][-1] > page.transition.at
    }  # fmt: skip
    assert set(page.alert.order_ids) == still_open
    assert "STUCK" in still_open
    assert len(still_open) > 3


def test_an_order_that_is_slow_because_of_its_venue_is_in_the_venue_s_page(refusing):
    venue, stuck = (
        next(alert for alert in refusing.alerts if alert.type == type_) for type_ in (VENUE, SLOW)
    )

    assert (stuck.scope, stuck.main_venue) == ("STUCK", "XNAS")
    assert stuck.suppressed_by == stuck.group == venue.alert_id
    assert {alert.type for alert in refusing.alerts} == {VENUE, SLOW}


def test_an_algorithm_5_bps_worse_over_many_orders_underperforms(costly):
    (alert,) = [alert for alert in costly.alerts if alert.type == ALGORITHM]
    finished = Counter(
        costly.names[key] for key in costly.rows["broker"][costly.rows["parent"] == 0].tolist()
    )

    assert alert.scope == "algo:VWAP|BRK2"
    assert alert.rule_severity == "MEDIUM"
    assert alert.evidence.n >= 8
    assert alert.evidence.z > alert.evidence.threshold
    assert set(finished) == {"BRK1", "BRK2"}
    assert len([c for c in costly.pages if c.alert.type == ALGORITHM]) == 1


def test_a_venue_that_is_quiet_at_lunch_and_at_the_close_is_no_alert(quiet, quiet_messages):
    sent = [at for at, _ in routed(quiet_messages, "EDGX")]
    assert not [at for at in sent if LUNCH_S <= at < AFTER_LUNCH_S]
    assert min(len([at for at in sent if at < LUNCH_S]),
               len([at for at in sent if at >= AFTER_LUNCH_S])) > 100  # fmt: skip
    prints = {
        m.venue for topic, m in quiet_messages
        if topic is Topic.MARKET_DATA and m.type == "trade"
        and LUNCH_S <= (parse_rfc3339(m.ts_event) - OPEN_NS) / SECOND < AFTER_LUNCH_S
    }  # fmt: skip
    assert prints == {"XNAS", "ARCX"}

    given_up = [
        m.venue for topic, m in quiet_messages
        if topic is Topic.ROUTES and m.type == "route_timed_out"
    ]  # fmt: skip
    assert given_up == ["EDGX", "EDGX"]

    assert [alert for alert in quiet.alerts if alert.type == VENUE] == []
