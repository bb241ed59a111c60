"""A worker or history process that dies where it is told to: `python -m tests.faults.replay.hook`.

The product has no hook. This entry point wraps its sinks and steps before it runs the product's own
command: `--die-at POINT:N` kills the process (SIGKILL) the N-th time it comes to the point,
`--build NAME` makes one of the defects of `defects.py`, for testing the tests.

- `updates.flush`, `status.flush`, `history.flush`: inside the flush at an epoch's end, half of
  what is left being sent or, in the history store, not yet committed. Nothing is sent before the
  flush begins, so that it has something to send.
- `updates.flushed`, `status.flushed`, `history.flushed`: when that flush has returned, before
  any snapshot of the epoch is stored. Epochs that had nothing to send do not count, so that the
  next life has to send something again.
- `updates.kept`, `orders.kept`: when an epoch in which the sink of updates took messages, or a
  source order events, is in the recovery store for certain. The builds of `defects.py` have lost
  something then.
- `snapshot`: between two states of one epoch, when N of them have been taken.
- `chunks`: when half of a state's changed chunks are written.
- `store`: while the engine writes the snapshots of an epoch into the recovery store, found by
  its log file that grows.
"""

import argparse
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

WRITERS = {"updates": "bus_writer", "status": "status_sink", "history": "history_sink"}
"""Name of each sink's background writer."""
POINTS = (
    *(f"{name}.{what}" for name in WRITERS for what in ("flush", "flushed")),
    "snapshot",
    "chunks",
    "store",
)
_WATCH = Path(__file__).with_name("watch.py")
_HOLD_S = 3.0
"""Longest that anything is held back for a flush."""


def die() -> None:
    """End this process as a machine that loses power would."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)


class Countdown:
    """Dies when it is asked for the N-th time; safe to use from several threads."""

    def __init__(self, number: int) -> None:
        self._left = number
        self._lock = threading.Lock()

    def reached(self) -> bool:
        """Whether this is the N-th time."""
        with self._lock:
            self._left -= 1
            return self._left == 0


def arm(point: str, number: int, recovery: Path) -> None:
    """Make this process die at a point."""
    countdown = Countdown(number)
    name, _, what = point.partition(".")
    if what == "flush":
        _die_in_flush(name, countdown)
    elif what == "flushed":
        _die_flushed(WRITERS[name], countdown)
    elif what == "kept":
        from tests.faults.replay.epochs import die_kept

        die_kept(name, countdown.reached, die)
    elif point == "snapshot":
        _die_between_states(countdown)
    elif point == "chunks":
        _die_in_chunks(countdown)
    else:
        _die_while_storing(recovery, number)


def _die_in_flush(name: str, countdown: Countdown) -> None:
    flushing = _hold_until_flush(WRITERS[name])

    def cut(items: Sequence[Any]) -> Sequence[Any] | None:
        """Half of the items where the process is to die behind them."""
        if flushing.is_set() and items and countdown.reached():
            return items[: len(items) // 2]
        return None

    if name == "updates":
        from bus.pulsar.bus import PulsarBus
        from bus.redis_streams import RedisBus

        for bus in (RedisBus, PulsarBus):
            _cut_short(bus, "append", cut)
    elif name == "status":
        from sinks.status import StatusClient

        _cut_short(StatusClient, "send", cut)
    else:
        _die_uncommitted(lambda: flushing.is_set() and countdown.reached())


def _cut_short(owner: Any, method: str, cut: Callable[[Sequence[Any]], Any]) -> None:
    whole = getattr(owner, method)

    def part(self: Any, items: Sequence[Any]) -> Any:
        some = cut(items)
        if some is None:
            return whole(self, items)
        if some:
            whole(self, some)
        return die()

    setattr(owner, method, part)


def _die_uncommitted(is_due: Callable[[], bool]) -> None:
    from sinks.history import writer

    run = writer.run

    def runs(connection: Any, statement: Any) -> Any:
        done = run(connection, statement)
        if threading.current_thread().name == WRITERS["history"] and is_due():
            die()
        return done

    writer.run = runs


def _hold_until_flush(writer: str) -> threading.Event:
    """Let a writer send at the end of epochs only; set while it flushes."""
    from sinks import background

    flushing = threading.Event()
    send, flush = background._send, background.BackgroundWriter.flush

    def held(shared: Any, name: str, *more: Any) -> None:
        if name == writer:
            flushing.wait(_HOLD_S)
        send(shared, name, *more)

    def flushes(self: Any) -> None:
        if self._name == writer:
            flushing.set()
        flush(self)
        if self._name == writer:
            flushing.clear()

    background._send = held
    background.BackgroundWriter.flush = flushes
    return flushing


def _die_flushed(writer: str, countdown: Countdown) -> None:
    from sinks.background import BackgroundWriter

    put, flush = BackgroundWriter.put, BackgroundWriter.flush
    busy: set[int] = set()

    def puts(self: Any, items: Iterable[Any], *more: Any) -> None:
        items = list(items)
        if items:
            busy.add(id(self))
        put(self, items, *more)

    def flushes(self: Any) -> None:
        flush(self)
        if self._name == writer and id(self) in busy and countdown.reached():
            die()
        busy.discard(id(self))

    BackgroundWriter.put = puts
    BackgroundWriter.flush = flushes


def _die_between_states(countdown: Countdown) -> None:
    from operators.market.logic import MarketLogic
    from operators.orders.logic import OrderLogic
    from sources.bus_messages import MessagePartition
    from sources.bus_source import BusPartition

    for owner in (MarketLogic, OrderLogic, BusPartition, MessagePartition):

        def snapshot(self: Any, taken: Callable[[Any], Any] = owner.snapshot) -> Any:
            state = taken(self)
            if countdown.reached():
                die()
            return state

        owner.snapshot = snapshot


def _die_in_chunks(countdown: Countdown) -> None:
    from runtime.chunk_log import ChunkLog

    append = ChunkLog._append

    def appends(self: Any, entries: Any, data: memoryview) -> None:
        if not countdown.reached():
            append(self, entries, data)
            return
        assert self._file is not None
        os.write(self._file, data[: len(data) // 2])
        die()

    ChunkLog._append = appends


def _die_while_storing(recovery: Path, number: int) -> None:
    """A process of its own watches: this one may be busy inside the engine."""
    subprocess.Popen(
        [sys.executable, "-S", str(_WATCH), str(recovery), str(number), str(os.getpid())]
    )


def main(argv: Sequence[str]) -> None:
    """Run a command of the product with what was asked for."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--die-at", default="")
    parser.add_argument("--build", default="")
    parser.add_argument("command")
    given, arguments = parser.parse_known_args(argv)

    from runtime.kernels import use_kernel_cache

    use_kernel_cache()
    if given.build:
        from tests.faults.replay.defects import DEFECTS

        DEFECTS[given.build]()
    if given.die_at:
        point, _, number = given.die_at.partition(":")
        recovery = Path(os.environ["EXECMON_RECOVERY_DIR"])
        arm(point, int(number), recovery / "history" if given.command == "history" else recovery)

    from cli.main import main as execmon

    sys.argv = ["execmon", given.command, *arguments]
    execmon()


if __name__ == "__main__":
    main(sys.argv[1:])
