"""Which thresholds a request may set, and how a wrong one is told."""

import math

import pytest

from domain.thresholds import (
    THRESHOLDS,
    Configured,
    configured_for,
    threshold_table,
    wrong_threshold,
)


@pytest.mark.parametrize("key", THRESHOLDS)
def test_both_ends_of_a_range_are_allowed_and_nothing_beyond(key: str) -> None:
    known = THRESHOLDS[key]

    assert wrong_threshold(key, known.low) == wrong_threshold(key, known.high) == ""
    for value in (known.low - 0.5, known.high + 0.5, math.nan, math.inf):
        assert wrong_threshold(key, value).startswith(f"{key} must be {known.words}, was ")


def test_a_threshold_nobody_knows_is_named() -> None:
    assert wrong_threshold("SPEED", 1) == "no threshold is called 'SPEED'"


@pytest.mark.parametrize(
    ("key", "about"),
    [("VENUE_ISSUE", "about a venue"), ("ALGORITHM_UNDERPERFORMANCE", "about an algorithm")],
)
def test_what_is_no_single_orders_is_said_to_be_so(key: str, about: str) -> None:
    assert about in wrong_threshold(key, 1)


def test_the_table_says_unit_range_and_direction_of_each() -> None:
    table = threshold_table()

    assert table.keys() == THRESHOLDS.keys()
    assert table["HIGH_COST"] == "1 to 10, z, worse above"
    assert table["FILL_RATE"] == "0 to 1, share, worse below"


def test_later_entries_go_before_earlier_ones_where_every_word_fits() -> None:
    entries = [
        Configured({"HIGH_COST": 3, "SLIPPAGE": 40}),
        Configured({"HIGH_COST": 2}, desk="EU"),
        Configured({"HIGH_COST": 4}, desk="EU", asset_class="FX"),
        Configured({"SLIPPAGE": 9}, symbol="SAP"),
    ]

    assert configured_for(entries, "US", "EQUITY", "AMZN") == {"HIGH_COST": 3, "SLIPPAGE": 40}
    assert configured_for(entries, "EU", "FX", "SAP") == {"HIGH_COST": 4, "SLIPPAGE": 9}
