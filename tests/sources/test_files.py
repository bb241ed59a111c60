import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, run_main

from domain.batch import Batch
from domain.errors import ConfigurationError, RecoveryError
from domain.instants import NO_TIME, format_rfc3339
from domain.vocabulary import Topic
from sources.columnar import CsvReader
from sources.files import FileSource, Progress, Turns
from sources.ndjson import NdjsonReader

T0 = 1_795_185_000_000_000_000
_NOTHING = timedelta(0)


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Forty quotes and twenty fills, a pair of fills after every fourth quote."""
    monkeypatch.setattr("sources.ndjson.BATCH_LINES", 6)
    lines: list[dict[str, Any]] = []
    for n in range(40):
        stamp = format_rfc3339(T0 + 10 * n)
        lines.append({"type": "quote", "symbol": "S", "bid": 1.0, "ts_event": stamp, "seq": n})
        if n % 4 == 3:
            lines += [
                {"type": "order_filled", "order_id": "A", "symbol": "S", "ts_event": stamp,
                 "last_qty": 1.0, "last_px": 1.0, "seq": len(lines)}
                for _ in range(2)
            ]  # fmt: skip
    file = tmp_path / "e.ndjson"
    file.write_text("\n".join(json.dumps(line) for line in lines))
    return file


def run(source: FileSource, **how: Any) -> list[Batch]:
    out: list[Batch] = []
    flow = Dataflow("files")
    op.output("out", op.input("in", flow, source), TestingSink(out))
    run_main(flow, **how)
    return out


def quotes(out: list[Batch]) -> list[int]:
    return [int(s) for b in out for s in b.market["seq"]]


def positions(out: list[Batch]) -> list[int]:
    return [int(p) for b in out for p in b.events["pos"]]


@pytest.mark.parametrize("turns", list(Turns))
def test_every_row_comes_once_and_each_input_ends(path: Path, turns: Turns) -> None:
    source = FileSource(NdjsonReader(path), turns=turns)

    out = run(source)

    assert [(i.index, i.topic, i.partition) for i in source.inputs] == [
        (0, Topic.ORDERS, 0),
        (1, Topic.MARKET_DATA, 0),
    ]
    assert quotes(out) == list(range(40))
    assert positions(out) == list(range(20))
    for index in (0, 1):
        mine = [b for b in out if b.source == index]
        assert [b.ended for b in mine] == [False] * (len(mine) - 1) + [True]
        assert mine[-1].watermark == T0 + 390
        marks = [b.watermark for b in mine]
        assert marks == sorted(marks)
        assert {int(s) for b in mine for s in (*b.market["source"], *b.events["source"])} == {index}


def test_turns_by_event_time_keep_the_inputs_together(path: Path) -> None:
    lines = path.read_text().splitlines()
    path.write_text("\n".join(sorted(lines, key=lambda line: "quote" in line)))

    out = run(FileSource(NdjsonReader(path)))

    reached = {0: NO_TIME, 1: NO_TIME}
    ended: set[int] = set()
    for batch in out:
        if 1 - batch.source not in ended:
            assert reached[batch.source] <= reached[1 - batch.source]
        reached[batch.source] = batch.watermark
        ended |= {batch.source} if batch.ended else set()
    assert ended == {0, 1}


@pytest.mark.parametrize("turns", [Turns.MARKET_FIRST, Turns.MARKET_LAST])
def test_one_input_may_be_read_wholly_before_the_other(path: Path, turns: Turns) -> None:
    out = run(FileSource(NdjsonReader(path), turns=turns))

    order = [b.source for b in out]
    assert order == sorted(order, reverse=turns is Turns.MARKET_FIRST)


class _Fails(Exception):
    pass


def test_a_run_that_breaks_off_goes_on_where_its_snapshot_stood(path: Path, tmp_path: Path) -> None:
    store = tmp_path / "recovery"
    store.mkdir()
    init_db_dir(store, 1)
    seen: list[Batch] = []

    def watch(_step: str, batch: Batch) -> Batch:
        seen.append(batch)
        if breaks and len(seen) == 9:
            raise _Fails
        return batch

    def flow() -> Dataflow:
        flow = Dataflow("files")
        stream = op.map("watch", op.input("in", flow, FileSource(NdjsonReader(path))),
                        lambda b: watch("", b))  # fmt: skip
        op.output("out", stream, TestingSink([]))
        return flow

    how: dict[str, Any] = {"recovery_config": RecoveryConfig(store), "epoch_interval": _NOTHING}
    breaks = True
    with pytest.raises(Exception, match=r"_Fails|watch"):
        run_main(flow(), **how)
    first = list(seen)
    seen.clear()
    breaks = False
    run_main(flow(), **how)

    again = set(quotes(first)) & set(quotes(seen))
    assert sorted(set(quotes(first)) | set(quotes(seen))) == list(range(40))
    assert len(again) < 40
    by_seq = {int(r["seq"]): r for b in first for r in b.market}
    for batch in seen:
        for row in batch.market:
            if int(row["seq"]) in by_seq:
                assert row.tobytes() == by_seq[int(row["seq"])].tobytes()
    assert quotes(seen) == list(range(quotes(seen)[0], 40))
    assert positions(seen) == list(range(positions(seen)[0], 20))
    assert sum(b.ended for b in seen) == 2


def test_a_partition_resumed_after_its_end_ends_again(path: Path) -> None:
    source = FileSource(NdjsonReader(path))
    part = source.build_part("in", "orders/0", None)
    while not any(b.ended for b in part.next_batch()):
        pass

    again = FileSource(NdjsonReader(path)).build_part("in", "orders/0", part.snapshot())

    (last,) = again.next_batch()
    assert last.ended
    assert last.watermark == T0 + 390
    with pytest.raises(StopIteration):
        again.next_batch()


def test_a_snapshot_is_plain_numbers_and_another_version_is_refused(path: Path) -> None:
    source = FileSource(NdjsonReader(path))
    part = source.build_part("in", "orders/0", None)

    state = part.snapshot()

    assert state == (1, 0, 0, 0, NO_TIME)
    with pytest.raises(RecoveryError, match="version 2"):
        source.build_part("in", "orders/0", (2, *state[1:]))


def test_progress_counts_rows_and_ends_at_the_whole(path: Path) -> None:
    told: list[Progress] = []

    run(FileSource(NdjsonReader(path), progress=told.append))

    assert told[-1] == Progress(60, 1.0)
    shares = [p.share for p in told if p.share is not None]
    assert shares == sorted(shares)


def test_a_run_takes_one_market_and_at_least_one_file(path: Path) -> None:
    with pytest.raises(ConfigurationError, match="at least one file"):
        FileSource()
    with pytest.raises(ConfigurationError, match="one reader, got 2"):
        FileSource(NdjsonReader(path), NdjsonReader(path))


def test_orders_and_market_may_come_from_several_files(path: Path, tmp_path: Path) -> None:
    lines = path.read_text().splitlines()
    names = {"market": "quote", "orders": "order_"}
    for name, kind in names.items():
        chosen = [line for line in lines if kind in line]
        (tmp_path / f"{name}.ndjson").write_text("\n".join(chosen))
    readers = [NdjsonReader(tmp_path / f"{name}.ndjson") for name in ("market", "orders", "orders")]

    source = FileSource(*readers)
    out = run(source)

    assert [str(i.topic) for i in source.inputs] == ["orders", "orders", "market-data"]
    assert [i.partition for i in source.inputs] == [0, 1, 0]
    assert len(positions(out)) == 40
    assert quotes(out) == list(range(40))


def test_names_left_out_of_the_batches_are_found_later(tmp_path: Path) -> None:
    path = tmp_path / "fills.csv"
    stamp = format_rfc3339(T0)
    path.write_text(
        "type,order_id,symbol,ts_event,last_qty,last_px,exec_id\n"
        f"order_filled,A,S,{stamp},1,1,E77\n"
    )
    source = FileSource(CsvReader(path))

    out = run(source)

    key = int(out[0].events["exec"][0])
    assert key not in out[0].names
    assert source.late_name(key) == "E77"
    assert source.late_name(12345) is None
