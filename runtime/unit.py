"""What can be supervised, and the policy for it."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

GAVE_UP = 7
"""Exit code: a process that the deployment cannot do without kept ending."""


@dataclass(frozen=True, slots=True)
class Ending:
    """How a unit ended by itself."""

    code: int
    """Exit code; negative for a signal."""
    words: str
    final: bool = False
    """Whether no repetition will change it, whatever the code."""


class Unit(Protocol):
    """Something that is started, gets ready, may end, and can be asked to. Never waits."""

    name: str
    depends_on: tuple[str, ...]
    """Units that must be ready before it starts."""
    after: tuple[str, ...]
    """Units that are given one try before it starts."""
    essential: bool
    """Whether the deployment is of no use without it."""

    def start(self) -> None:
        """Begin anew."""
        ...

    def is_ready(self) -> bool:
        """Whether it now does its work."""
        ...

    def ended(self) -> Ending | None:
        """How it ended, None while it runs."""
        ...

    def ask_to_end(self) -> None:
        """Ask politely; it may take its time."""
        ...

    def kill(self) -> None:
        """End it and whatever it started, before it starts again."""
        ...

    def close(self) -> None:
        """End it for good and leave nothing."""
        ...

    def pids(self) -> list[int]:
        """Processes that run for it now."""
        ...


class State(StrEnum):
    """Where a unit stands."""

    WAITING = "waiting"
    STARTING = "starting"
    READY = "ready"
    PAUSED = "paused"
    DRAINING = "draining"
    STOPPED = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """When to try again, and when to give up."""

    first_pause_s: float = 0.5
    most_pause_s: float = 30.0
    stable_s: float = 60.0
    """Ready for so long, a unit counts as well."""
    give_up_s: float = 600.0
    """Time for which an essential unit may keep crashing."""
    ready_s: float = 900.0
    """Time from a start to readiness, past which the start has failed."""
    drain_s: float = 30.0
    """Time for the whole deployment to end politely."""
    crash_loop: int = 3
    """Falls in a row that are called a crash loop."""
    hopeless: frozenset[int] = frozenset()
    waiting: frozenset[int] = frozenset()
