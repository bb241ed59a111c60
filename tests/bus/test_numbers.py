"""Numbers that rise by one: repeats, gaps, latecomers."""

from hypothesis import given
from hypothesis import strategies as st

from bus.numbers import MOST_MISSING, Gap, Numbers


def test_a_number_that_comes_again_is_a_repeat():
    numbers = Numbers()

    assert [numbers.take("A", n) for n in (1, 2, 2, 1, 3)] == [
        (True, None), (True, None), (False, None), (False, None), (True, None),
    ]  # fmt: skip


def test_a_gap_is_told_once_and_closed_by_what_comes_late():
    numbers = Numbers()

    assert numbers.take("A", 2) == (True, Gap("A", 1, 1))
    assert numbers.take("A", 5) == (True, Gap("A", 3, 4))
    assert dict(numbers.missing()) == {"A": [1, 3, 4]}
    assert [numbers.take("A", n) for n in (4, 4, 6)] == [(True, None), (False, None), (True, None)]
    assert dict(numbers.missing()) == {"A": [1, 3]}


def test_counting_begins_where_the_reading_did():
    numbers = Numbers(from_start=False)

    assert numbers.take("A", 7) == (True, None)
    assert numbers.take("A", 9) == (True, Gap("A", 8, 8))


def test_the_key_longest_unheard_of_is_forgotten_and_makes_no_gap_when_it_is_back():
    numbers = Numbers(room=2)
    for key in ("A", "B", "A", "C"):
        numbers.take(key, 1)

    assert numbers.take("B", 5) == (True, None)


def test_a_gap_of_millions_is_told_whole_and_only_its_end_awaited():
    numbers = Numbers()

    assert numbers.take("A", 5_000_000) == (True, Gap("A", 1, 4_999_999))
    assert len(dict(numbers.missing())["A"]) == MOST_MISSING


@given(st.lists(st.tuples(st.sampled_from("AB"), st.integers(1, 8))))
def test_each_number_is_new_exactly_once_and_the_rest_is_missing(takes):
    numbers = Numbers()
    new = []
    for at, (key, number) in enumerate(takes):
        if at == len(takes) // 2:
            numbers = Numbers.restored(numbers.state())
        if numbers.take(key, number)[0]:
            new.append((key, number))

    assert sorted(new) == sorted(set(takes))
    for key in {key for key, _ in takes}:
        seen = {n for k, n in takes if k == key}
        expected = sorted(set(range(1, max(seen))) - seen)
        assert dict(numbers.missing()).get(key, []) == expected
