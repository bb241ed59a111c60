"""Units whose starting takes time in this process: embedded servers, work that is done once."""

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Protocol

from domain.errors import ExecmonError
from runtime.unit import Ending

_PATIENCE_S = 10.0


class Server(Protocol):
    """An embedded server; all but `kill` and `pid` wait."""

    @property
    def pid(self) -> int:
        """Process id. Raises ServerError while not running."""
        ...

    def start(self) -> object:
        """Start and wait until it answers."""
        ...

    def restart(self) -> None:
        """Start again at the same address with the same data."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    def stop(self) -> None:
        """End it and remove what it left."""
        ...

    def last_words(self) -> str:
        """The end of its log."""
        ...


class ServerUnit:
    """An embedded server, started and stopped on threads since that takes time."""

    def __init__(self, name: str, server: Server, *, essential: bool = True) -> None:
        self.name = name
        self.depends_on: tuple[str, ...] = ()
        self.after: tuple[str, ...] = ()
        self.essential = essential
        self.server = server
        self._begun = False
        self._work: _Work | None = None

    def start(self) -> None:
        """Start it, or start it again where it was."""
        self._work = _Work(self.name, self.server.restart if self._begun else self._first)

    def _first(self) -> None:
        self.server.start()
        self._begun = True

    def is_ready(self) -> bool:
        """Whether it answered."""
        return self._work is not None and self._work.is_done()

    def ended(self) -> Ending | None:
        """Why it did not start or how it ended."""
        if self._work is None or not self._work.over.is_set():
            return None
        gone = None if self.pids() else Ending(1, self.server.last_words())
        return self._work.failure() or gone

    def ask_to_end(self) -> None:
        """Stop it in its own time."""
        self._work = _Work(f"stop-{self.name}", self.server.stop)

    def kill(self) -> None:
        """End it at once."""
        self.server.kill()
        if self._work is not None:
            self._work.over.wait(_PATIENCE_S)

    def close(self) -> None:
        """End it and remove what it left."""
        self.kill()
        self.server.stop()

    def pids(self) -> list[int]:
        """Its process."""
        with suppress(ExecmonError):
            return [self.server.pid]
        return []


class Task:
    """Work that is done once and then counts as ready. It must come to an end by itself.

    An error that is `final` will not go away by trying again.
    """

    def __init__(
        self,
        name: str,
        work: Callable[[], object],
        *,
        depends_on: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        essential: bool = True,
        final: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self.name = name
        self.depends_on = depends_on
        self.after = after
        self.essential = essential
        self._do = work
        self._final = final
        self._work: _Work | None = None
        self._asked = False

    def start(self) -> None:
        """Begin it on a thread."""
        self._work = _Work(self.name, self._do)

    def is_ready(self) -> bool:
        """Whether it is done."""
        return self._work is not None and self._work.is_done()

    def ended(self) -> Ending | None:
        """Why it failed."""
        if self._work is None:
            return None
        failure = self._work.failure(self._final)
        return failure or (Ending(0, "done") if self._asked else None)

    def ask_to_end(self) -> None:
        """Do not count on it any more."""
        self._asked = True

    def kill(self) -> None:
        """Let what was begun come to its end."""

    def close(self) -> None:
        """Nothing is left of it."""

    def pids(self) -> list[int]:
        """No process."""
        return []


class _Work:
    """A call on a thread, with how it ended."""

    def __init__(self, name: str, call: Callable[[], object]) -> None:
        self.over = threading.Event()
        self._error: Exception | None = None
        self._call = call
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def _run(self) -> None:
        try:
            self._call()
        except Exception as error:
            self._error = error
        self.over.set()

    def is_done(self) -> bool:
        return self.over.is_set() and self._error is None

    def failure(self, final: Callable[[Exception], bool] = lambda _: False) -> Ending | None:
        if self._error is None or not self.over.is_set():
            return None
        error = self._error
        if isinstance(error, ExecmonError):
            return Ending(error.exit_code, str(error), final(error))
        return Ending(1, f"{type(error).__name__}: {error}")
