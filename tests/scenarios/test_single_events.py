"""What can only be told event by event: orders too short to judge, values that never settle."""

import numpy as np
import pytest

from rules.levels import SLOW_GAP
from tests.scenarios.given import Tale
from tests.scenarios.outcome import EVALUATION_S, outcome

SLOW, COST = "SLOW_EXECUTION", "HIGH_COST"
MEDIUM_GAP = SLOW_GAP[1]
HORIZON_S = 4_000


def short_order(px):
    """A market order that is done in 50 ms."""
    tale = Tale("SHORT")
    tale.quotes(60)
    tale.accept(1_000, ord_type="MARKET", seq=1)
    tale.fill(0.05, 1_000, px)
    return outcome(tale.said, tale.begin_ns)


def wobbling_order():
    """A TWAP whose gap lies for ever 1 % above or below its limit, in turns of a minute."""
    tale = Tale("WOBBLES")
    tale.quotes(3_000)
    tale.accept(1_000_000, HORIZON_S)
    done = 0.0
    for n, t in enumerate(range(900, 3_000, EVALUATION_S)):
        above = n // 12 % 2 == 0
        due = (t + EVALUATION_S) / HORIZON_S - MEDIUM_GAP * (1.01 if above else 0.99)
        if due > done:
            tale.fill(t + 2.0, round((due - done) * 1_000_000))
            done = due
    return outcome(tale.said, tale.begin_ns)


@pytest.fixture(scope="module")
def wobbling():
    return wobbling_order()


def test_a_market_order_done_in_50_ms_is_no_alert():
    done = short_order(100.01)

    assert done.states_of("SHORT")["execution_progress"][-1] == 1.0
    assert done.told() == []


def test_a_value_that_wobbles_1_percent_around_its_limit_is_one_alert(wobbling):
    rows = wobbling.marks_of("WOBBLES")
    gap = (rows["expected_progress"] - rows["execution_progress"])[180:]
    assert 0.02 * MEDIUM_GAP > np.abs(gap - MEDIUM_GAP).max() > 0.009 * MEDIUM_GAP
    assert np.count_nonzero(np.diff(np.sign(gap - MEDIUM_GAP))) > 20

    assert wobbling.told() == [
        ("WOBBLES", SLOW, "RAISED", "LOW"),
        ("WOBBLES", SLOW, "SEVERITY", "MEDIUM"),
        ("WOBBLES", SLOW, "ESCALATED", "HIGH"),
    ]


def test_a_value_that_wobbles_is_told_of_once_and_again_when_nobody_answers(wobbling):
    told = [wobbling.seconds(change.transition.at) for change in wobbling.pages]

    first, escalated = told[:2]
    assert escalated - first == 900.0
