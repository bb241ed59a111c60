import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.rows import ORDER, STATUS
from sinks.columns import columns_of


@given(st.lists(st.integers(0, 150), max_size=4), st.integers(0, 2**32 - 1))
def test_columns_hold_what_the_rows_held(lengths, seed):
    rng = np.random.default_rng(seed)
    for dtype in (STATUS, ORDER):
        parts = [rng.bytes(n * dtype.itemsize) for n in [*lengths, 3]]
        parts = [np.frombuffer(raw, dtype) for raw in parts]
        names = [n for n in dtype.names if dtype[n].shape == ()]

        found = columns_of(parts, names)

        whole = np.concatenate(parts)
        assert list(found) == names
        for name in names:
            assert found[name].dtype == dtype[name]
            assert found[name].tobytes() == whole[name].tobytes()


def test_only_the_fields_asked_for_are_turned():
    rows = np.zeros(2, STATUS)
    rows["seq"] = [4, 5]
    rows["side"] = [1, -1]

    found = columns_of([rows], ["side", "seq"])

    assert found["seq"].tolist() == [4, 5]
    assert found["side"].tolist() == [1, -1]
    assert found.keys() == {"side", "seq"}
