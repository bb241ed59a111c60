import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from operators.lookup import find, new_table, put, rehash, remove

KEYS = st.one_of(st.integers(1, 12), st.integers(1, (1 << 64) - 1))


def contents(table):
    return {int(key): int(row) - 1 for key, row in table if row}


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(["put", "put", "remove"]), KEYS), max_size=60))
def test_the_table_says_what_a_dictionary_says(steps):
    table, plain = new_table(4), {}
    for i, (what, key) in enumerate(steps):
        if what == "remove":
            remove(table, np.uint64(key))
            plain.pop(key, None)
        elif key not in plain and len(plain) < 12:
            put(table, np.uint64(key), i)
            plain[key] = i
        assert contents(table) == plain
        for known in (*plain, key):
            assert find(table, np.uint64(known)) == plain.get(known, -1)


@settings(max_examples=50, deadline=None)
@given(st.sets(KEYS, min_size=1, max_size=12), st.data())
def test_removal_leaves_every_other_key_where_it_is_found(keys, data):
    table = new_table(4)
    for row, key in enumerate(sorted(keys)):
        put(table, np.uint64(key), row)
    gone = data.draw(st.sets(st.sampled_from(sorted(keys))))
    for key in gone:
        remove(table, np.uint64(key))
    for row, key in enumerate(sorted(keys)):
        assert find(table, np.uint64(key)) == (-1 if key in gone else row)
    for key in keys - gone:
        remove(table, np.uint64(key))
    assert not table.any(), "no tombstone is left"


def test_a_larger_table_holds_the_same_keys():
    small, large = new_table(8), new_table(200)
    for row in range(12):
        put(small, np.uint64(row * 7919 + 1), row)
    rehash(small, large)
    assert contents(small) == contents(large)
    assert all(find(large, np.uint64(row * 7919 + 1)) == row for row in range(12))


def test_a_new_table_has_room_for_twice_its_keys():
    assert new_table(4).shape == (16, 2)
    assert new_table(8).shape == (16, 2)
    assert new_table(9).shape == (32, 2)
    assert new_table(1000).shape == (2048, 2)
