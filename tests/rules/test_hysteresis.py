from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from domain.instants import NO_TIME, SECOND
from rules.hysteresis import CLEAR_NS, evaluate

EVERY = 5 * SECOND


def judged(levels, held=None):
    """The severity after each evaluation, five seconds apart."""
    state = (0, 0, NO_TIME)
    out = []
    for i, level in enumerate(levels):
        state = evaluate(*state, i * EVERY, level, level if held is None else held[i])
        out.append(state[0])
    return out


def test_three_in_a_row_begin_a_condition_and_two_do_not():
    assert judged([2, 2, 0, 2, 2, 2]) == [0, 0, 0, 0, 0, 2]


def test_two_in_a_row_are_enough_for_critical():
    assert judged([4, 4]) == [0, 4]
    assert judged([4, 3, 4, 3, 3]) == [0, 0, 3, 3, 3]


def test_what_rises_needs_its_own_three():
    assert judged([2, 2, 2, 3, 3, 3]) == [0, 0, 2, 2, 2, 3]


def test_a_condition_ends_after_a_minute_across_its_level():
    levels = [2, 2, 2, *[0] * 14]
    assert judged(levels) == [0, 0, *[2] * 13, 0, 0]


def test_what_has_not_ended_stays_however_long():
    levels = [2, 2, 2, *[1] * 40]
    held = [2, 2, 2, *[2] * 40]
    assert judged(levels, held)[-1] == 2


def test_a_value_that_wobbles_about_its_limit_is_one_condition():
    levels = [2, 2, 2, *[1, 2] * 50]
    held = [2] * len(levels)
    said = judged(levels, held)
    assert [b for a, b in pairwise([0, *said]) if a != b] == [2]


def test_a_minute_that_is_interrupted_begins_anew():
    levels = [2, 2, 2, *[0] * 11, 2, *[0] * 12]
    assert judged(levels)[-1] == 2


def test_when_a_severity_ends_what_is_still_held_stays():
    levels = [3, 3, 3, *[1] * 14]
    held = [3, 3, 3, *[2] * 14]
    assert judged(levels, held)[-1] == 2


@given(st.lists(st.integers(0, 4), max_size=60))
def test_the_bits_say_what_counting_says(levels):
    severity, since, runs = 0, None, [0] * 5
    said = judged(levels)
    for i, level in enumerate(levels):
        runs = [runs[s] + 1 if level >= s else 0 for s in range(5)]
        rising = max((s for s in range(1, 5) if runs[s] >= (2 if s == 4 else 3)), default=0)
        if rising > severity:
            severity, since = rising, None
        elif level >= severity:
            since = None
        elif since is None:
            since = i
        elif (i - since) * EVERY >= CLEAR_NS:
            severity, since = level, None
        assert said[i] == severity
