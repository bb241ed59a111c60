"""What holds for every order, whatever its numbers."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from metrics.benchmarks import mid, pwp, rpm, time_weighted_mid, vwap, vwap_ex_own
from metrics.efficiency import market_impact_bps, performance_score
from metrics.markout import markout_cost_bps, reversion_bps
from metrics.shortfall import Shortfall, Tranche, implementation_shortfall, perold_ccy
from metrics.slippage import cost_ccy, slippage_bps
from metrics.spreads import (
    effective_spread,
    price_impact,
    price_improvement,
    price_side,
    realized_spread,
    spread_capture,
)

unhurried = settings(deadline=None, max_examples=60)
price = st.floats(1.0, 1000.0)
qty = st.integers(1, 10_000).map(float)
side = st.sampled_from([1, -1])
share = st.one_of(st.just(math.nan), st.floats(0.0, 1.0))
fills = st.lists(st.tuples(price, qty, price), min_size=1, max_size=8)


@st.composite
def orders(draw: st.DrawFn) -> dict:
    """An order with a tranche or more, filled in part or in whole, with all its prices."""
    done = draw(fills)
    filled = sum(q for _, q, _ in done)
    rest = draw(st.integers(0, 5000))
    cut = draw(st.floats(0.1, 0.9))
    total = filled + rest
    pieces = draw(st.sampled_from([[total], [total * cut, total * (1 - cut)]]))
    return {
        "tranches": [Tranche(q, draw(price), draw(price)) for q in pieces],
        "side": draw(side),
        "prices": np.array([p for p, _, _ in done]),
        "quantities": np.array([q for _, q, _ in done]),
        "mids": np.array([m for _, _, m in done]),
        "final_px": draw(price),
        "commission": draw(st.floats(0, 100)),
        "fees": draw(st.floats(-10, 100)),
    }


PRICED = ("delay", "trading", "opportunity", "total", "half_spread_paid", "drift")


def parts(shortfall: Shortfall) -> list[float]:
    return [getattr(shortfall, f"{part}_ccy") for part in PRICED] + [
        shortfall.delay_exec_ccy,
        shortfall.opportunity_exec_ccy,
    ]


def moved(order: dict, change) -> dict:
    """The same order with every price changed by one rule."""
    tranches = [Tranche(t.qty, change(t.decision_px), change(t.arrival)) for t in order["tranches"]]
    columns = {name: change(order[name]) for name in ("prices", "mids", "final_px")}
    return {**order, **columns, "tranches": tranches}


@given(orders())
@unhurried
def test_mirrored_prices_on_the_other_side_cost_the_same_money(order: dict) -> None:
    mirror = moved(order, lambda p: 2000.0 - p) | {"side": -order["side"]}

    here, there = implementation_shortfall(**order), implementation_shortfall(**mirror)

    assert parts(there) == pytest.approx(parts(here), rel=1e-9, abs=1e-4)


@given(price, price, price, price, side)
@unhurried
def test_mirrored_quotes_give_the_other_side_the_same_spreads(p, a, b, later, s) -> None:
    bid, ask = min(a, b), max(a, b)
    here = {"bid": bid, "ask": ask, "side": s}
    there = {"bid": 2000.0 - ask, "ask": 2000.0 - bid, "side": -s}
    m, mirrored_m = mid(bid, ask=ask), mid(there["bid"], ask=there["ask"])

    for measure in (price_improvement, spread_capture):
        assert measure(2000.0 - p, **there) == pytest.approx(
            measure(p, **here), rel=1e-6, abs=1e-9, nan_ok=True
        )
    assert effective_spread(2000.0 - p, mid=mirrored_m, side=-s) == pytest.approx(
        effective_spread(p, mid=m, side=s), abs=1e-9
    )
    assert realized_spread(2000.0 - p, mid_later=2000.0 - later, side=-s) == pytest.approx(
        realized_spread(p, mid_later=later, side=s), abs=1e-9
    )


@given(orders(), st.floats(0.01, 100.0))
@unhurried
def test_scaled_prices_give_the_same_bps(order: dict, scale: float) -> None:
    free = {**order, "commission": 0.0, "fees": 0.0}

    here = implementation_shortfall(**free).as_record()
    there = implementation_shortfall(**moved(free, lambda p: p * scale)).as_record()

    for name, value in here.items():
        if name.endswith("_bps"):
            assert there[name] == pytest.approx(value, rel=1e-9, abs=1e-6), name


@given(price, price, price, side, st.floats(0.01, 100.0))
@unhurried
def test_scaled_prices_give_the_same_slippage_markout_and_impact(p, b, later, s, scale) -> None:
    for measure in (
        lambda x: slippage_bps(p * x, benchmark=b * x, side=s),
        lambda x: markout_cost_bps(p * x, mid_later=later * x, side=s),
        lambda x: reversion_bps(p * x, mid_later=later * x, side=s),
        lambda x: market_impact_bps(p * x, arrival=b * x, side=s, beta=1.0, index_return=0.01),
    ):
        assert measure(scale) == pytest.approx(measure(1.0), rel=1e-9, abs=1e-8)


@given(orders(), st.data())
@unhurried
def test_a_fill_split_in_two_changes_nothing(order: dict, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, len(order["prices"]) - 1))
    first = order["quantities"][i] * data.draw(st.floats(0.1, 0.9))
    rest = order["quantities"][i] - first
    split = {
        **order,
        "prices": np.insert(order["prices"], i, order["prices"][i]),
        "mids": np.insert(order["mids"], i, order["mids"][i]),
        "quantities": np.concatenate(
            [order["quantities"][:i], [first, rest], order["quantities"][i + 1 :]]
        ),
    }

    whole, halves = implementation_shortfall(**order), implementation_shortfall(**split)

    assert parts(halves) == pytest.approx(parts(whole), rel=1e-9, abs=1e-4)


@given(orders())
@unhurried
def test_the_parts_add_up_to_the_total_on_both_bases(order: dict) -> None:
    s = implementation_shortfall(**order)
    scale = s.paper_notional_ccy

    both = s.trading_ccy + s.explicit_ccy
    on_order = s.delay_ccy + both + s.opportunity_ccy
    on_executed = s.delay_exec_ccy + both + s.opportunity_exec_ccy

    assert on_order / scale == pytest.approx(s.total_ccy / scale, abs=1e-9)
    assert on_executed / scale == pytest.approx(s.total_ccy / scale, abs=1e-9)
    assert (s.half_spread_paid_ccy + s.drift_ccy) / scale == pytest.approx(
        s.trading_ccy / scale, abs=1e-9
    )
    assert s.residual_ccy == s.drift_ccy


@given(price, price, price, price, qty, st.integers(0, 5000), side)
@unhurried
def test_perold_is_the_sum_of_his_parts(decision, arrival, avg_px, final_px, done, rest, s) -> None:
    one = implementation_shortfall(
        [Tranche(done + rest, decision, arrival)],
        side=s,
        prices=np.array([avg_px]),
        quantities=np.array([done]),
        final_px=final_px,
        commission=3.0,
    )

    by_hand = s * (done * (avg_px - decision) + rest * (final_px - decision)) + 3.0

    assert one.total_ccy == pytest.approx(by_hand, rel=1e-9, abs=1e-6)
    assert perold_ccy(
        decision,
        avg_px=avg_px,
        filled_qty=done,
        final_px=final_px,
        unfilled_qty=rest,
        explicit=3.0,
        side=s,
    ) == pytest.approx(by_hand, rel=1e-9, abs=1e-6)


@given(fills, fills)
@unhurried
def test_the_market_is_us_and_the_others(ours: list, others: list) -> None:
    own_pv, own = sum(p * q for p, q, _ in ours), sum(q for _, q, _ in ours)
    pv, volume = own_pv + sum(p * q for p, q, _ in others), own + sum(q for _, q, _ in others)
    rho = own / volume

    without_us = vwap_ex_own(pv, volume=volume, own_pv=own_pv, own_volume=own)

    assert vwap(pv, volume=volume) == pytest.approx(
        rho * own_pv / own + (1 - rho) * without_us, rel=1e-9
    )


@given(price, price, price, side)
@unhurried
def test_effective_spread_is_realized_spread_and_impact(p, m, later, s) -> None:
    assert effective_spread(p, mid=m, side=s) == pytest.approx(
        realized_spread(p, mid_later=later, side=s) + price_impact(m, mid_later=later, side=s),
        abs=1e-9,
    )


@given(st.tuples(share, share, share, share, share), st.integers(0, 4), st.floats(0.0, 1.0))
@unhurried
def test_a_better_part_never_lowers_the_score(values: tuple, i: int, better: float) -> None:
    names = ("adherence", "completion", "markout_pct", "fill_rate_pct")
    improved = list(values)
    improved[i] = values[i] if math.isnan(values[i]) else max(values[i], better)

    before = performance_score(values[0], **dict(zip(names, values[1:], strict=True)))
    after = performance_score(improved[0], **dict(zip(names, improved[1:], strict=True)))

    assert math.isnan(before) == all(math.isnan(v) for v in values)
    assert math.isnan(before) or 0.0 <= before <= after + 1e-9 <= 100.0 + 1e-6


@given(fills, price, side)
@unhurried
def test_what_happens_later_moves_nothing_before(tape: list, surprise: float, s: int) -> None:
    prices = np.array([p for p, _, _ in tape])
    sizes = np.array([q for _, q, _ in tape])
    reached = float(sizes.sum())
    times = np.arange(len(prices), dtype=float)
    end = float(len(prices))

    longer, more = np.append(prices, surprise), np.append(sizes, 1e6)
    later = np.append(times, end)

    assert pwp(longer, sizes=more, needed_qty=reached) == pwp(
        prices, sizes=sizes, needed_qty=reached
    )
    assert time_weighted_mid(later, mids=longer, start=0, end=end) == time_weighted_mid(
        times, mids=prices, start=0, end=end
    )


@given(fills, price, side)
@unhurried
def test_relative_performance_is_a_share_and_mirrors(tape: list, p: float, s: int) -> None:
    prices = np.array([x for x, _, _ in tape])
    sizes = np.array([q for _, q, _ in tape])

    here = rpm(prices, sizes=sizes, avg_px=p, side=s)

    assert 0.0 <= here <= 1.0
    assert here + rpm(prices, sizes=sizes, avg_px=p, side=-s) == pytest.approx(1.0)


@given(price, price, price, side)
@unhurried
def test_every_price_inside_the_quote_has_a_side_and_none_outside(a, b, p, s) -> None:
    bid, ask = min(a, b), max(a, b)

    found = price_side(p, bid=bid, ask=ask, side=s)

    if bid <= p <= ask:
        assert found in {1.0, 2.0, 3.0}
    if not bid * (1 - 1e-6) <= p <= ask * (1 + 1e-6):
        assert found == 0.0


@given(price, price, qty, side)
@unhurried
def test_money_is_bps_of_the_notional(p, b, q, s) -> None:
    assert cost_ccy(p, benchmark=b, qty=q, side=s) == pytest.approx(
        slippage_bps(p, benchmark=b, side=s) * b * q / 1e4, rel=1e-9, abs=1e-6
    )
