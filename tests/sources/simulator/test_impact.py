import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instants import SECOND
from domain.vocabulary import Topic
from sources.simulator.impact import Propagator
from sources.simulator.script import Simulation
from sources.simulator.spec import ImpactSpec


def law(**changes):
    return Propagator(ImpactSpec(**changes), sigma=0.02, adv_qty=1e6)


@given(seconds=st.floats(0, 20_000), gamma=st.floats(0.5, 0.8))
def test_impact_fades_with_a_power_of_time(seconds, gamma):
    moved = law(scale=1.0, exponent=1.0, decay_exponent=gamma)
    moved.trade(0, 1, 1e6)

    t = round(seconds * SECOND)

    assert moved.at(t) == pytest.approx(0.02 * (1 + t / SECOND / 10) ** -gamma, rel=0.04)


def test_impact_is_concave_in_the_size_of_a_fill():
    once, twice = law(exponent=0.6), law(exponent=0.6)
    once.trade(0, 1, 1000)
    twice.trade(0, 1, 2000)

    assert twice.at(0) / once.at(0) == pytest.approx(2**0.6)


@given(st.lists(st.tuples(st.integers(0, 10**10), st.integers(1, 10**5)), max_size=5))
def test_purchases_and_sales_push_opposite_ways(trades):
    up, down, t = law(), law(), 0
    for wait, qty in trades:
        t += wait
        up.trade(t, 1, qty)
        down.trade(t, -1, qty)

    assert up.at(t) == pytest.approx(-down.at(t))
    assert up.at(t) >= 0


def test_without_scale_nothing_moves():
    still = law(scale=0.0)
    still.trade(0, 1, 1e6)

    assert still.at(5) == 0


@pytest.mark.parametrize(("side", "sign"), [("BUY", 1), ("SELL", -1)])
def test_a_large_order_moves_the_market_against_itself(small, side, sign):
    listed = small.parents[1]
    end_ns = listed.start_ns + 50 * SECOND
    parent = msgspec.structs.replace(listed, side=side, quantity=60_000, end_ns=end_ns)
    quiet = msgspec.structs.replace(small.desk, open_parents=0, bust_rate=0.0, correct_rate=0.0)
    spec = msgspec.structs.replace(small, parents=(parent,), desk=quiet, duration_s=60.0)

    def last_mid(scale):
        told = msgspec.structs.replace(spec, impact=ImpactSpec(scale=scale))
        quotes = [
            m
            for t, m in Simulation(told, 3).messages()
            if t is Topic.MARKET_DATA and m.type == "quote" and m.symbol == "AAA"
        ]
        return (quotes[-1].bid + quotes[-1].ask) / 2

    assert sign * (last_mid(3.0) - last_mid(0.0)) > 0.02
    assert sign * (last_mid(9.0) - last_mid(3.0)) > 0.02
