"""Ending in time: a flow that a server holds up is let go once it was told to stop."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType

from cli.failures import INTERRUPTED, TERMINATED, say

_CODES: dict[int, int] = {
    signal.SIGTERM: TERMINATED, signal.SIGHUP: TERMINATED, signal.SIGINT: INTERRUPTED,
}  # fmt: skip


@contextmanager
def ended_in_time(grace_s: float, words: str) -> Generator[None]:
    """Once told to stop, end within `grace_s`; where that takes force, say so in `words`.

    Whatever was not written then is written again by the next start, from the last snapshot.
    """
    timers: list[threading.Timer] = []
    before = {signum: signal.getsignal(signum) for signum in _CODES}

    def told(signum: int, frame: FrameType | None) -> None:
        timer = threading.Timer(grace_s, _give_up, (_CODES[signum], words))
        timer.daemon = True
        timer.start()
        timers.append(timer)
        handler = before[signum]
        if callable(handler):
            handler(signum, frame)

    for signum, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(signum, told)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        for timer in timers:
            timer.cancel()


def _give_up(code: int, words: str) -> None:
    say(words)
    os._exit(code)
