"""Files of rows: every format says the same, and a resumed run leaves no trace of the crash."""

import csv
import json
from datetime import timedelta

import polars as pl
import pytest
from bytewax import operators as op
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSource, run_main

from domain.errors import ConfigurationError, InputError, RecoveryError
from domain.keys import GROUP_KEYS
from sinks import part_files
from sinks.columnar import ColumnarSink, RowKind

SUFFIXES = ["parquet", "arrow", "ndjson", "csv"]


def read(path):
    """The records of a file, as an NDJSON file would say them."""
    if path.suffix == ".ndjson":
        return [json.loads(line) for line in path.read_text().splitlines()]
    if path.suffix == ".csv":
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    frame = pl.read_parquet(path) if path.suffix == ".parquet" else pl.read_ipc(path)
    return frame.to_dicts()


def write(path, kind, *batches, **options):
    part = ColumnarSink(path, kind, **options).build_part("file", "00", None)
    for batch in batches:
        part.write_batch([batch])
    part.close()
    return read(path)


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("kind", list(RowKind))
def test_every_row_is_written_once(tmp_path, full_rows, suffix, kind):
    found = write(tmp_path / f"x.{suffix}", kind, full_rows("A", t=1), full_rows("B/1 #ü", t=2))

    assert [record["order_id"] for record in found] == ["A", "B/1 #ü"]
    assert {path.name for path in tmp_path.iterdir()} <= {f"x.{suffix}", f"x.{suffix}.parts"}


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_file_without_rows_still_names_its_columns(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"

    assert write(path, RowKind.ORDERS) == []
    if suffix == "csv":
        assert path.read_text().startswith("order_id,root_order_id,")
    elif suffix == "parquet":
        assert "slippage_bps" in pl.read_parquet(path).columns


def test_parquet_and_arrow_hold_the_same_frame(tmp_path, full_rows):
    for kind in RowKind:
        rows = [full_rows("A", t=1, anomalies=4 + 32), full_rows("B", t=2)]
        write(tmp_path / "x.parquet", kind, *rows)
        write(tmp_path / "x.arrow", kind, *rows)

        parquet = pl.read_parquet(tmp_path / "x.parquet")
        arrow = pl.read_ipc(tmp_path / "x.arrow")
        assert parquet.to_dicts() == arrow.to_dicts()


def test_columns_say_what_the_record_says(tmp_path, full_rows):
    rows = full_rows("A", t=1)
    rows.orders["anomalies"] = 4 + 32
    rows.orders["slippage_bps"] = 1.5
    [told] = write(tmp_path / "x.ndjson", RowKind.ORDERS, rows)
    [found] = write(tmp_path / "x.parquet", RowKind.ORDERS, rows)

    assert list(found) == list(told)
    assert found["as_of"].isoformat() == "2023-11-14T22:13:21+00:00"
    assert told["as_of"] == "2023-11-14T22:13:21Z"
    for name in ("order_id", "side", "state", "seq", "avg_px", "decision_px", "provisional",
                 "slippage_bps", "quote_ts", "anomalies"):  # fmt: skip
        assert found[name] == told[name], name
    assert told["side"] == "BUY"
    assert told["anomalies"] == ["OVERFILL", "NEVER_ACCEPTED"]
    shares = {s["venue"]: s["share"] for s in found["venue_distribution"]}
    assert shares == told["venue_distribution"] == {"XNAS": 0.75, "ARCX": 0.25}
    for member in ("reasons", "caveats"):
        assert {k: v for k, v in found[member].items() if v} == told[member]
    assert "slippage_bps" not in told["reasons"]
    assert told["caveats"] == {"slippage_bps": "NO_REFERENCE"}


def test_csv_says_null_as_nothing_and_objects_as_json(tmp_path, full_rows):
    rows = full_rows('A,"quoted"', t=1)
    rows.orders["anomalies"] = 4 + 32
    [found] = write(tmp_path / "x.csv", RowKind.ORDERS, rows)

    assert found["order_id"] == 'A,"quoted"'
    assert found["decision_px"] == ""
    assert found["anomalies"] == "OVERFILL|NEVER_ACCEPTED"
    assert json.loads(found["venue_distribution"]) == {"ARCX": 0.25, "XNAS": 0.75}


def test_provisional_rows_are_in_no_file(tmp_path, status_row):
    rows = [status_row("A", provisional=1), status_row("B")]

    for suffix in ("ndjson", "parquet"):
        found = write(tmp_path / f"x.{suffix}", RowKind.STATUS, *rows)
        assert [record["order_id"] for record in found] == ["B"]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_a_resumed_file_equals_an_undisturbed_one(tmp_path, full_rows, suffix):
    rows = [full_rows(f"A{i}", t=i) for i in range(6)]
    whole = write(tmp_path / f"whole.{suffix}", RowKind.FILLS, *rows)
    sink = ColumnarSink(tmp_path / f"x.{suffix}", RowKind.FILLS)
    crashed = sink.build_part("file", "00", None)
    crashed.write_batch(rows[:2])
    state = crashed.snapshot()
    crashed.write_batch(rows[2:4])
    crashed.snapshot()
    crashed.write_batch(rows[4:5])
    crashed._wait()

    resumed = sink.build_part("file", "00", state)
    resumed.write_batch(rows[2:])
    resumed_state = resumed.snapshot()
    resumed.close()

    assert read(tmp_path / f"x.{suffix}") == whole
    again = sink.build_part("file", "00", resumed_state)
    again.close()
    assert read(tmp_path / f"x.{suffix}") == whole


@pytest.mark.parametrize("suffix", ["parquet", "ndjson"])
def test_a_file_that_lost_what_the_snapshot_knew_is_refused(tmp_path, full_rows, suffix):
    sink = ColumnarSink(tmp_path / f"x.{suffix}", RowKind.FILLS)
    part = sink.build_part("file", "00", None)
    part.write_batch([full_rows("A")])
    state = part.snapshot()
    for path in tmp_path.rglob(f"*.{suffix}"):
        path.write_bytes(b"") if suffix == "ndjson" else path.unlink()

    with pytest.raises(RecoveryError, match="start anew"):
        sink.build_part("file", "00", state)


def test_files_not_meant_to_be_resumed_say_so(tmp_path, full_rows):
    sink = ColumnarSink(tmp_path / "x.parquet", RowKind.FILLS, resumable=False)
    part = sink.build_part("file", "00", None)
    part.write_batch([full_rows("A")])
    state = part.snapshot()
    part.write_batch([full_rows("B")])
    part.snapshot()
    part.close()

    assert len(read(tmp_path / "x.parquet")) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["x.parquet"]
    with pytest.raises(RecoveryError, match="was not written to be resumed"):
        sink.build_part("file", "00", state)
    with pytest.raises(RecoveryError, match="has version 9"):
        sink.build_part("file", "00", (9, 0))


def test_each_part_of_the_groups_has_a_file_of_its_own(tmp_path, full_rows):
    sink = ColumnarSink(tmp_path / "x.ndjson", RowKind.FILLS, parts=2)
    for name in sink.list_parts():
        part = sink.build_part("file", name, None)
        part.write_batch([full_rows(name)])
        part.close()

    assert [r["order_id"] for r in read(tmp_path / "x-00.ndjson")] == ["00"]
    assert [r["order_id"] for r in read(tmp_path / "x-01.ndjson")] == ["01"]


@pytest.mark.parametrize(
    ("name", "words"),
    [("x.xlsx", "suffix must be one of"), ("x", "was missing"), ("no/x.csv", "make it first")],
)
def test_a_file_that_cannot_be_written_is_refused_before_anything_runs(tmp_path, name, words):
    with pytest.raises(ConfigurationError, match=words):
        ColumnarSink(tmp_path / name, RowKind.FILLS)


def test_a_folder_is_no_file(tmp_path):
    (tmp_path / "x.csv").mkdir()

    with pytest.raises(ConfigurationError, match="is a folder"):
        ColumnarSink(tmp_path / "x.csv", RowKind.FILLS)


def test_a_disk_that_refuses_is_told_in_words(tmp_path):
    sink = ColumnarSink(tmp_path / "x.ndjson", RowKind.FILLS)
    (tmp_path / "x.ndjson").symlink_to(tmp_path / "nowhere" / "x.ndjson")

    with pytest.raises(InputError, match="cannot write"):
        sink.build_part("file", "00", None)


@pytest.mark.parametrize("suffix", ["parquet", "ndjson"])
def test_a_flow_that_breaks_and_resumes_writes_every_row_once(tmp_path, full_rows, suffix):
    recovery = tmp_path / "recovery"
    recovery.mkdir()
    init_db_dir(recovery, 1)
    path = tmp_path / f"x.{suffix}"
    inputs = [(GROUP_KEYS[i % 3], full_rows(f"A{i}", t=i)) for i in range(8)]
    inputs.insert(5, TestingSource.ABORT())
    flow = Dataflow("files")
    stream = op.input("source", flow, TestingSource(inputs))
    op.output("file", stream, ColumnarSink(path, RowKind.FILLS))

    for _ in range(2):
        run_main(
            flow,
            epoch_interval=timedelta(0),
            recovery_config=RecoveryConfig(str(recovery)),
        )

    assert [record["order_id"] for record in read(path)] == [f"A{i}" for i in range(8)]


@pytest.mark.parametrize("suffix", ["parquet", "arrow"])
def test_many_rows_are_written_while_the_part_is_still_open(
    tmp_path, full_rows, suffix, monkeypatch
):
    monkeypatch.setattr(part_files, "_ROWS_OF_A_GROUP", 2)
    rows = [full_rows(f"A{i}") for i in range(7)]

    found = write(tmp_path / f"x.{suffix}", RowKind.ORDERS, *rows, resumable=False)

    assert [record["order_id"] for record in found] == [f"A{i}" for i in range(7)]


def test_a_slow_disk_makes_the_flow_wait_and_loses_nothing(tmp_path, full_rows):
    part = ColumnarSink(tmp_path / "x.ndjson", RowKind.FILLS).build_part("file", "00", None)
    for i in range(30):
        part.write_batch([full_rows(f"A{i}")])
        assert len(part._unwritten) <= 4
    part.close()

    assert len(read(tmp_path / "x.ndjson")) == 30
