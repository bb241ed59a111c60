"""Arrays on disk in chunks: from snapshot to snapshot only changed chunks are written.

A key has a folder of segments, files that only grow. A chunk that differs from what was
saved last is appended; a snapshot names the place and the digest of every chunk. Chunks that
are named never move while a snapshot may still be resumed: when more than half of all bytes
are out of use, the oldest segment's live chunks are written anew and the file is removed a
few snapshots later. A process that resumes begins a new segment, so that two processes never
write the same file.
"""

import errno
import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import xxhash

from domain.errors import RecoveryError, ServerError, other_version

VERSION = 1
CHUNK = 16_384
SEGMENT = 8 << 20
"""A segment is full once it has so many bytes."""
SNAPSHOTS_KEPT = 3
"""A segment out of use outlives so many snapshots: the engine has committed them by then."""
_SLACK = 2 * SEGMENT
_ENTRY = np.dtype([("segment", "u4"), ("size", "u4"), ("at", "u8"), ("digest", "u8", (2,))])
_NOTHING = np.empty(0, _ENTRY)
_SUFFIX = ".chunks"

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})

_syncing = ThreadPoolExecutor(1, "chunk-sync")


class ChunkLog:
    """The segments of one key. For one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._arrays: dict[str, np.ndarray] = {}
        self._added: dict[str, np.ndarray] = {}
        self._segments: dict[int, int] = {}
        """Bytes of each segment that is in use."""
        self._leaving: list[tuple[int, int]] = []
        """(segments out of use, the snapshot that no longer named them)."""
        self._file: int | None = None
        self._number = 0
        self._end = 0
        self._saves = 0
        self._syncs: list[Future[None]] = []
        self.written = 0
        """Bytes written by the last save."""

    def save(
        self, arrays: Mapping[str, np.ndarray], added: Mapping[str, bytes], fresh: bool
    ) -> tuple[Any, ...]:
        """See operators.increments."""
        try:
            self._begin()
            leaving = self._to_clean()
            self._arrays = {
                name: self._save_array(self._arrays.get(name, _NOTHING), array, leaving)
                for name, array in arrays.items()
            }
            for name in {**self._added, **added}:
                old = _NOTHING if fresh else self._added.get(name, _NOTHING)
                more = self._save_bytes(added.get(name, b""))
                self._added[name] = np.concatenate([self._move(old, leaving), more])
            self._finish(leaving)
        except OSError as error:
            why = error.strerror or error
            if error.errno in _FULL:
                # Waited for, as every other full disk is: with room the next start goes on.
                raise ServerError(
                    "no room is left on the disk of the recovery folder "
                    f"({self._folder}: {why}); free some: nothing is lost"
                ) from error
            raise RecoveryError(f"cannot write the state to {self._folder}: {why}") from error
        return (
            VERSION,
            {name: entries.tobytes() for name, entries in self._arrays.items()},
            {name: entries.tobytes() for name, entries in self._added.items()},
        )

    def load(self, saved: tuple[Any, ...]) -> tuple[dict[str, np.ndarray], dict[str, list[bytes]]]:
        """See operators.increments."""
        version, arrays, added = saved
        if version != VERSION:
            raise other_version(f"the state in {self._folder}", version, VERSION)
        self._arrays = {name: np.frombuffer(raw, _ENTRY) for name, raw in arrays.items()}
        self._added = {name: np.frombuffer(raw, _ENTRY) for name, raw in added.items()}
        found = {name: self._loaded(entries) for name, entries in self._arrays.items()}
        parts = {name: list(self._parts(entries)) for name, entries in self._added.items()}
        for entries in (*self._arrays.values(), *self._added.values()):
            for number in np.unique(entries["segment"]).tolist():
                self._segments[number] = self._path(number).stat().st_size
        return found, parts

    # Reading

    def _path(self, number: int) -> Path:
        return self._folder / f"{number:08d}{_SUFFIX}"

    def _loaded(self, entries: np.ndarray) -> np.ndarray:
        out = np.empty(int(entries["size"].sum()), np.uint8)
        at = 0
        for part in self._parts(entries):
            out[at : at + len(part)] = np.frombuffer(part, np.uint8)
            at += len(part)
        return out

    def _parts(self, entries: np.ndarray) -> Iterator[bytes]:
        """Each chunk's bytes. Raises RecoveryError where they are not as they were written."""
        files: dict[int, int] = {}
        try:
            for number, size, at, digest in entries.tolist():
                if number not in files:
                    files[number] = os.open(self._path(number), os.O_RDONLY)
                data = os.pread(files[number], size, at)
                if len(data) != size or _digest(data) != tuple(digest):
                    raise RecoveryError(
                        f"{self._path(number)} is damaged at byte {at}: a machine that lost "
                        "power may have kept a snapshot without its state; restore the recovery "
                        "folder as a whole or start anew with an empty recovery_dir"
                    )
                yield data
        except OSError as error:
            raise RecoveryError(
                f"the snapshot's state is not in {self._folder} ({error.strerror}): the folder "
                "belongs to the recovery store beside it; restore both or start anew with an "
                "empty recovery_dir"
            ) from error
        finally:
            for file in files.values():
                os.close(file)

    # Writing

    def _begin(self) -> None:
        while self._syncs:
            self._syncs.pop(0).result()
        self._saves += 1
        self.written = 0
        if self._file is not None:
            return
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        there = {int(path.name.removesuffix(_SUFFIX)) for path in self._folder.glob("*" + _SUFFIX)}
        self._number = max(there, default=0)
        # Written after the snapshot that we resumed, or by a store that was emptied since.
        for number in there - self._segments.keys():
            self._path(number).unlink(missing_ok=True)
        self._open_next()

    def _open_next(self) -> None:
        self._number += 1
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
        self._file = os.open(self._path(self._number), flags, 0o600)
        self._segments[self._number] = 0
        self._end = 0

    def _to_clean(self) -> int:
        """The segment whose live chunks are to be moved, 0 for none."""
        live = sum(int(e["size"].sum()) for e in (*self._arrays.values(), *self._added.values()))
        if sum(self._segments.values()) <= 2 * live + _SLACK:
            return 0
        oldest = min(self._segments)
        return oldest if oldest != self._number else 0

    def _save_array(self, old: np.ndarray, array: np.ndarray, leaving: int) -> np.ndarray:
        raw = array.reshape(-1).view(np.uint8)
        out = np.zeros(-(-len(raw) // CHUNK), _ENTRY)
        if not len(out):
            return out
        view = raw.data
        out["size"] = CHUNK
        out["size"][-1] = len(raw) - (len(out) - 1) * CHUNK
        digests = b"".join(
            xxhash.xxh3_128_digest(view[at : at + CHUNK]) for at in range(0, len(raw), CHUNK)
        )
        out["digest"] = np.frombuffer(digests, "u8").reshape(-1, 2)
        both = min(len(old), len(out))
        kept, mine = old[:both], out[:both]
        same = (kept["digest"] == mine["digest"]).all(axis=1) & (kept["size"] == mine["size"])
        if leaving:
            same &= kept["segment"] != leaving
        mine[same] = kept[same]
        changed = np.ones(len(out), bool)
        changed[:both] = ~same
        for first, last in _runs(changed):
            self._append(out[first:last], view[first * CHUNK : min(last * CHUNK, len(raw))])
        return out

    def _save_bytes(self, data: bytes) -> np.ndarray:
        out = np.zeros(1 if data else 0, _ENTRY)
        if data:
            out["size"] = len(data)
            out["digest"] = _digest(data)
            self._append(out, memoryview(data))
        return out

    def _move(self, entries: np.ndarray, leaving: int) -> np.ndarray:
        """The entries with those of a segment written anew."""
        out = entries.copy()
        for i in np.flatnonzero(entries["segment"] == leaving).tolist() if leaving else ():
            (data,) = self._parts(entries[i : i + 1])
            self._append(out[i : i + 1], memoryview(data))
        return out

    def _append(self, entries: np.ndarray, data: memoryview) -> None:
        """Write chunks that follow each other, and note where they are."""
        if self._end >= SEGMENT:
            self._close_segment()
            self._open_next()
        assert self._file is not None
        entries["segment"] = self._number
        entries["at"] = self._end + np.cumsum(entries["size"]) - entries["size"]
        while len(data):
            n = os.write(self._file, data)
            data = data[n:]
            self._end += n
            self.written += n
        self._segments[self._number] = self._end

    def _close_segment(self) -> None:
        assert self._file is not None
        self._syncs.append(_syncing.submit(_sync_and_close, self._file))

    def _finish(self, leaving: int) -> None:
        assert self._file is not None
        self._syncs.append(_syncing.submit(os.fdatasync, self._file))
        if leaving:
            del self._segments[leaving]
            self._leaving.append((leaving, self._saves))
        while self._leaving and self._leaving[0][1] + SNAPSHOTS_KEPT <= self._saves:
            self._path(self._leaving.pop(0)[0]).unlink(missing_ok=True)


def chunk_logs(folder: Path) -> Callable[[str], ChunkLog]:
    """Opens the log of a key in a folder of its own below this one."""
    return lambda key: ChunkLog(folder / key)


def _sync_and_close(file: int) -> None:
    os.fdatasync(file)
    os.close(file)


def _digest(data: bytes) -> tuple[int, int]:
    low, high = np.frombuffer(xxhash.xxh3_128_digest(data), "u8").tolist()
    return low, high


def _runs(changed: np.ndarray) -> list[tuple[int, int]]:
    """(first, behind the last) of each stretch of true values."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], changed, [False]])))
    return [(int(a), int(b)) for a, b in edges.reshape(-1, 2).tolist()]
