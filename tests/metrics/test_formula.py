import importlib
import json
import math
import os
import pkgutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import metrics
from metrics.efficiency import performance_score
from metrics.formula import FloatArray, Formula, TapeFormula, formula, tape_formula
from metrics.slippage import slippage_bps
from metrics.tape import pwp

ROOT = Path(__file__).parents[2]


def every(kind: type) -> list:
    modules = [
        importlib.import_module(f"metrics.{m.name}") for m in pkgutil.iter_modules(metrics.__path__)
    ]
    found = {id(v): v for m in modules for v in vars(m).values() if isinstance(v, kind)}
    return sorted(found.values(), key=lambda f: (f.__module__, f.__name__))


def arguments_of(definition: Formula, rows: int) -> list[np.ndarray]:
    """Values of every kind: prices, quantities, small fractions, zeros, negatives and NaN."""
    random = np.random.default_rng(len(definition.__name__))
    columns = []
    for name in definition.parameters:
        if name == "side":
            column = random.choice([1.0, -1.0, 0.0, math.nan], rows, p=[0.45, 0.45, 0.05, 0.05])
        elif name.endswith("_ns"):
            column = random.integers(0, 1 << 60, rows)
        else:
            scale = 10.0 ** random.integers(-3, 4, rows)
            column = random.uniform(-0.2, 1.0, rows) * scale
            column[random.random(rows) < 0.05] = math.nan
            column[random.random(rows) < 0.05] = 0.0
        columns.append(column)
    return columns


def same_bits(a: float, b: float) -> bool:
    return (math.isnan(a) and math.isnan(b)) or float(a).hex() == float(b).hex()


@pytest.mark.parametrize("definition", every(Formula), ids=lambda f: f.__name__)
def test_a_kernel_a_number_and_a_column_agree_to_the_last_bit(definition: Formula) -> None:
    columns = arguments_of(definition, 200)
    names = definition.parameters

    as_column = definition(columns[0], **dict(zip(names[1:], columns[1:], strict=True)))

    for i, row in enumerate(zip(*(c.tolist() for c in columns), strict=True)):
        as_number = definition(row[0], **dict(zip(names[1:], row[1:], strict=True)))
        in_kernel = definition.kernel(*row)
        in_python = definition.__wrapped__(*row)
        assert same_bits(as_column[i], as_number), row
        assert same_bits(as_number, in_kernel), row
        assert same_bits(in_kernel, in_python), row


@pytest.mark.parametrize("definition", every(Formula), ids=lambda f: f.__name__)
def test_a_formula_never_raises_and_never_gives_an_infinity(definition: Formula) -> None:
    awkward = [math.nan, 0.0, -0.0, 1.0, -1.0, 1e-12, 1e6]
    random = np.random.default_rng(7)
    for _ in range(300):
        row = [
            int(random.integers(0, 1 << 60)) if name.endswith("_ns") else random.choice(awkward)
            for name in definition.parameters
        ]
        assert not math.isinf(
            definition.__wrapped__(*(v if isinstance(v, int) else float(v) for v in row))
        ), row


def test_arrays_broadcast_and_keep_their_shape() -> None:
    prices = np.array([[50.1, 50.2], [50.3, 50.4]])

    column = slippage_bps(prices, benchmark=50.0, side=np.array([1, -1]))

    assert column.shape == (2, 2)
    assert column == pytest.approx(np.array([[20.0, -40.0], [60.0, -80.0]]))


def test_numbers_give_a_plain_float_and_empty_columns_an_empty_one() -> None:
    assert type(slippage_bps(np.float64(50.1), benchmark=50, side=1)) is float
    assert slippage_bps(np.empty(0), benchmark=50.0, side=1).shape == (0,)


def test_integers_are_taken_as_numbers() -> None:
    assert slippage_bps(np.array([51, 49]), benchmark=50, side=1).tolist() == [200.0, -200.0]


def test_a_missing_or_unknown_argument_is_named() -> None:
    with pytest.raises(TypeError, match=r"missing: side, unknown: sides"):
        slippage_bps(50.1, benchmark=50.0, sides=1)


def test_a_formula_says_what_it_is() -> None:
    assert repr(slippage_bps).startswith("<formula metrics.slippage.slippage_bps(avg_px: float")


def test_a_formula_works_inside_another_kernel_with_an_integer_side_and_default_weights() -> None:
    slip = slippage_bps.kernel
    score = performance_score.kernel

    @njit
    def both(price: float, side: int) -> tuple[float, float]:
        return slip(price, 50.0, side), score(0.5, 1.0, math.nan, 0.5, 0.5)

    assert both(50.1, np.int8(1)) == (
        slippage_bps(50.1, benchmark=50.0, side=1),
        performance_score(
            0.5, adherence=1, completion=math.nan, markout_pct=0.5, fill_rate_pct=0.5
        ),
    )


def test_an_integer_parameter_keeps_all_its_nanoseconds() -> None:
    @formula
    def later(start_ns: int, end_ns: int) -> float:
        return float(end_ns - start_ns)

    assert later(1_700_000_000_000_000_001, end_ns=1_700_000_000_000_000_003) == 2.0
    start = np.array([1_700_000_000_000_000_001])
    assert later(start, end_ns=1_700_000_000_000_000_003).tolist() == [2.0]


def test_a_tape_formula_takes_lists_integers_and_read_only_columns() -> None:
    prices, sizes = np.array([10, 11]), np.frombuffer(np.array([100.0, 300.0]).tobytes())

    assert pwp(prices, sizes=sizes, needed_qty=200) == 10.5
    assert pwp([10, 11], sizes=[100, 300], needed_qty=200) == 10.5


def test_a_tape_formula_refuses_columns_that_do_not_fit() -> None:
    with pytest.raises(ValueError, match=r"pwp needs columns of one length, got \[1, 2\]"):
        pwp(np.ones(2), sizes=np.ones(1), needed_qty=1)
    with pytest.raises(ValueError, match="a column has one dimension, got 2"):
        pwp(np.ones((2, 2)), sizes=np.ones(2), needed_qty=1)


def test_a_tape_formula_is_the_same_in_kernel_and_python() -> None:
    @tape_formula
    def last(prices: FloatArray, n: int) -> float:
        return float(prices[n - 1])

    assert last(np.array([1.0, 2.0]), n=2) == last.kernel(np.array([1.0, 2.0]), 2) == 2.0
    assert isinstance(last, TapeFormula)


PROBE = """
import json, math, numpy as np
from metrics.efficiency import cost_efficiency, performance_score, risk_bps
from metrics.impact import almgren_cost_bps, i_star_cost_bps
from metrics.schedules import expected_is
from metrics.slippage import slippage_bps
from metrics.tape import time_weighted_mid
z = np.linspace(-5, 5, 41)
found = [
    *slippage_bps(z + 50.0, benchmark=50.123, side=-1), *cost_efficiency(z),
    *expected_is(z, start=-5.0, end=5.0, kappa_t=3.0), risk_bps(1.3, seconds=77.0,
    half_spread_bps=math.nan, tick_bps=0.1), almgren_cost_bps(157.0, qty=12345.0, adv=1e6,
    shares_outstanding=3e8, horizon_days=0.37), i_star_cost_bps(123.0, adv=1e4,
    sigma_annual=0.3, participation=0.07), time_weighted_mid(z, mids=z * z, start=-3.3, end=4.4),
    performance_score(0.3, adherence=1.0, completion=math.nan, markout_pct=0.7, fill_rate_pct=0.1),
]
print(json.dumps([float(x).hex() for x in found]))
"""


def test_with_compilation_off_the_numbers_are_the_same() -> None:
    def run(disable: str) -> list[str]:
        environment = {**os.environ, "NUMBA_DISABLE_JIT": disable, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", PROBE],
            cwd=ROOT,
            env=environment,
            check=True,
            capture_output=True,
        )
        return json.loads(done.stdout)

    assert run("1") == run("0")
