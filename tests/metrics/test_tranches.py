import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from metrics.tranches import Tranche, allocate_fills, amend_tranches

FIRST = Tranche(1000, decision_px=50.0, arrival=50.1)
AMENDED = {"decision_px": 50.4, "arrival": 50.5}


def test_an_increase_is_a_tranche_with_its_own_decision() -> None:
    assert amend_tranches([FIRST], 1500, **AMENDED) == [FIRST, Tranche(500, 50.4, 50.5)]


def test_a_decrease_cuts_the_newest_quantity_first() -> None:
    grown = amend_tranches([FIRST], 1500, **AMENDED)

    assert [t.qty for t in amend_tranches(grown, 1200, **AMENDED)] == [1000, 200]
    assert [t.qty for t in amend_tranches(grown, 1000, **AMENDED)] == [1000]
    assert [t.qty for t in amend_tranches(grown, 600, **AMENDED)] == [600]


def test_an_amendment_of_the_price_alone_changes_no_tranche() -> None:
    assert amend_tranches([FIRST], 1000, **AMENDED) == [FIRST]


def test_an_amendment_to_nothing_is_refused() -> None:
    with pytest.raises(InputError, match="order_qty must be positive after an amendment, was 0"):
        amend_tranches([FIRST], 0, **AMENDED)


def test_a_fill_across_a_boundary_makes_two_pieces() -> None:
    found = allocate_fills([Tranche(100, 1, 1), Tranche(50, 1, 1)], np.array([80, 40, 60]))

    assert found.tranche.tolist() == [0, 0, 1, 1]
    assert found.fill.tolist() == [0, 1, 1, 2]
    assert found.qty.tolist() == [80, 20, 20, 60]


def test_an_order_without_fills_has_no_pieces() -> None:
    assert allocate_fills([FIRST], np.empty(0)).qty.size == 0


def test_no_tranche_an_empty_one_or_an_empty_fill_is_refused() -> None:
    for tranches in ([], [Tranche(0, 1, 1)]):
        with pytest.raises(InputError, match="at least one tranche"):
            allocate_fills(tranches, np.array([1.0]))
    for quantity in (0.0, -5.0, np.nan):
        with pytest.raises(InputError, match="every fill needs a positive quantity"):
            allocate_fills([FIRST], np.array([quantity]))


sizes = st.lists(st.integers(1, 1000), min_size=1, max_size=6)


@given(sizes, sizes)
@settings(deadline=None, max_examples=60)
def test_every_share_of_every_fill_finds_its_tranche_in_order(ordered: list, filled: list) -> None:
    tranches = [Tranche(q, 1.0, 1.0) for q in ordered]

    found = allocate_fills(tranches, np.array(filled))

    assert np.bincount(found.fill, found.qty).tolist() == filled
    assert (np.diff(found.tranche) >= 0).all()
    held = np.bincount(found.tranche, found.qty, len(ordered))
    for i, (have, want) in enumerate(zip(held.tolist(), ordered, strict=True)):
        assert have <= want or i == len(ordered) - 1
        assert have == min(want, max(0, sum(filled) - sum(ordered[:i]))) or i == len(ordered) - 1
