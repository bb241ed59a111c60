"""What a recovery store was made for, kept beside it: a layout that does not fit is refused.

Snapshots are found again by the names of steps, groups and partitions. With other ones the engine
would find nothing, begin those anew and say nothing.
"""

import os
import sqlite3
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import RecoveryError

LAYOUT_FILE = "layout.json"
_ANEW = (
    "start anew, with nothing running and an empty recovery_dir: the bus is read from its "
    "beginning, and every row is written again under the same ids"
)


class Layout(msgspec.Struct, frozen=True):
    """Of one flow: its groups, the partitions of its input topics, its snapshots' versions."""

    flow: str
    groups: int
    partitions: Mapping[str, int]
    snapshots: Mapping[str, int]
    """Version of what each step keeps, by the step's id."""


def read_layout(folder: Path) -> Layout | None:
    """The recorded layout, None where there is none yet. Raises RecoveryError."""
    path = folder / LAYOUT_FILE
    try:
        return msgspec.json.decode(path.read_bytes(), type=Layout)
    except FileNotFoundError:
        return None
    except (OSError, msgspec.MsgspecError) as error:
        raise RecoveryError(
            f"{path} cannot be read: {error}; if nothing else is wrong, remove that file"
        ) from error


def check_layout(folder: Path, layout: Layout) -> None:
    """Record the layout of a new store, or compare it. Raises RecoveryError with the way out."""
    kept = read_layout(folder)
    if kept is None:
        _write(folder, layout)
        return
    if kept.flow != layout.flow:
        raise RecoveryError(
            f"the recovery folder {folder} belongs to the flow {kept.flow}, not to "
            f"{layout.flow}: give each flow its own folder"
        )
    if kept.groups != layout.groups:
        raise RecoveryError(
            f"the snapshots in {folder} are of {kept.groups} groups, the settings say "
            f"{layout.groups}: set EXECMON_GROUPS={kept.groups} again; another number needs "
            "an empty bus and an empty recovery_dir"
        )
    for topic, count in layout.partitions.items():
        if kept.partitions.get(topic, count) != count:
            raise RecoveryError(
                f"the snapshots in {folder} are of {kept.partitions[topic]} partitions of "
                f"{topic}, the bus has {count}: use the bus they belong to, or {_ANEW}"
            )
    for step, version in layout.snapshots.items():
        if kept.snapshots.get(step, version) != version:
            raise RecoveryError(
                f"the snapshots of step {step} in {folder} have version "
                f"{kept.snapshots[step]}, this program reads {version}: run the program that "
                f"wrote them, or {_ANEW}"
            )


def _write(folder: Path, layout: Layout) -> None:
    fresh = folder / f"{LAYOUT_FILE}.{os.getpid()}"
    try:
        fresh.write_bytes(msgspec.json.format(msgspec.json.encode(layout)))
        fresh.replace(folder / LAYOUT_FILE)
    except OSError as error:
        raise RecoveryError(f"cannot write {folder / LAYOUT_FILE}: {error.strerror}") from error


@contextmanager
def fitting(
    folder: Path, layout: Layout, sinks: Sequence[str], *, is_first: bool = True
) -> Generator[None]:
    """Run a flow on a store of this layout; what the engine says of the store becomes words.

    `sinks` are its steps that keep nothing. The first process of a cluster puts the store in
    order. Raises RecoveryError.
    """
    from bytewax.recovery import (
        InconsistentPartitionsError,
        MissingPartitionsError,
        NoPartitionsError,
    )

    from cli.recovery_store import put_in_order

    check_layout(folder, layout)
    if is_first:
        put_in_order(folder, [f"{layout.flow}.{name}" for name in sinks])
    try:
        yield
    except (MissingPartitionsError, NoPartitionsError) as error:
        raise RecoveryError(
            f"a file of the recovery store {folder} is missing ({error}): every process needs "
            f"the whole folder; bring the file back, or {_ANEW}"
        ) from error
    except InconsistentPartitionsError as error:
        raise RecoveryError(
            f"the files of the recovery store {folder} are not of one time ({error}): bring "
            f"back a copy that was made while nothing ran, or {_ANEW}"
        ) from error
    except RuntimeError as error:
        if not _is_of_store(error):
            raise
        raise RecoveryError(
            f"the recovery store {folder} cannot be read ({error}): bring back a copy, or {_ANEW}"
        ) from error


def _is_of_store(error: BaseException) -> bool:
    cause: Any = error
    while cause is not None:
        if isinstance(cause, sqlite3.DatabaseError) or "not a database" in str(cause):
            return True
        cause = cause.__cause__
    return False
