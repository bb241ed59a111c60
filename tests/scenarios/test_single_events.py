"""What can only be told event by event: orders too short to judge, values that never settle."""

import numpy as np
import pytest

from rules.levels import SLOW_GAP
from tests.scenarios.given import Tale
from tests.scenarios.outcome import EVALUATION_S, outcome

SLOW = "SLOW_EXECUTION"
MEDIUM_GAP = SLOW_GAP[1]
HORIZON_S, SETTLES_S = 4_000, 840


def short_order(px):
    """A market order that is done in 50 ms."""
    tale = Tale("SHORT")
    tale.quotes(60)
    tale.accept(1_000, ord_type="MARKET", seq=1)
    tale.fill(0.05, 1_000, px)
    return outcome(tale.said, tale.begin_ns)


@pytest.fixture(scope="module")
def wobbling():
    """A TWAP whose gap lies for ever 1 % above or below its limit, in turns of a minute."""
    tale = Tale("WOBBLES")
    tale.quotes(3_000)
    tale.accept(1_000_000, HORIZON_S)
    tale.acknowledge(SETTLES_S + 60, SLOW)
    done = 0.0
    for n, t in enumerate(range(SETTLES_S, 3_000, EVALUATION_S)):
        above = n // 12 % 2 == 0
        due = (t + EVALUATION_S) / HORIZON_S - MEDIUM_GAP * (1.01 if above else 0.99)
        if due > done:
            tale.fill(t + 2.0, round((due - done) * 1_000_000))
            done = due
    return outcome(tale.said, tale.begin_ns)


def test_a_market_order_done_in_50_ms_is_no_alert():
    done = short_order(100.01)

    assert done.states_of("SHORT")["execution_progress"][-1] == 1.0
    assert done.told() == []


def test_a_value_that_wobbles_1_percent_around_its_limit_is_one_alert(wobbling):
    rows = wobbling.marks_of("WOBBLES")
    gap = (rows["expected_progress"] - rows["execution_progress"])[SETTLES_S // EVALUATION_S + 1 :]
    assert 0.02 * MEDIUM_GAP > np.abs(gap - MEDIUM_GAP).max() > 0.009 * MEDIUM_GAP
    assert np.count_nonzero(np.diff(np.sign(gap - MEDIUM_GAP))) > 20

    assert wobbling.told() == [
        ("WOBBLES", SLOW, "RAISED", "LOW"),
        ("WOBBLES", SLOW, "SEVERITY", "MEDIUM"),
        ("WOBBLES", SLOW, "ACKNOWLEDGED", "MEDIUM"),
    ]
    assert len(wobbling.pages) == 1
