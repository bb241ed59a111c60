"""Schedules that algorithms send: which are taken, under which name, and what is due by when."""

import re

import numpy as np
import pytest

from domain.errors import Refused
from domain.events import AlgoParams, OrderMessage
from domain.instants import NO_TIME
from domain.keys import key_of
from domain.profiles import MOST_PARTS, PROFILE, profile_rows, profile_text
from domain.vocabulary import Schedule
from domain.wire import RowBuilder


def test_equal_shares_have_one_name():
    assert profile_text([0.25, 0.75]) == profile_text((0.25, 0.75)) == "[0.25,0.75]"
    assert profile_text([0.5, 0.5]) == profile_text([0.5 + 2e-7, 0.5 + 2e-7])


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([], "must have 1 to 96 shares, has 0"),
        ([1 / 97] * 97, "must have 1 to 96 shares, has 97"),
        ([0.5, 0.4], "must sum to 1, sums to 0.9"),
        ([1.5, -0.5], "must hold shares of 0 to 1, has 1.5"),
        ([-0.5, 1.5], "must hold shares of 0 to 1, has -0.5"),
        ([float("nan"), 1.0], "must hold shares of 0 to 1, has nan"),
        ([0.0, 0.0], "must sum to 1, sums to 0"),
    ],
)
def test_what_is_no_schedule_is_refused_in_words(shares, words):
    with pytest.raises(Refused, match=re.escape(f"algo_params.profile {words}")):
        profile_text(shares)


def test_rows_hold_what_is_due_by_each_edge_in_order_of_their_keys():
    texts = [profile_text([0.2, 0.3, 0.5]), profile_text([1.0]), profile_text([1 / 96] * 96)]
    names = {key_of(text): text for text in texts}

    rows = profile_rows([*names, *names], names)

    assert rows.dtype == PROFILE
    assert rows["key"].tolist() == sorted(names)
    by_parts = {int(row["parts"]): row["done"] for row in rows}
    assert by_parts[3][:4].tolist() == pytest.approx([0, 0.2, 0.5, 1])
    assert by_parts[1][:2].tolist() == [0, 1]
    assert by_parts[MOST_PARTS].tolist() == pytest.approx(np.linspace(0, 1, 97).tolist())


def accepted(**params):
    return OrderMessage(
        type="order_accepted", ts_event="2026-11-20T14:30:00Z", order_id="A", symbol="X",
        side="BUY", order_qty=10.0, algo="VWAP", algo_params=AlgoParams(**params),
    )  # fmt: skip


def test_a_profile_travels_by_its_name_and_makes_the_schedule_the_algorithm_s_own():
    builder = RowBuilder(None)
    builder.add_order(accepted(profile=[0.4, 0.6], schedule="TWAP"))
    builder.add_order(accepted())
    batch = builder.build()

    own, plain = batch.details
    assert own["schedule"] == Schedule.CUSTOM
    assert batch.names[int(own["profile"])] == "[0.4,0.6]"
    assert (plain["schedule"], plain["profile"]) == (Schedule.VWAP, 0)
    assert plain["start_ts"] == NO_TIME


def test_an_order_with_a_wrong_profile_is_refused():
    with pytest.raises(Refused, match="sums to"):
        RowBuilder(None).add_order(accepted(profile=[0.4, 0.4]))
