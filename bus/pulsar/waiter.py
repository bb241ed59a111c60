"""Waiting for a partition's next message, on a thread of its own.

The client's own way to be told of one is not used: a call that asks for it while a message is
being taken in may get the message after that one first, and leaves that one in the client's
queue until another comes. What is taken from the queue alone comes in order and at once.
"""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

from bus.pulsar.errors import pulsar_module

_LOOK_MS = 500
"""How often the thread looks whether anybody still wants a message."""


class Waiter:
    """Takes one message each time it is asked to; one thread asks, and takes none meanwhile."""

    def __init__(self, receive: Callable[[int], Any], arrived: threading.Event) -> None:
        self.is_asked = False
        """Whether a message was asked for and not taken over yet."""
        self._receive = receive
        self._arrived = arrived
        self._wanted = threading.Semaphore(0)
        self._found: deque[Any] = deque()
        self._failure: Exception | None = None
        self._is_over = False
        self._thread: threading.Thread | None = None

    def ask(self) -> None:
        """Have the next message waited for."""
        self.is_asked = True
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="pulsar-wait")
            self._thread.start()
        self._wanted.release()

    def has_answer(self) -> bool:
        """Whether the message is there. Raises what the client raised in its place."""
        if self._failure is not None:
            raise self._failure
        return bool(self._found)

    def answer(self) -> Any:
        """The message; only where there is one."""
        self.is_asked = False
        return self._found.popleft()

    def end(self) -> None:
        """Wait no more; a message that was taken and not handed over is forgotten."""
        self._is_over = True
        self._wanted.release()

    def _run(self) -> None:
        try:
            while self._is_wanted():
                self._found.append(self._next())
                self._arrived.set()
        except _Over:
            pass
        except Exception as error:
            self._failure = error
            self._arrived.set()

    def _is_wanted(self) -> bool:
        while not self._wanted.acquire(timeout=_LOOK_MS / 1000):
            self._check()
        return not self._is_over

    def _next(self) -> Any:
        while True:
            self._check()
            try:
                return self._receive(_LOOK_MS)
            except pulsar_module().Timeout:
                continue

    def _check(self) -> None:
        # A thread inside the client would abort a process whose interpreter ends.
        if self._is_over or not threading.main_thread().is_alive():
            raise _Over


class _Over(Exception):
    """Nobody wants a message any more."""
