"""The recovery store is made once, for snapshots of megabytes."""

import sqlite3
from contextlib import closing
from datetime import timedelta

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig
from bytewax.testing import TestingSink, TestingSource, run_main

from cli.recovery import PAGE_BYTES, prepare_recovery
from domain.errors import RecoveryError


def test_a_recovery_store_is_made_once_and_then_kept(tmp_path):
    folder = tmp_path / "a" / "b"

    prepare_recovery(folder)
    [part] = folder.iterdir()
    part.write_bytes(b"kept")
    prepare_recovery(folder)

    assert part.read_bytes() == b"kept"


def test_snapshots_are_written_in_large_pages(tmp_path):
    prepare_recovery(tmp_path)

    [part] = tmp_path.iterdir()
    with closing(sqlite3.connect(part)) as store:
        assert store.execute("PRAGMA page_size").fetchone() == (PAGE_BYTES,)
        assert store.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert store.execute("PRAGMA integrity_check").fetchone() == ("ok",)


def test_the_engine_resumes_from_such_a_store(tmp_path):
    prepare_recovery(tmp_path)
    seen = []
    flow = Dataflow("kept")
    source = TestingSource([1, 2, TestingSource.ABORT(), 3])
    op.output("out", op.input("in", flow, source), TestingSink(seen))
    recovery = RecoveryConfig(str(tmp_path))

    run_main(flow, epoch_interval=timedelta(0), recovery_config=recovery)
    run_main(flow, epoch_interval=timedelta(0), recovery_config=recovery)

    assert seen == [1, 2, 3]


def test_a_file_that_is_no_store_is_said(tmp_path, monkeypatch):
    def spoil(folder, parts):
        (folder / "part-0.sqlite3").write_text("this is no database, whatever its name says")

    monkeypatch.setattr("bytewax.recovery.init_db_dir", spoil)

    with pytest.raises(RecoveryError, match=r"cannot use the recovery folder .* not a database"):
        prepare_recovery(tmp_path)


def test_who_is_killed_while_making_a_store_leaves_none(tmp_path, monkeypatch):
    def die(part):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("cli.recovery._widen_pages", die)
        with pytest.raises(KeyboardInterrupt):
            prepare_recovery(tmp_path)
    assert not list(tmp_path.glob("*.sqlite3"))

    prepare_recovery(tmp_path)

    test_snapshots_are_written_in_large_pages(tmp_path)


def test_a_recovery_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")

    with pytest.raises(RecoveryError, match="cannot use the recovery folder"):
        prepare_recovery(tmp_path / "file" / "below")
