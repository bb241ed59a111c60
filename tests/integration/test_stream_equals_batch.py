"""The stream against Polars computations that share no code with it, to 1e-9."""

import importlib.util
import os
from pathlib import Path
from types import ModuleType

import numpy as np
import polars as pl
import pytest

from benchmarks import batch_polars, stream
from benchmarks.compare import differences
from benchmarks.pipeline import KEY, SESSION, read_rows
from benchmarks.w1 import Size, write_w1
from cli.replay.run import ReplayOptions, replay, write_files
from sources.lobster import LobsterReader

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def lobster_folder() -> Path:
    data = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "lobster_amzn"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (EXECMON_TEST_DATA says where it is)")
    return folder


@pytest.fixture
def lobster_batch() -> ModuleType:
    path = ROOT / "tests" / "batch" / "lobster_batch.py"
    spec = importlib.util.spec_from_file_location("lobster_batch_for_stream", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_executed_order_of_a_nasdaq_session_equals_the_batch(
    lobster_folder: Path, lobster_batch: ModuleType, tmp_path: Path
) -> None:
    file = tmp_path / "orders.parquet"
    options = ReplayOptions(orders=file)
    write_files(replay([LobsterReader(lobster_folder)], options), options)
    batch = lobster_batch.orders(lobster_folder).with_columns(pl.col("order_id").cast(pl.String))

    found = pl.read_parquet(file).with_columns(pl.col("order_id").cast(pl.String))
    found = found.filter(pl.col("cum_qty") > 0).sort("order_id")
    batch = batch.sort("order_id")

    assert found["order_id"].to_list() == batch["order_id"].to_list()
    compared = [c for c in batch.columns if c in found.columns and c != "order_id"]
    assert {"avg_px", "effective_spread_bps", "effective_spread_exec_mid_bps"} <= set(compared)
    assert sum(c.startswith("markout_cost_") for c in compared) == 12
    assert sum(c.startswith("realized_spread_") for c in compared) == 5
    for name in compared:
        ours = found[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        theirs = batch[name].cast(pl.Float64).fill_null(np.nan).to_numpy()
        np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs), err_msg=name)
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9, err_msg=name)


@pytest.mark.parametrize("workers", [1, 2])
def test_every_status_metric_of_a_small_day_equals_the_batch(tmp_path: Path, workers: int) -> None:
    size = Size(ticks=20_000, symbols=12, orders=60, fills=3_000)
    paths = write_w1(tmp_path / "data", size, seed=5)
    ours, theirs = tmp_path / "stream", tmp_path / "polars"
    ours.mkdir()
    theirs.mkdir()
    stream.run(paths, ours, workers)
    batch_polars.run(paths.market, paths.orders, paths.reference, theirs, SESSION)

    rows = read_rows(ours).collect()

    assert rows.height > 3_000
    assert differences(read_rows(theirs), rows.lazy(), KEY) == []
