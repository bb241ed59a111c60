"""The examples a reader can redo by hand, with every figure."""

import numpy as np
import pytest

from metrics.benchmarks import average_px, pwp, rpm, time_weighted_mid, twap, vwap, vwap_ex_own
from metrics.markout import markout_cost_bps
from metrics.progress import (
    execution_speed,
    expected_pov,
    expected_twap,
    participation_rate,
    progress_gap,
)
from metrics.shortfall import Shortfall, Tranche, implementation_shortfall
from metrics.slippage import cost_ccy, slippage_bps
from metrics.spreads import (
    effective_spread,
    price_impact,
    price_improvement,
    quoted_spread,
    ratio,
    ratio_bps,
    realized_spread,
)


class TestTheOrderThatWasCutShort:
    """Buy 10,000, decided at 50.00, arrived at 50.10, 7,000 done, the rest cancelled at 50.50."""

    prices = np.array([50.20, 50.25, 50.325])
    quantities = np.array([2000, 3000, 2000])

    @pytest.fixture
    def shortfall(self) -> Shortfall:
        return implementation_shortfall(
            [Tranche(10_000, decision_px=50.00, arrival=50.10)],
            side=1,
            prices=self.prices,
            quantities=self.quantities,
            final_px=50.50,
            commission=70,
            fees=5,
        )

    def test_average_price_and_slippage_vs_arrival(self) -> None:
        avg_px = average_px(float((self.prices * self.quantities).sum()), qty=7000)

        assert avg_px == pytest.approx(50.2571428571, abs=5e-11)
        assert slippage_bps(avg_px, benchmark=50.10, side=1) == pytest.approx(
            31.3658397491, abs=5e-11
        )

    def test_parts_in_money(self, shortfall: Shortfall) -> None:
        assert shortfall.delay_ccy == pytest.approx(1000, rel=1e-12)
        assert shortfall.trading_ccy == pytest.approx(1100, rel=1e-12)
        assert shortfall.opportunity_ccy == pytest.approx(1200, rel=1e-12)
        assert shortfall.explicit_ccy == 75
        assert shortfall.total_ccy == pytest.approx(3375, rel=1e-12)
        assert shortfall.paper_notional_ccy == 500_000

    def test_parts_in_bps_of_the_paper_notional(self, shortfall: Shortfall) -> None:
        record = shortfall.as_record()

        assert record["shortfall_total_bps"] == pytest.approx(67.5, rel=1e-12)
        assert record["shortfall_delay_bps"] == pytest.approx(20, rel=1e-12)
        assert record["shortfall_trading_bps"] == pytest.approx(22, rel=1e-12)
        assert record["shortfall_opportunity_bps"] == pytest.approx(24, rel=1e-12)
        assert shortfall.bps(70) == pytest.approx(1.4, rel=1e-12)
        assert shortfall.bps(5) == pytest.approx(0.1, rel=1e-12)

    def test_executed_basis_has_other_parts_and_the_same_total(self, shortfall: Shortfall) -> None:
        assert shortfall.delay_exec_ccy == pytest.approx(700, rel=1e-12)
        assert shortfall.opportunity_exec_ccy == pytest.approx(1500, rel=1e-12)
        total = 700 + 1100 + 1500 + 75
        assert shortfall.total_ccy == pytest.approx(total, rel=1e-12)


class TestTheMarketableOrder:
    """Received at 185.09/185.11 and bought at 185.105; five seconds on, the mid is 185.12."""

    price, bid, ask, later = 185.105, 185.09, 185.11, 185.12
    mid = (bid + ask) / 2

    def test_effective_spread(self) -> None:
        effective = effective_spread(self.price, mid=self.mid, side=1)

        assert effective == pytest.approx(0.01, abs=1e-12)
        assert ratio_bps(effective, den=self.mid) == pytest.approx(0.5402485, abs=5e-8)

    def test_improvement_and_effective_over_quoted(self) -> None:
        effective = effective_spread(self.price, mid=self.mid, side=1)
        quoted = quoted_spread(self.bid, ask=self.ask)

        assert price_improvement(self.price, bid=self.bid, ask=self.ask, side=1) == pytest.approx(
            0.005, abs=1e-12
        )
        assert ratio(effective, den=quoted) == pytest.approx(0.5, abs=1e-9)

    def test_realized_spread_and_impact(self) -> None:
        assert realized_spread(self.price, mid_later=self.later, side=1) == pytest.approx(
            -0.03, abs=1e-12
        )
        assert price_impact(self.mid, mid_later=self.later, side=1) == pytest.approx(
            0.04, abs=1e-12
        )

    def test_markout_cost(self) -> None:
        assert markout_cost_bps(self.price, mid_later=self.later, side=1) == pytest.approx(
            -0.8103509, abs=5e-8
        )


class TestTheTape:
    """Nine prints of which three are ours; the order arrives at 0 and has its last fill at 5."""

    t = np.arange(9.0)
    sizes = np.array([1000, 2000, 1500, 3000, 2500, 2000, 3000, 5000, 20000], float)
    prices = np.array([50.12, 50.20, 50.18, 50.25, 50.22, 50.325, 50.30, 50.28, 50.26])
    own = np.array([0, 1, 0, 1, 0, 1, 0, 0, 0], bool)
    window = t <= 5
    avg_px = float((prices * sizes)[own].sum() / sizes[own].sum())
    mid_times, mids = np.array([0.0, 2.0, 5.0]), np.array([50.10, 50.16, 50.30])

    def sums(self) -> tuple[float, float, float, float]:
        pv = self.prices * self.sizes
        return (
            float(pv[self.window].sum()),
            float(self.sizes[self.window].sum()),
            float(pv[self.own].sum()),
            float(self.sizes[self.own].sum()),
        )

    def test_vwap_with_and_without_our_own_prints(self) -> None:
        pv, volume, own_pv, own_volume = self.sums()

        whole = vwap(pv, volume=volume)
        others = vwap_ex_own(pv, volume=volume, own_pv=own_pv, own_volume=own_volume)

        assert whole == pytest.approx(50.2283333, abs=5e-8)
        assert others == pytest.approx(50.188, abs=1e-10)
        assert slippage_bps(self.avg_px, benchmark=whole, side=1) == pytest.approx(
            5.7357117, abs=5e-8
        )
        assert slippage_bps(self.avg_px, benchmark=others, side=1) == pytest.approx(
            13.7767708, abs=5e-8
        )

    def test_participation(self) -> None:
        _, volume, _, own_volume = self.sums()

        assert participation_rate(own_volume, volume=volume) == pytest.approx(0.583333, abs=5e-7)

    def test_twap_weighs_each_mid_by_its_own_lifetime(self) -> None:
        def over(end: float) -> float:
            return time_weighted_mid(self.mid_times, mids=self.mids, start=0, end=end)

        assert over(5) == pytest.approx(50.136, abs=1e-10)
        assert over(8) == pytest.approx(50.1975, abs=1e-10)
        assert twap(50.10 * 2 + 50.16 * 3, seconds=5) == pytest.approx(over(5), abs=1e-10)

    def test_relative_performance(self) -> None:
        measure = rpm(
            self.prices[self.window], sizes=self.sizes[self.window], avg_px=self.avg_px, side=1
        )

        assert 100 * measure == pytest.approx(16.6667, abs=5e-5)

    def test_participation_weighted_price(self) -> None:
        needed = 7000 / 0.20

        assert needed == pytest.approx(35_000)
        assert pwp(self.prices, sizes=self.sizes, needed_qty=needed) == pytest.approx(
            50.2554286, abs=5e-8
        )


def test_expected_progress_one_hour_into_six_and_a_half() -> None:
    assert expected_twap(1.0, start=0, end=6.5) == pytest.approx(0.1538462, abs=5e-8)
    assert expected_pov(0.10, volume_others=400_000 - 40_000, order_qty=100_000) == pytest.approx(
        0.40, abs=1e-12
    )


def test_a_slow_order_has_a_gap_of_a_quarter_and_this_speed() -> None:
    assert progress_gap(0.45, expected=0.70) == pytest.approx(0.25, abs=1e-12)
    assert execution_speed(0.45, expected=0.70) == pytest.approx(0.6429, abs=5e-5)


def test_money_and_bps_of_one_slippage_agree() -> None:
    notional = 7000 * 50.10

    money = cost_ccy(50.30, benchmark=50.10, qty=7000, side=1)

    assert ratio_bps(money, den=notional) == pytest.approx(
        slippage_bps(50.30, benchmark=50.10, side=1), rel=1e-12
    )
