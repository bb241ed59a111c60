"""One process of a cluster: where the others are gone or silent it ends, so that all begin anew.

The engine notices a connection that is torn, and waits for ever behind one that is only silent: a
machine that is cut off, a process that is stuck. Then no epoch closes any more and the source is
not asked. That also happens while a server is away, which is no reason to end: a process whose
writers wait for one leaves a note in the folder that all processes share.
"""

import os
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from cli.failures import say
from domain.errors import PeerLost
from sources.pulse import Pulse

SILENCE_S = 15.0
"""For so long a flow may stand still while no process waits for a server."""
_LOOK_S = 0.5
_FRESH_S = 5.0
_NOTE = "waits-"
_TORN = "thread panic"
"""What the engine says of its threads that send to another process and hear from it."""
_CUT_OFF = (
    "the flow has stood still for {:.0f} s though no server is waited for: a process of the "
    "cluster is cut off or stuck, so that all of them have to start again"
)


@contextmanager
def watched(
    pulse: Pulse, waits: Callable[[], bool], folder: Path, process_id: int
) -> Generator[None]:
    """Run a process of a cluster; ends it with PeerLost's code once the flow stands still.

    `waits` says whether this process waits for a server. Raises PeerLost where the engine
    loses another process.
    """
    stop = threading.Event()
    note = folder / f"{_NOTE}{process_id}"
    watch = threading.Thread(
        target=_watch, args=(pulse, waits, note, stop), name="watch", daemon=True
    )
    watch.start()
    try:
        yield
    except BaseException as error:
        if type(error).__name__ == "PanicException" and _TORN in str(error):
            raise PeerLost(
                f"another process of the cluster is gone ({error}); all start again together"
            ) from error
        raise
    finally:
        stop.set()


def _watch(pulse: Pulse, waits: Callable[[], bool], note: Path, stop: threading.Event) -> None:
    moved = time.monotonic()
    while not stop.wait(_LOOK_S):
        with suppress(OSError):
            if waits():
                note.touch()
            else:
                note.unlink(missing_ok=True)
        now = time.monotonic()
        if pulse.age_s() < 2 * _LOOK_S or _somebody_waits(note.parent):
            moved = now
        elif now - moved > SILENCE_S:
            say(_CUT_OFF.format(now - moved))
            os._exit(PeerLost.exit_code)


def _somebody_waits(folder: Path) -> bool:
    now = time.time()
    for note in folder.glob(f"{_NOTE}*"):
        with suppress(OSError):
            if now - note.stat().st_mtime < _FRESH_S:
                return True
    return False
