"""Snapshots are shown, cleared of what nobody will read, and refused where they do not fit."""

import json
import pickle
import sqlite3
from contextlib import closing
from datetime import timedelta

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from bytewax.recovery import RecoveryConfig
from bytewax.testing import TestingSink, TestingSource, run_main

from cli.recovery import prepare_recovery
from cli.recovery_layout import LAYOUT_FILE, Layout, check_layout, fitting, read_layout
from cli.recovery_store import collect, put_in_order, read_store
from domain.errors import RecoveryError, ServerError

FIT = Layout(flow="monitor", groups=16, partitions={"orders": 4}, snapshots={"orders": 2})


@pytest.fixture
def folder(tmp_path):
    prepare_recovery(tmp_path / "recovery")
    return tmp_path / "recovery"


def run(folder, inputs, seen):
    """Sums by key, with a snapshot at every item."""
    flow = Dataflow("sums")
    keyed = op.input("in", flow, TestingSource(inputs))

    def add(total, value):
        total = (total or 0) + value
        return (None if value < 0 else total), total

    op.output("out", op.stateful_map("add", keyed, add), TestingSink(seen))
    run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(
        str(folder), backup_interval=timedelta(days=1)))  # fmt: skip


def states(store):
    """How many states each step has; a step of several parts by its own name."""
    return {step.step.partition(".stateful")[0]: step.states for step in store.steps}


ITEMS = [("a", 1), ("a", 2), ("b", 5), ("b", -5)]


def test_a_store_says_what_it_holds(folder):
    assert read_store(folder).starts == 0

    run(folder, ITEMS, [])

    store = read_store(folder)
    assert (store.starts, store.workers, store.parts) == (1, 1, 1)
    assert states(store) == {"sums.add": 2, "sums.in": 1}
    assert store.resume_epoch > 3
    assert store.bytes > 0
    assert store.written is not None


def test_a_file_that_is_gone_before_it_is_measured_counts_as_none(folder):
    size = read_store(folder).bytes
    (folder / "state" / "order").mkdir(parents=True)

    (folder / "state" / "order" / "7.chunks").symlink_to(folder / "removed meanwhile")

    assert read_store(folder).bytes == size


def test_what_no_restart_reads_is_dropped_and_the_rest_is_found_again(folder):
    run(folder, ITEMS, [])
    run(folder, ITEMS, [])
    seen = []

    dropped = collect(folder)

    assert dropped >= 5
    assert states(read_store(folder)) == {"sums.add": 1, "sums.in": 1}
    assert collect(folder) == 0
    run(folder, [*ITEMS, ("a", 10), ("b", 7)], seen)
    assert seen == [("a", 13), ("b", 7)]


def test_a_snapshot_of_an_epoch_that_was_never_finished_is_not_taken_later(folder):
    """Killed twice in a row, the second time before the state was written again."""
    run(folder, [("a", 1)], [])
    unfinished = read_store(folder).resume_epoch
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as store, store:
        [(step,)] = store.execute("SELECT DISTINCT step_id FROM snaps WHERE step_id LIKE '%.add.%'")
        store.execute(
            "INSERT INTO snaps (step_id, state_key, snap_epoch, ser_change) VALUES (?, 'a', ?, ?)",
            (step, unfinished, pickle.dumps(111)),
        )
    seen = []
    # The crash comes where only the other key has been written again.
    items = [("a", 1), ("b", 1), ("b", 1), TestingSource.ABORT(), ("a", 1)]

    assert put_in_order(folder) == 1
    run(folder, items, seen)
    run(folder, items, seen)

    assert seen[-1] == ("a", 2)
    assert put_in_order(folder) == 0


def test_a_sink_may_have_fewer_writers_than_before(folder):
    def write(writers, items, seen):
        class Writers(FixedPartitionedSink):
            def list_parts(self):
                return [str(n) for n in range(writers)]

            def part_fn(self, item_key):
                return len(item_key)

            def build_part(self, step_id, for_part, resume_state):
                return Writer()

        class Writer(StatefulSinkPartition):
            def write_batch(self, values):
                seen.extend(values)

            def snapshot(self):
                return None

        flow = Dataflow("sums")
        op.output("out", op.input("in", flow, TestingSource(items)), Writers())
        run_main(flow, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(folder)))

    items, seen = [("a", 1), ("ab", 2)], []
    write(3, items, seen)

    put_in_order(folder, ["sums.out"])
    write(1, [*items, ("abc", 3)], seen)

    assert seen == [1, 2, 3]


def test_a_store_in_use_is_left_alone(folder):
    run(folder, ITEMS, [])
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as user:
        user.execute("SELECT count(*) FROM snaps").fetchone()

        with pytest.raises(ServerError, match=r"a flow runs on .*: stop it first"):
            collect(folder)


def test_a_store_is_read_as_a_crash_left_it(folder, tmp_path):
    run(folder, ITEMS, [])
    whole = read_store(folder)
    left = tmp_path / "left"
    left.mkdir()
    with closing(sqlite3.connect(folder / "part-0.sqlite3")) as writer, writer:
        writer.execute("UPDATE exs SET created_at = 'later'")
        writer.commit()
        # What is only in the log, beside an index of it that the dead process had half written.
        for name in ("part-0.sqlite3", "part-0.sqlite3-wal"):
            (left / name).write_bytes((folder / name).read_bytes())
        (left / "part-0.sqlite3-shm").write_bytes(bytes(32_768))
        assert (left / "part-0.sqlite3-wal").stat().st_size > 0

    assert read_store(left).steps == whole.steps
    assert put_in_order(left) == 0


def test_a_file_that_is_no_store_is_said(folder):
    (folder / "part-0.sqlite3").write_text("no database at all, whatever its name says")

    with pytest.raises(RecoveryError, match="cannot be read as a recovery store"):
        read_store(folder)


def test_show_and_gc_at_the_command_line(execmon, folder):
    run(folder, ITEMS, [])
    check_layout(folder, FIT)

    shown = execmon("recovery", "show", "--recovery-dir", str(folder), "--json")
    [store] = json.loads(shown.out)["stores"]
    table = execmon("recovery", "show", "--recovery-dir", str(folder))
    swept = execmon("recovery", "gc", "--recovery-dir", str(folder))
    again = execmon("recovery", "gc", "--recovery-dir", str(folder), "--json")

    assert (store["flow"], store["starts"]) == ("monitor", 1)
    assert "sums.add" in table.out
    assert "old records dropped" in swept.out
    assert json.loads(again.out)["stores"][0]["dropped"] == 0


def test_a_folder_without_snapshots_is_said(execmon, tmp_path):
    refused = execmon("recovery", "show", "--recovery-dir", str(tmp_path))

    assert refused.code == 2
    assert "no snapshots are in" in refused.err


def test_a_new_store_records_its_layout_and_takes_the_same_again(folder):
    check_layout(folder, FIT)
    check_layout(folder, FIT)

    assert read_layout(folder) == FIT
    assert [f.name for f in folder.iterdir() if f.name.startswith(LAYOUT_FILE)] == [LAYOUT_FILE]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"flow": "history"}, "belongs to the flow monitor, not to history: give each flow"),
        ({"groups": 8}, "are of 16 groups, the settings say 8: set EXECMON_GROUPS=16 again"),
        ({"partitions": {"orders": 8}}, "of 4 partitions of orders, the bus has 8: use the bus"),
        ({"snapshots": {"orders": 3}}, "step orders .* version 2, this program reads 3: run the"),
    ],
)
def test_what_does_not_fit_is_refused_with_the_way_out(folder, change, words):
    check_layout(folder, FIT)
    other = Layout(**{**{f: getattr(FIT, f) for f in FIT.__struct_fields__}, **change})

    with pytest.raises(RecoveryError, match=words) as refused:
        check_layout(folder, other)

    assert refused.value.exit_code == 5


def test_a_layout_that_cannot_be_read_is_said(folder):
    (folder / LAYOUT_FILE).write_text("{")

    with pytest.raises(RecoveryError, match="cannot be read"):
        check_layout(folder, FIT)


def test_a_missing_file_of_the_store_is_said(tmp_path):
    from bytewax.recovery import init_db_dir

    tmp_path.joinpath("r").mkdir()
    init_db_dir(tmp_path / "r", 3)
    (tmp_path / "r" / "part-1.sqlite3").unlink()

    with (
        pytest.raises(RecoveryError, match=r"a file of the recovery store .* is missing"),
        fitting(tmp_path / "r", FIT, ()),
    ):
        run(tmp_path / "r", ITEMS, [])


def test_snapshots_of_another_version_end_a_worker_with_5(execmon, folder, monkeypatch):
    from runtime.servers import open_servers

    check_layout(folder, Layout(flow="monitor", groups=16, partitions={}, snapshots={"market": 0}))
    with open_servers() as servers:
        refused = execmon(
            "worker", "--bus-url", servers.bus_url, "--status-url", servers.status_url,
            "--recovery-dir", str(folder),
        )  # fmt: skip

    assert refused.code == 5
    assert "the snapshots of step market" in refused.err
    assert "start anew, with nothing running and an empty recovery_dir" in refused.err
