import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.reference_curves import cumulative_shares, multipliers

weights = st.lists(st.floats(0.01, 10), min_size=1, max_size=48)


@given(weights, st.integers(1, 6))
def test_cutting_a_volume_curve_finer_keeps_its_own_edges(shares: list[float], finer: int):
    curve = (np.array(shares) / sum(shares)).tolist()

    own, cut = cumulative_shares(curve), cumulative_shares(curve, len(curve) * finer)

    np.testing.assert_allclose(cut[::finer], own, atol=1e-12)
    assert own[0] == 0
    assert own[-1] == 1


@given(weights, st.integers(1, 48))
def test_a_volatility_curve_keeps_mean_square_one_in_any_number_of_parts(
    raw: list[float], slots: int
):
    curve = np.array(raw) / np.sqrt(np.mean(np.square(raw)))

    cut = multipliers(curve.tolist(), slots)

    assert len(cut) == slots
    assert np.mean(cut**2) == pytest.approx(1, abs=1e-9)


def test_thirteen_half_hours_become_twenty_six_quarter_hours():
    assert cumulative_shares([0.6, 0.4], 4).tolist() == pytest.approx([0, 0.3, 0.6, 0.8, 1])
    assert multipliers([1.2, 0.748331], 4).tolist() == pytest.approx([1.2, 1.2, 0.748331, 0.748331])


def test_no_curve_is_missing_and_not_flat():
    assert np.isnan(cumulative_shares([], 4)).tolist() == [True] * 5
    assert np.isnan(multipliers([], 4)).tolist() == [True] * 4
    assert len(multipliers([])) == 0
