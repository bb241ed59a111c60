from typing import NamedTuple

import numba
import numpy as np
import pytest

from operators.kernel import kernel

ROW = np.dtype([("n", "i8"), ("x", "f8")])


class Pair(NamedTuple):
    rows: np.ndarray
    scale: float


def double_last(rows, by):
    for i in range(rows.shape[0]):
        row = rows[i]
        row.x = row.x * by
        row.n += 1
    rows[0] = rows[rows.shape[0] - 1]
    return rows[0].x


def through_pair(pair):
    pair.rows[1].x = pair.rows[0].x / 0.0 * pair.scale
    return pair.rows[1].x


@pytest.fixture(params=[0, 1], ids=["compiled", "interpreted"])
def compile_or_not(request, monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", request.param)
    return request.param


def test_kernels_work_alike_compiled_and_interpreted(compile_or_not):
    rows = np.array([(1, 1.5), (2, 2.5)], ROW)

    assert kernel(double_last)(rows, 2.0) == 5.0

    assert rows.tolist() == [(3, 5.0), (3, 5.0)]


def test_kernels_divide_by_zero_without_an_error(compile_or_not):
    pair = Pair(np.array([(1, 1.5), (2, 2.5)], ROW), 2.0)

    assert kernel(through_pair)(pair) == np.inf

    assert pair.rows["x"].tolist() == [1.5, np.inf]


def test_an_interpreted_kernel_keeps_its_name_and_passes_plain_arrays(monkeypatch):
    monkeypatch.setattr(numba.config, "DISABLE_JIT", 1)
    total = kernel(double_last)
    assert total.__name__ == "double_last"
    plain = np.ones(3)
    assert kernel(lambda a, t: (a.sum(), t))(plain, (1, 2)) == (3.0, (1, 2))
