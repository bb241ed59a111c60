"""A thousand spoilt messages among ten thousand good ones, in files of every format."""

import json
import re
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from sources.fix.tables import SESSION_TYPES
from tests import garbage

_PLACE = re.compile(rb'"pos":\d+,')
"""An event's number in its input, which counts what was taken of the garbage too."""


class Replay:
    """What a replay of a file says of it."""

    def __init__(self, execmon, format_: str, path: Path, folder: Path) -> None:
        folder.mkdir()
        files = {name: folder / f"{name}.ndjson" for name in ("orders", "fills", "dead-letters")}
        told = [str(x) for name, file in files.items() for x in (f"--{name}", file)]
        ended = execmon("replay", format_, path, "--json", "--marks", 5, *told)
        assert ended.code == 0, ended.err
        self.summary = ended.json
        orders, fills, dead = (file.read_bytes().splitlines() for file in files.values())
        self.orders = {json.loads(line)["order_id"]: line for line in orders}
        self.fills = [_PLACE.sub(b"", line) for line in fills]
        self.dead = [json.loads(line) for line in dead]

    def only(self, orders: set[str]) -> tuple[dict[str, bytes], list[bytes]]:
        """Records and fills of these orders, as they were written but for `pos`."""
        fills = [line for line in self.fills if json.loads(line)["order_id"] in orders]
        return {o: line for o, line in self.orders.items() if o in orders}, fills


def check(clean: Replay, dirty: Replay, told: dict[str, tuple[str, frozenset[str]]]) -> None:
    """What must be refused is, where it stands; the rest of it touches nobody else.

    `told` has the kind and the reasons of each spoilt message by its position.
    """
    dead = {letter["position"]: letter for letter in dirty.dead}
    assert len(dead) == len(dirty.dead) == dirty.summary["dead_letters"]
    assert not dead.keys() - told.keys(), "a good message was refused"
    missed = {at: kind for at, (kind, reasons) in told.items() if reasons and at not in dead}
    assert not missed
    for position, letter in dead.items():
        kind, reasons = told[position]
        assert not reasons or letter["reason"] in reasons, (kind, letter)
        assert letter["topic"]
        assert letter["words"]
    taken = len(told) - len(dead)
    assert 0 < taken < sum(not reasons for _, reasons in told.values())
    assert dirty.summary["events"] == clean.summary["events"] + taken - silent(dirty.summary)
    assert len(clean.orders) > 500
    assert dirty.only(set(clean.orders)) == (clean.orders, clean.fills)


def silent(summary) -> int:
    """What a FIX log held that is counted and is no event."""
    session = sum(summary.get("by_type", {}).get(kind, 0) for kind in SESSION_TYPES)
    counts = (summary.get(name, 0) for name in ("no_event", "junk_lines"))
    return session + sum(counts) + sum(summary.get("unsupported", {}).values())


def replays(execmon, format_: str, folder: Path, suffix: str = "") -> tuple[Replay, Replay]:
    """The file without garbage and the one with it."""
    clean, dirty = (
        Replay(execmon, format_, folder / f"{name}.{suffix or format_}", folder / name)
        for name in ("clean", "dirty")
    )
    assert clean.dead == []
    return clean, dirty


def write_lines(folder: Path, suffix: str, good: list[bytes], spoilt, head=b"") -> list[int]:
    """Both files; gives the numbers of the spoilt lines from 1."""
    lines, where = garbage.merged(good, [(line.behind, line.raw) for line in spoilt])
    for name, content in (("clean", good), ("dirty", lines)):
        (folder / f"{name}.{suffix}").write_bytes(head + b"\n".join(content) + b"\n")
    return [at + 1 + head.count(b"\n") for at in where]


def test_spoilt_lines_of_json_change_no_good_order(execmon, tmp_path):
    good = garbage.good_records()
    spoilt = garbage.spoilt_json(good, seed=1)
    numbers = write_lines(tmp_path, "ndjson", [garbage.as_json(r) for r in good], spoilt)

    clean, dirty = replays(execmon, "ndjson", tmp_path)

    check(clean, dirty, {
        f"dirty.ndjson:{at}": (line.kind, line.reasons)
        for at, line in zip(numbers, spoilt, strict=True)
    })  # fmt: skip


def test_spoilt_lines_of_csv_change_no_good_order(execmon, tmp_path):
    good = garbage.good_records()
    names = garbage.columns_of([garbage.flat(r) for r in good])
    spoilt = garbage.spoilt_csv(good, names, seed=2)
    lines = [garbage.csv_line(garbage.flat(r), names) for r in good]
    numbers = write_lines(tmp_path, "csv", lines, spoilt, ",".join(names).encode() + b"\n")

    clean, dirty = replays(execmon, "csv", tmp_path)

    check(clean, dirty, {
        f"dirty.csv:{at}": (line.kind, line.reasons)
        for at, line in zip(numbers, spoilt, strict=True)
    })  # fmt: skip


@pytest.mark.parametrize("typed", [True, False], ids=["typed", "texts"])
def test_spoilt_rows_of_parquet_change_no_good_order(execmon, tmp_path, typed):
    good = [garbage.flat(r) for r in garbage.good_records()]
    names = garbage.columns_of(good)
    spoilt = garbage.spoilt_records(good, seed=3)
    rows, where = garbage.merged(good, [(s.behind, s.record) for s in spoilt])
    for name, content in (("clean", good), ("dirty", rows)):
        table = garbage.table_of(content, names, typed=typed)
        pq.write_table(table, tmp_path / f"{name}.parquet", row_group_size=3_000)

    clean, dirty = replays(execmon, "parquet", tmp_path)

    check(clean, dirty, {
        f"dirty.parquet: row {at + 1}": (s.kind, s.reasons)
        for at, s in zip(where, spoilt, strict=True)
    })  # fmt: skip


def test_spoilt_messages_of_a_fix_log_change_no_good_order(execmon, tmp_path):
    good = garbage.good_fix()
    spoilt = garbage.spoilt_fix(good, seed=4)
    numbers = write_lines(tmp_path, "log", [garbage.fix_line(m) for m in good], spoilt)

    clean, dirty = replays(execmon, "fix", tmp_path, "log")

    check(clean, dirty, {
        f"dirty.log:{at}": (line.kind, line.reasons)
        for at, line in zip(numbers, spoilt, strict=True)
    })  # fmt: skip
    assert clean.summary["difference_list"] == []
    assert not {d["order_id"] for d in dirty.summary["difference_list"]} & clean.orders.keys()
