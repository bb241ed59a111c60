"""Which silence of a feed is odd, by what it usually does."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.instants import SECOND
from operators.usual_gap import MOST_SILENCE_NS, SILENCE_NS, WORD_NS, UsualGap

_gaps = st.lists(
    st.tuples(st.integers(0, 100 * SECOND), st.integers(WORD_NS + 1, 10**6 * SECOND)), max_size=60
)


def after(*gaps_s, speech_s=0.0):
    usual = UsualGap()
    for gap in gaps_s:
        usual.note(round(speech_s * SECOND), round(gap * SECOND))
    return usual


def limit_s(usual, spoken_s=0.0):
    return usual.limit_ns(round(spoken_s * SECOND)) / SECOND


def test_of_a_feed_that_was_hardly_heard_no_silence_is_odd_for_long():
    assert limit_s(UsualGap()) == MOST_SILENCE_NS / SECOND
    assert limit_s(after(3.0)) > 100


def test_a_feed_that_speaks_without_gaps_is_odd_after_five_seconds():
    assert limit_s(UsualGap(), 30) > 5
    assert limit_s(UsualGap(), 150) == 5


@pytest.mark.parametrize("mean_s", [2.0, 6.0, 20.0])
def test_of_a_sparse_feed_some_twenty_usual_gaps_are_odd(mean_s):
    gaps = 1.0 + np.random.default_rng(3).exponential(mean_s, 400)

    assert 14 * mean_s < limit_s(after(*gaps)) < 34 * mean_s


def test_a_feed_that_is_thin_before_the_open_is_dense_minutes_after_it():
    thin = after(*[10.0] * 100)

    assert limit_s(thin) > 150
    assert limit_s(thin, 600) == 5


def test_one_outage_hardly_changes_what_is_usual():
    usual = after(*[6.0] * 100)
    before = limit_s(usual)
    usual.note(0, 3_600 * SECOND)

    assert before < limit_s(usual) < 1.5 * before


@given(_gaps, st.integers(0, 10**6 * SECOND))
def test_a_limit_is_never_below_five_seconds_nor_above_a_quarter_of_an_hour(gaps, spoken):
    usual = UsualGap()
    for speech, gap in gaps:
        limit = usual.limit_ns(speech)
        assert SILENCE_NS <= limit == usual.note(speech, gap) <= MOST_SILENCE_NS

    assert SILENCE_NS <= usual.limit_ns(spoken) <= MOST_SILENCE_NS
