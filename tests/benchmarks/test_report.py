import json

import polars as pl
import pytest

from benchmarks.__main__ import benchmarks
from benchmarks.compare import differences
from benchmarks.report import Timing, apart, parser, peak_mb, show, timed

KEY = ("order_id", "seq")


def frame(**columns: list) -> pl.LazyFrame:
    return pl.LazyFrame({"order_id": ["A", "B"], "seq": [1, 1]} | columns)


def test_figures_are_one_json_object_with_the_machine(capsys):
    show("pipeline", {"stream_s": 1.5, "processes": 1}, as_json=True)

    printed = json.loads(capsys.readouterr().out)
    assert printed["stream_s"] == 1.5
    assert {"cpu", "cores", "memory_gb", "date"} <= set(printed["machine"])


def test_figures_can_be_read_by_people(capsys):
    show("pipeline", {"events_per_s": 12_345_678.9, "ratio_to_polars": 0.41}, as_json=False)

    out = capsys.readouterr().out
    assert "12,345,679" in out
    assert "0.410" in out


def test_the_median_of_the_repetitions_is_reported():
    calls: list[int] = []

    timing = timed(lambda: calls.append(1), 3, warm=2)

    assert len(calls) == 5
    assert len(timing.seconds) == 3
    assert Timing((3.0, 1.0, 2.0)).median_s == 2.0
    assert Timing((3.0, 1.0, 2.0)).spread_s == 2.0


def test_every_benchmark_takes_json_and_repeat():
    options = parser("pipeline", "words").parse_args(["--json", "--repeat", "5"])

    assert options.json
    assert options.repeat == 5


def test_all_benchmarks_are_found():
    found = benchmarks()

    assert "pipeline" in found
    assert "report" not in found


def test_equal_rows_in_another_order_have_no_difference():
    one = frame(avg_px=[1.0, None])

    assert not differences(one, one.reverse(), KEY)


def test_a_value_on_one_side_only_is_a_difference():
    found = differences(frame(twap=[1.0, None]), frame(twap=[1.0, 2.0]), KEY)

    assert [(d.column, d.nulls) for d in found] == [("twap", 1)]
    assert "order_id B" in str(found[0])


@pytest.mark.parametrize(("gap", "count"), [(5e-10, 0), (5e-9, 1)])
def test_differences_are_relative_to_the_value(gap: float, count: int):
    one, other = frame(twap=[100.0, 200.0]), frame(twap=[100.0, 200.0 * (1 + gap)])

    assert len(differences(one, other, KEY)) == count


def test_an_amount_is_compared_with_a_basis_point_of_the_notional():
    more = {"order_qty": [1e6, 1e6], "arrival_mid": [100.0, 100.0]}
    one = frame(slippage_ccy=[0.0, 1.0], **more)
    other = frame(slippage_ccy=[1e-6, 1.0], **more)

    assert not differences(one, other, KEY)
    assert differences(one.drop("arrival_mid"), other.drop("arrival_mid"), KEY)


def test_rows_that_are_missing_are_named():
    with pytest.raises(ValueError, match="2 against 1"):
        differences(frame(), frame().head(1), KEY)
    with pytest.raises(ValueError, match="one side only: twap"):
        differences(frame(twap=[1.0, 2.0]), frame(), KEY)


def test_memory_is_that_of_the_way_itself():
    held = bytearray(200_000_000)

    result, peak = apart(len, "four")

    assert result == 4
    assert 5.0 < peak < 190.0
    assert peak_mb() > len(held) / 1e6
