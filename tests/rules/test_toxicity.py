import numpy as np
import pytest

from rules.toxicity import compare_venues


def fills(rng, excess, n=600, days=10):
    """Markouts of fills at five venues; the first is worse by so much."""
    venues = np.repeat(["A", "B", "C", "D", "E"], n)
    cost = rng.standard_normal(5 * n) * 8.0 + np.where(venues == "A", excess, 0.0)
    orders = rng.integers(0, 400, 5 * n)
    return cost, {"venues": venues, "orders": orders, "days": orders % days}


def test_a_venue_after_which_the_market_turns_is_found():
    cost, where = fills(np.random.default_rng(1), 3.0)

    found = compare_venues(cost, **where)

    assert [v.venue for v in found if v.is_toxic] == ["A"]
    assert found[0].n == 600
    assert found[0].excess_bps == pytest.approx(3.0, abs=1.0)


def test_like_venues_are_seldom_called_toxic():
    rng = np.random.default_rng(2)

    flagged = sum(any(v.is_toxic for v in compare_venues(c, **w))
                  for c, w in (fills(rng, 0.0, n=150) for _ in range(60)))  # fmt: skip

    assert flagged <= 8


def test_a_venue_after_which_the_market_comes_our_way_is_not_toxic():
    cost, where = fills(np.random.default_rng(3), -6.0)

    assert not compare_venues(cost, **where)[0].is_toxic


def test_under_a_hundred_fills_nothing_is_said():
    cost, where = fills(np.random.default_rng(4), 30.0, n=99)

    found = compare_venues(cost, **where)

    assert all(np.isnan(v.q) and not v.is_toxic for v in found)


def test_fills_without_a_markout_and_a_venue_alone_are_not_judged():
    cost, where = fills(np.random.default_rng(5), 0.0)
    cost[where["venues"] != "A"] = np.nan

    found = compare_venues(cost, **where)

    assert [(v.venue, v.n, v.is_toxic) for v in found] == [("A", 600, False)]
