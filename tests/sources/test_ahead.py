import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.batch import Batch, DeadLetter
from domain.columns import EVENT, blank
from domain.instants import END_OF_TIME, NO_TIME, SECOND, parse_rfc3339
from domain.reasons import DeadLetterReason
from sources.ahead import LASTS_DAYS, MOST_PARTS, InTime, last_instant
from sources.ahead_kernel import AHEAD_NS, ENOUGH

T0 = parse_rfc3339("2026-11-20T14:30:00Z")
DAY = 86_400 * SECOND
LEAPS = [6 * SECOND, 61 * SECOND, 3600 * SECOND, 17 * 3600 * SECOND, 300 * DAY]


def read(times, *, parts=1, last=END_OF_TIME, newest=NO_TIME):
    """What is refused, by place in the whole."""
    cut = np.array_split(np.asarray(times, np.int64), parts)
    found, base = {}, 0
    for part, refused in InTime(iter(cut), lambda x: x, last=last, newest=newest):
        found |= {base + i: why for i, why in refused.items()}
        base += len(part)
    return found


def steps(n, step_ns, start=T0):
    return [start + i * step_ns for i in range(n)]


@given(st.lists(st.integers(0, 3 * DAY), min_size=1, max_size=99).map(sorted), st.integers(1, 5))
def test_a_file_in_order_of_time_may_have_any_gaps(gaps, parts):
    assert read([T0 + t for t in gaps], parts=parts) == {}


@given(st.randoms(use_true_random=False), st.sampled_from([SECOND // 1000, SECOND, 40 * SECOND]))
def test_rows_may_be_late_by_what_is_allowed(rng, step):
    times = [t - rng.randrange(AHEAD_NS) * (rng.random() < 0.5) for t in steps(400, step)]

    assert read(times) == {}


@pytest.mark.parametrize("leap", LEAPS)
@pytest.mark.parametrize("step", [1, SECOND // 1000, SECOND, 20 * 60 * SECOND])
@pytest.mark.parametrize("where", [0, 1, 150, 299 - ENOUGH])
def test_a_leap_that_nothing_follows_is_refused_wherever_it_stands(leap, step, where):
    times = steps(300, step)
    times.insert(where, times[where] + leap + 24 * step)

    found = read(times)

    assert list(found) == [where]
    assert found[where].reason is DeadLetterReason.FUTURE


def test_the_words_say_where_the_file_goes_on():
    times = [*steps(20, SECOND), T0 + 3 * 3600 * SECOND, *steps(20, SECOND, T0 + 20 * SECOND)]

    assert read(times)[20].words == (
        "ts_event is 2026-11-20T17:30:00Z, but the events after it go on from 2026-11-20T14:30:20Z"
    )


def test_leaps_among_the_first_hundred_rows_do_not_move_the_last_day():
    times = steps(20, SECOND)
    times[0] = T0 + 70 * 365 * DAY

    last = last_instant([NO_TIME, *times])

    assert T0 < last - LASTS_DAYS * DAY < T0 + 20 * SECOND
    assert last_instant([]) == last_instant([NO_TIME]) == END_OF_TIME


def test_what_lies_after_the_last_day_is_refused_even_at_the_end():
    last = last_instant(steps(20, SECOND))
    times = [*steps(20, SECOND), last, last + 20 * SECOND]

    found = read(times, last=last)

    assert list(found) == [21]
    assert "2027-11-21T14:30:29Z, more than 366 days after the file's first" in found[21].words


def test_a_leap_among_the_last_rows_may_be_a_gap_and_stays():
    times = [*steps(100, SECOND), T0 + 3600 * SECOND, *steps(ENOUGH - 1, SECOND, T0 + 100 * SECOND)]

    assert read(times) == {}


@pytest.mark.parametrize("seed", range(10))
def test_a_tenth_of_all_times_may_be_damaged_either_way(seed):
    rng = random.Random(seed)
    times, ahead = [], []
    for t in steps(3000, SECOND // 50):
        if rng.random() < 0.1:
            leap = rng.choice([-1, 1]) * rng.randrange(10, 100 * 3600) * SECOND
            if leap > 0:
                ahead.append(len(times))
            times.append(t + leap)
        times.append(t)
    times += steps(ENOUGH, 0, times[-1])

    assert list(read(times, parts=1 + seed)) == ahead


def test_the_first_row_after_a_night_is_told_from_a_damaged_one():
    first, second = steps(100, SECOND), steps(100, SECOND, T0 + 17 * 3600 * SECOND)
    damaged = T0 + 17 * 3600 * SECOND

    assert read(first + second) == {}
    assert list(read([*first[:50], damaged, *first[50:], *second])) == [50]


@pytest.mark.parametrize("events", [2, 3, 10, 200])
def test_a_file_in_order_of_its_orders_loses_nothing(events):
    rng = random.Random(events)
    times = []
    for _ in range(100):
        times += sorted(T0 + rng.randrange(7 * 3600) * SECOND for _ in range(events))

    assert read(times) == {}


@pytest.mark.parametrize("step", [SECOND // 1000, SECOND, 60 * SECOND])
def test_a_file_whose_newest_event_comes_first_loses_nothing(step):
    assert read(steps(500, step)[::-1]) == {}


def test_files_put_behind_each_other_lose_nothing():
    day = steps(500, SECOND)

    assert read(day + day + day[::2]) == {}


@given(st.randoms(use_true_random=False))
def test_verdicts_do_not_depend_on_where_the_parts_end(rng):
    times = []
    for t in steps(300, rng.choice([SECOND // 10, SECOND, 10 * SECOND])):
        times.append(NO_TIME if rng.random() < 0.1 else t - rng.randrange(8 * SECOND))
        if rng.random() < 0.05:
            times.append(t + rng.choice(LEAPS))

    assert set(read(times, parts=3)) == set(read(times))


def test_reading_on_where_a_part_ended_gives_the_same_verdicts():
    times = steps(200, SECOND)
    times.insert(100, T0 + 3600 * SECOND)

    assert list(read(times[100:], newest=times[99])) == [0]


def test_a_row_that_is_refused_for_another_reason_moves_no_time():
    ahead = InTime(
        iter([steps(3, SECOND), [T0 + 9 * SECOND, *steps(80, SECOND // 100)]]), np.array,
        last=END_OF_TIME, newest=NO_TIME,
    )  # fmt: skip
    rounds = iter(ahead)
    letter = DeadLetter("orders", 0, "f:3", DeadLetterReason.BAD_SIDE, "", b"", NO_TIME)
    batch = Batch(0, events=blank(EVENT, 2), dead=[letter])
    batch.events["ts_event"] = steps(2, SECOND)

    next(rounds)
    ahead.built(batch)
    _, refused = next(rounds)

    assert list(refused) == [0]


def test_little_of_a_file_is_read_ahead_where_a_topic_is_rare():
    taken = []

    def parts():
        for i in range(50):
            taken.append(i)
            yield [T0 + i * 3600 * SECOND] if i % 25 == 0 else []

    seen = [len(taken) for _ in InTime(parts(), np.array, last=END_OF_TIME, newest=NO_TIME)]

    assert len(seen) == 50
    assert max(count - i for i, count in enumerate(seen)) == 1 + MOST_PARTS
