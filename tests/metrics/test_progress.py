import math

import pytest

from metrics.progress import (
    execution_progress,
    execution_speed,
    fill_qty_per_s,
    fill_rate,
    participation_ex_own_rate,
    participation_rate,
    progress_gap,
    replaced_qty,
)

nan = math.nan


def test_an_overfill_is_shown_as_more_than_all() -> None:
    assert execution_progress(1100, order_qty=1000) == 1.1


@pytest.mark.parametrize("order_qty", [0, -5, nan])
def test_an_order_for_nothing_has_no_progress(order_qty: float) -> None:
    assert math.isnan(execution_progress(0, order_qty=order_qty))


def test_a_replacement_below_what_is_filled_leaves_the_order_filled() -> None:
    quantity = replaced_qty(500, cum_qty=700)

    assert quantity == 700
    assert execution_progress(700, order_qty=quantity) == 1.0
    assert replaced_qty(900, cum_qty=700) == 900
    assert math.isnan(replaced_qty(nan, cum_qty=700))
    assert math.isnan(replaced_qty(500, cum_qty=nan))


def test_speed_waits_for_a_twentieth_of_the_schedule() -> None:
    assert math.isnan(execution_speed(0.04, expected=0.0499))
    assert execution_speed(0.05, expected=0.05) == 1.0


def test_speed_is_clipped_and_needs_both_progresses() -> None:
    assert execution_speed(0.9, expected=0.1) == 2.0
    assert execution_speed(-0.1, expected=0.5) == 0.0
    assert math.isnan(execution_speed(nan, expected=0.5))
    assert math.isnan(execution_speed(0.5, expected=nan))


def test_no_schedule_is_no_gap() -> None:
    assert math.isnan(progress_gap(0.5, expected=nan))
    assert progress_gap(0.8, expected=0.5) == pytest.approx(-0.3)


def test_fill_rate_is_of_what_was_routed_and_not_of_the_order() -> None:
    assert fill_rate(300, routed_qty=400) == 0.75
    assert math.isnan(fill_rate(0, routed_qty=0))


def test_pace_needs_a_window() -> None:
    assert fill_qty_per_s(1200, seconds=60) == 20
    assert math.isnan(fill_qty_per_s(1200, seconds=0))


def test_participation_against_others_follows_from_the_share_of_the_whole() -> None:
    rho = participation_rate(300, volume=1200)

    assert rho == 0.25
    assert participation_ex_own_rate(300, volume=1200, own_matched_qty=300) == pytest.approx(
        rho / (1 - rho)
    )


def test_a_silent_tape_has_no_participation() -> None:
    assert math.isnan(participation_rate(300, volume=0))
    assert math.isnan(participation_ex_own_rate(300, volume=300, own_matched_qty=300))
