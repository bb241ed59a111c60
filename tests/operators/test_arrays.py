import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.columns import EVENT
from domain.keys import key_of
from domain.vocabulary import EventKind
from operators.arrays import distinct_keys, in_order, is_in_order, joined, used_keys
from operators.pieces import STAMPED

MARK = int(EventKind.MARK)


def events(places):
    rows = np.zeros(len(places), STAMPED)
    for row, (t, kind, source, pos) in zip(rows, places, strict=True):
        row["t_eff"], row["kind"], row["source"], row["pos"] = t, kind, source, pos
    return rows


place = st.tuples(
    st.integers(0, 3), st.sampled_from([1, 10, MARK]), st.integers(0, 2), st.integers(0, 9)
)


@given(st.lists(place, max_size=40))
def test_rows_lie_by_time_then_events_then_input_then_position(places):
    found = in_order(events(places))

    expected = sorted(places, key=lambda p: (p[0], p[1] == MARK, p[2], p[3]))
    assert [(r["t_eff"], r["kind"] == MARK, r["source"], r["pos"]) for r in found] == [
        (t, kind == MARK, source, pos) for t, kind, source, pos in expected
    ]
    assert is_in_order(found)


def test_many_rows_of_one_instant_are_put_in_order_too():
    places = [(7, 1, 0, pos) for pos in range(700, 0, -1)]

    assert in_order(events(places))["pos"].tolist() == list(range(1, 701))


def test_rows_in_order_are_not_copied():
    rows = events([(1, 1, 0, 0), (1, MARK, 0, 0), (2, 1, 0, 0)])

    assert in_order(rows) is rows


@pytest.mark.parametrize("lengths", [[], [0, 0], [3], [0, 2, 0], [1, 0, 4]])
def test_joining_keeps_every_row(lengths):
    rng = np.random.default_rng(1)
    arrays = [np.frombuffer(rng.bytes(n * EVENT.itemsize), EVENT) for n in lengths]

    whole = joined(arrays, EVENT)

    assert whole.dtype == EVENT
    assert whole.tobytes() == b"".join(a.tobytes() for a in arrays)


@given(
    st.lists(st.lists(st.sampled_from([0, 1, 2, 2**63]), max_size=8), min_size=1, max_size=3),
    st.sampled_from([1, 40]),
)
def test_distinct_keys_are_every_key_but_nought_once(columns, times):
    arrays = [np.array(column * times, np.uint64) for column in columns]

    found = distinct_keys(arrays)

    assert sorted(found) == sorted({key for column in columns for key in column} - {0})


def test_names_in_use_are_those_that_some_row_holds():
    names = {key_of(name): name for name in ("a", "b", "c", "d")}
    rows = np.zeros(3, EVENT)
    rows["order"] = [key_of("d"), key_of("a"), key_of("x")]
    rows["venue"][1] = key_of("b")

    assert used_keys(names, [(rows, ("order", "venue"))]) == sorted(map(key_of, "abd"))
    assert used_keys({}, [(rows, ("order",))]) == []
