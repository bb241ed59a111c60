"""Arrays on disk, of which only the changes are written."""

import errno
import os

import numpy as np
import pytest

from domain.errors import RecoveryError, ServerError
from runtime import chunk_log
from runtime.chunk_log import CHUNK, SEGMENT, SNAPSHOTS_KEPT, ChunkLog

ROW = np.dtype([("a", "i8"), ("b", "f8")])


def rows(n, seed=0):
    out = np.zeros(n, ROW)
    out["a"] = np.random.default_rng(seed).integers(0, 1 << 40, n)
    return out


def files(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_saved_is_loaded(tmp_path):
    log = ChunkLog(tmp_path / "k")
    wide = np.arange(12.0).reshape(3, 4)
    arrays = {"rows": rows(5000), "wide": wide, "none": np.empty(0), "flat": np.empty((16, 0))}
    saved = log.save(arrays, {"names": b"abc", "more": b""}, fresh=False)

    found, added = ChunkLog(tmp_path / "k").load(saved)
    assert {name: raw.tobytes() for name, raw in found.items()} == {
        name: array.tobytes() for name, array in arrays.items()
    }
    assert added == {"names": [b"abc"], "more": []}


def test_only_changed_chunks_are_written(tmp_path):
    log = ChunkLog(tmp_path / "k")
    data = rows(100_000)
    log.save({"rows": data}, {}, fresh=False)
    assert log.written == data.nbytes
    log.save({"rows": data}, {}, fresh=False)
    assert log.written == 0
    data["b"][70_000] = 1.0
    log.save({"rows": data}, {}, fresh=False)
    assert log.written == CHUNK
    grown = np.concatenate([data, rows(10)])
    saved = log.save({"rows": grown}, {}, fresh=False)
    assert log.written == grown.nbytes % CHUNK
    assert ChunkLog(tmp_path / "k").load(saved)[0]["rows"].tobytes() == grown.tobytes()


def test_what_is_added_follows_what_was_there_unless_it_is_fresh(tmp_path):
    log = ChunkLog(tmp_path / "k")
    log.save({}, {"names": b"one"}, fresh=False)
    log.save({}, {}, fresh=False)
    saved = log.save({}, {"names": b"two"}, fresh=False)
    assert ChunkLog(tmp_path / "k").load(saved)[1] == {"names": [b"one", b"two"]}
    saved = log.save({}, {"names": b"all"}, fresh=True)
    assert ChunkLog(tmp_path / "k").load(saved)[1] == {"names": [b"all"]}


def test_old_segments_go_and_every_recent_snapshot_stays_whole(tmp_path):
    rng = np.random.default_rng(3)
    log = ChunkLog(tmp_path / "k")
    cold, hot = rows(200_000), rows(300_000, 1)
    recent = []
    sizes = []
    for i in range(60):
        hot["b"][rng.integers(0, len(hot), 300)] = i
        name = f"name {i};".encode()
        saved = log.save({"cold": cold, "hot": hot}, {"names": name}, fresh=False)
        recent = [*recent, (saved, hot.tobytes())][-SNAPSHOTS_KEPT:]
        sizes.append(sum(path.stat().st_size for path in (tmp_path / "k").iterdir()))
    for saved, as_it_was in recent:
        found, added = ChunkLog(tmp_path / "k").load(saved)
        assert found["cold"].tobytes() == cold.tobytes()
        assert found["hot"].tobytes() == as_it_was
    assert b"".join(added["names"]) == b"".join(f"name {i};".encode() for i in range(60))
    assert max(sizes) < 2 * (cold.nbytes + hot.nbytes) + (5 + SNAPSHOTS_KEPT) * SEGMENT
    assert "00000001.chunks" not in files(tmp_path / "k")


def test_who_resumes_drops_what_was_written_later_and_begins_a_segment(tmp_path):
    folder = tmp_path / "k"
    data = rows(3000)
    saved = ChunkLog(folder).save({"rows": data}, {}, fresh=False)
    lost = ChunkLog(folder)
    lost.load(saved)
    changed = data.copy()
    changed["a"] += 1
    lost.save({"rows": changed}, {}, fresh=False)
    assert files(folder) == ["00000001.chunks", "00000002.chunks"]

    again = ChunkLog(folder)
    assert again.load(saved)[0]["rows"].tobytes() == data.tobytes()
    later = again.save({"rows": data}, {}, fresh=False)
    assert again.written == 0
    assert files(folder) == ["00000001.chunks", "00000003.chunks"]
    assert ChunkLog(folder).load(later)[0]["rows"].tobytes() == data.tobytes()

    ChunkLog(folder).save({"rows": data}, {}, fresh=False)
    assert files(folder) == ["00000004.chunks"], "a store that begins anew needs none of them"


def test_damage_absence_and_another_version_are_told_in_words(tmp_path):
    folder = tmp_path / "k"
    version, *rest = ChunkLog(folder).save({"rows": rows(3000)}, {}, fresh=False)
    with pytest.raises(RecoveryError, match="has version 99, this program reads 1"):
        ChunkLog(folder).load((99, *rest))
    file = folder / "00000001.chunks"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1])
    with pytest.raises(RecoveryError, match=r"00000001\.chunks is damaged at byte 32768"):
        ChunkLog(folder).load((version, *rest))
    file.write_bytes(b"x" + whole[1:])
    with pytest.raises(RecoveryError, match="damaged at byte 0"):
        ChunkLog(folder).load((version, *rest))
    file.unlink()
    with pytest.raises(RecoveryError, match="belongs to the recovery store beside it"):
        ChunkLog(folder).load((version, *rest))


def test_a_full_disk_is_told_in_words(tmp_path, monkeypatch):
    def full(file, data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(chunk_log.os, "write", full)
    with pytest.raises(
        ServerError, match=r"no room is left on the disk of the recovery folder .*free some"
    ):
        ChunkLog(tmp_path / "k").save({"rows": rows(10)}, {}, fresh=False)


def test_a_failed_sync_is_told_by_the_next_save(tmp_path, monkeypatch):
    log = ChunkLog(tmp_path / "k")

    def broken(file):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(chunk_log.os, "fdatasync", broken)
        log.save({"rows": rows(10)}, {}, fresh=False)
        with pytest.raises(RecoveryError, match="cannot write the state"):
            log.save({"rows": rows(10)}, {}, fresh=False)
