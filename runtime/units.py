"""Units of processes."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, cast

from domain.errors import ExecmonError
from runtime.child import Child
from runtime.unit import Ending

READY_EVENT = "ready"
"""Event of the log line, one JSON object, by which a process says that it is ready."""
OnLine = Callable[[str, bytes], None]
"""Takes the name of a process and a line of its log."""


class _Member:
    """One process of a unit."""

    def __init__(
        self, name: str, argv: Sequence[str], env: Mapping[str, str], on_line: OnLine
    ) -> None:
        self.ready: dict[str, Any] | None = None
        self._name = name
        self._on_line = on_line
        self.child = Child(argv, env, self._take)

    def _take(self, line: bytes) -> None:
        if self.ready is None:
            self.ready = ready_line(line)
        self._on_line(self._name, line)


def ready_line(line: bytes) -> dict[str, Any] | None:
    """The fields of a log line that is the event `ready`, None for any other."""
    if READY_EVENT.encode() in line:
        with suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and found.get("event") == READY_EVENT:
                return cast(dict[str, Any], found)
    return None


class Processes:
    """Processes that live and die together, mostly just one.

    `commands` gives their command lines, `env` their environment, both asked at every
    start. They are ready once each has written the log event `ready`; when one ends, the
    others are killed and all of them start again. An end by `bad_luck` counts as a crash,
    whatever its exit code; one with a code of `following` only followed that of another.
    """

    def __init__(
        self,
        name: str,
        commands: Callable[[], Sequence[Sequence[str]]],
        env: Callable[[], Mapping[str, str]],
        on_line: OnLine,
        *,
        depends_on: tuple[str, ...] = (),
        after: tuple[str, ...] = (),
        essential: bool = True,
        bad_luck: Callable[[Ending], bool] = lambda _: False,
        following: frozenset[int] = frozenset(),
    ) -> None:
        self.name = name
        self.depends_on = depends_on
        self.after = after
        self.essential = essential
        self._commands = commands
        self._env = env
        self._on_line = on_line
        self._bad_luck = bad_luck
        self._following = following
        self._members: list[_Member] = []
        self._failed: Ending | None = None

    def start(self) -> None:
        """Start every process."""
        self._failed = None
        self._members = []
        try:
            env = self._env()
            commands = self._commands()
            for number, argv in enumerate(commands):
                name = self.name if len(commands) == 1 else f"{self.name}-{number}"
                self._members.append(_Member(name, argv, env, self._on_line))
        except ExecmonError as error:
            self._failed = Ending(error.exit_code, str(error))
        except OSError as error:
            self._failed = Ending(1, f"cannot be started: {error}")

    def is_ready(self) -> bool:
        """Whether each of them said so."""
        return self._failed is None and all(m.ready is not None for m in self._members)

    def said(self, name: str) -> Any:
        """A field of the first process's `ready`, None before it said so."""
        ready = self._members[0].ready if self._members else None
        return None if ready is None else ready.get(name)

    def ended(self) -> Ending | None:
        """How the first that ended did, of itself if any."""
        if self._failed is not None:
            return self._failed
        codes = [(m.child.exit_code, m) for m in self._members]
        ended = [(code, member) for code, member in codes if code is not None]
        if not ended:
            return None
        code, member = next((e for e in ended if e[0] not in self._following), ended[0])
        ending = Ending(code, member.child.last_words())
        return Ending(1, ending.words) if self._bad_luck(ending) else ending

    def ask_to_end(self) -> None:
        """Ask each of them."""
        for member in self._members:
            member.child.ask()

    def kill(self) -> None:
        """End each of them with all that it started."""
        for member in self._members:
            member.child.kill()

    close = kill

    def pids(self) -> list[int]:
        """Those that run."""
        return [m.child.pid for m in self._members if m.child.exit_code is None]
