"""Days on which nothing is wrong: the open, a half day, a symbol that hardly trades."""

import numpy as np
import pytest

from domain.instants import SECOND, parse_rfc3339
from domain.vocabulary import Topic
from sources.simulator.script import Simulation
from tests.scenarios.given import desk, order, symbol
from tests.scenarios.outcome import outcome

HALF_DAY = "2026-11-27T14:30:00Z"
OPEN_NS = parse_rfc3339(HALF_DAY)
SESSION_S = 12_600.0
"""From half past nine to one, on the day after Thanksgiving."""
ORDERS = ("EARLY", "AT OPEN", "DAY VWAP", "DAY TWAP", "SHARE", "THIN TWAP", "THIN VWAP")


def parent(order_id, symbol, quantity, start_s, end_s, algorithm="TWAP", **more):
    return order(order_id, symbol, quantity, start_s, end_s, algorithm, OPEN_NS, **more)


def of_full_day(record):
    """What is known of a symbol: volume and volatility of six and a half hours."""
    longer = 23_400.0 / SESSION_S
    return {
        **record,
        "adv_qty": longer * record["adv_qty"],
        "sigma_daily_bps": longer**0.5 * record["sigma_daily_bps"],
    }


@pytest.fixture(scope="module")
def half_day():
    """A half day from auction to auction, whose symbols are known by what they do on full ones."""
    spec = desk(
        parent("EARLY", "AAA", 20_000, -900, 1_800, "VWAP"),
        parent("AT OPEN", "AAA", 20_000, 0, 1_200),
        parent("DAY VWAP", "AAA", 100_000, 0, SESSION_S - 60, "VWAP"),
        parent("DAY TWAP", "AAA", 100_000, 0, SESSION_S - 60),
        parent("SHARE", "AAA", 100_000, 600, SESSION_S - 60, "POV", participation=0.04),
        parent("THIN TWAP", "THIN", 3_000, 0, SESSION_S - 60),
        parent("THIN VWAP", "THIN", 3_000, 600, SESSION_S - 60, "VWAP"),
        minutes=SESSION_S / 60,
        symbols=(
            symbol("AAA", quotes_per_s=2.0, trades_per_s=0.6),
            symbol(
                "THIN", adv_qty=60_000, quotes_per_s=0.02, trades_per_s=0.005, spread_bps=40.0,
                sigma_daily_bps=200.0,
            ),
        ),
        start_ts=HALF_DAY,
        session_s=SESSION_S,
        u_shape=1.0,
    )  # fmt: skip
    said = [
        (topic, of_full_day(m) if topic is Topic.REFERENCE else m)
        for topic, m in Simulation(spec, 0).messages()
    ]
    return outcome(said, OPEN_NS)


def test_the_open_a_half_day_and_an_illiquid_symbol_are_no_alert(half_day):
    assert half_day.parents == sorted(ORDERS)
    assert half_day.told() == []


def test_orders_were_judged_from_the_open_to_the_early_close(half_day):
    for name in ORDERS:
        marks = half_day.marks_of(name)
        judged = marks[np.isfinite(marks["expected_progress"])]
        end = half_day.states_of(name)["closed_ts"][-1]
        assert len(judged) > 0.9 * (end - max(OPEN_NS, marks["arrival_ts"][0])) / SECOND / 5
        assert end <= OPEN_NS + SESSION_S * SECOND
