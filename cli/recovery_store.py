"""Reading the engine's recovery store, and dropping what no restart will read.

The store is the engine's own: one or more SQLite files, which together hold the newest snapshot
of every state, how far each process had come (`fronts`) at each start (`exs`), and the epoch up to
which old snapshots were dropped (`commits`).
"""

import sqlite3
from collections.abc import Generator, Iterable, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from cli.recovery_layout import read_layout
from domain.errors import RecoveryError, ServerError

_PATIENCE_S = 5.0
_BY_STEP = """
SELECT step_id, count(DISTINCT state_key), sum(length(ser_change)) FROM snaps GROUP BY step_id
"""
_SUPERSEDED = """
DELETE FROM snaps WHERE EXISTS (
  SELECT 1 FROM snaps AS newer
  WHERE newer.step_id = snaps.step_id AND newer.state_key = snaps.state_key
    AND newer.snap_epoch > snaps.snap_epoch AND newer.snap_epoch < ?
)
"""
_DISCARDED = "DELETE FROM snaps WHERE ser_change IS NULL AND snap_epoch < ?"
_OLD_STARTS = (
    "DELETE FROM fronts WHERE ex_num < (SELECT max(ex_num) FROM exs)",
    "DELETE FROM exs WHERE ex_num < (SELECT max(ex_num) FROM exs)",
)


@dataclass(frozen=True, slots=True)
class Step:
    """What is kept of one step of the flow."""

    step: str
    states: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Store:
    """What a recovery store holds."""

    folder: Path
    flow: str | None
    parts: int
    bytes: int
    """On disk, logs and the state beside the snapshots included."""
    unused: int
    """Bytes of pages that hold nothing."""
    resume_epoch: int
    written: str | None
    """Time of the newest snapshot, UTC."""
    workers: int
    """Workers of the last start."""
    starts: int
    steps: tuple[Step, ...]


def read_store(folder: Path) -> Store:
    """Look at a store, also while a flow runs on it. Raises RecoveryError."""
    layout = read_layout(folder)
    steps: dict[str, tuple[int, int]] = {}
    size = _bytes_of(folder.glob("state/*/*.chunks"))
    unused = 0
    written: str | None = None
    parts = sorted(folder.glob("part-*.sqlite3"))
    for part in parts:
        size += _bytes_of(folder.glob(f"{part.name}*"))
        with _open(part) as store:
            unused += _number(store, "PRAGMA freelist_count") * _number(store, "PRAGMA page_size")
            newest = store.execute("SELECT max(created_at) FROM snaps").fetchone()[0]
            written = max(filter(None, (written, newest)), default=None)
            for step, states, held in store.execute(_BY_STEP):
                before = steps.get(step, (0, 0))
                steps[step] = (before[0] + states, before[1] + (held or 0))
    start = _last_start(parts)
    return Store(
        folder, layout.flow if layout else None, len(parts), size, unused, start.goes_on_at,
        written, start.workers, start.number + 1,
        tuple(Step(step, *held) for step, held in sorted(steps.items())),
    )  # fmt: skip


def _bytes_of(files: Iterable[Path]) -> int:
    """Size on disk together. A log that a flow closed since it was listed counts as none."""
    size = 0
    for file in files:
        with suppress(FileNotFoundError):
            size += file.stat().st_size
    return size


@dataclass(frozen=True, slots=True)
class _Start:
    number: int = -1
    workers: int = 0
    goes_on_at: int = 1
    """Epoch of the slowest process; that of the start itself before all have said theirs."""


def _last_start(parts: Sequence[Path]) -> _Start:
    """The newest start and how far it came, whichever files say so."""
    starts: list[tuple[int, int, int]] = []
    fronts: list[tuple[int, int]] = []
    for part in parts:
        with _open(part) as store:
            starts += store.execute("SELECT ex_num, worker_count, resume_epoch FROM exs").fetchall()
            fronts += store.execute("SELECT ex_num, worker_frontier FROM fronts").fetchall()
    if not starts:
        return _Start()
    number, workers, epoch = max(starts)
    reached = [front for start, front in fronts if start == number]
    return _Start(number, workers, min(reached) if len(reached) == workers else epoch)


def put_in_order(folder: Path, sinks: Sequence[str] = ()) -> int:
    """Drop what would mislead the engine; gives how many records. Raises RecoveryError.

    Call it before a flow starts, in one process of it.

    - Snapshots of epochs that were never finished: the engine goes on before them, and where a
      state is not written again before the next crash it takes the old one for a snapshot of its
      own, which holds events that are then read a second time.
    - Those of `sinks`, the ids of steps that keep nothing: their writers may be fewer than
      before, and the engine fails where it does not know one.
    """
    parts = sorted(folder.glob("part-*.sqlite3"))
    epoch = _last_start(parts).goes_on_at
    dropped = 0
    for part in parts:
        with _open(part) as store:
            dropped += store.execute("DELETE FROM snaps WHERE snap_epoch >= ?", (epoch,)).rowcount
            for step in sinks:
                dropped += store.execute("DELETE FROM snaps WHERE step_id = ?", (step,)).rowcount
    return dropped


def collect(folder: Path) -> int:
    """Drop what no restart will read; gives the number of records.

    Raises ServerError while a flow runs on the store, RecoveryError for what is none.
    """
    dropped = 0
    parts = sorted(folder.glob("part-*.sqlite3"))
    epoch = _last_start(parts).goes_on_at
    for part in parts:
        with _open(part) as store:
            try:
                # Refused while anybody else has the file open.
                store.execute("PRAGMA locking_mode = EXCLUSIVE")
                store.execute("PRAGMA journal_mode = DELETE")
            except sqlite3.OperationalError as error:
                raise ServerError(
                    f"a flow runs on {folder} ({error}): stop it first, then nothing is in use"
                ) from error
            before = store.total_changes
            for statement in (_SUPERSEDED, _DISCARDED):
                store.execute(statement, (epoch,))
            for statement in _OLD_STARTS:
                store.execute(statement)
            dropped += store.total_changes - before
            store.execute("VACUUM")
            store.execute("PRAGMA journal_mode = WAL")
    return dropped


@contextmanager
def _open(part: Path) -> Generator[sqlite3.Connection]:
    """A file of the store; what SQLite says becomes words.

    Not read-only, even for a look: after a crash whoever comes first has to read SQLite's log
    into the file.
    """
    try:
        address = f"{part.absolute().as_uri()}?mode=rw"
        with closing(
            sqlite3.connect(address, uri=True, isolation_level=None, timeout=_PATIENCE_S)
        ) as store:
            yield store
    except sqlite3.Error as error:
        raise RecoveryError(f"{part} cannot be read as a recovery store: {error}") from error


def _number(store: sqlite3.Connection, question: str) -> int:
    return int(store.execute(question).fetchone()[0])
