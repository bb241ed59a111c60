"""A caller: a name, what they may do, and the desks whose orders they may see."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import IntEnum

NO_DESK = "-"
"""Stands for orders without a desk, in what a caller may see."""


class Scope(IntEnum):
    """Each includes those before it."""

    NONE = 0
    READ = 1
    OPERATE = 2
    ADMIN = 3

    @property
    def word(self) -> str:
        """As it is written in keys and tokens."""
        return self.name.lower()


def scope_of(words: Iterable[str]) -> Scope:
    """The highest of the scopes named; words of somebody else's count nothing."""
    known = (Scope.__members__.get(word.upper(), Scope.NONE) for word in words)
    return max(known, default=Scope.NONE)


@dataclass(frozen=True, slots=True)
class Caller:
    """Who sent a request."""

    name: str
    scope: Scope
    desks: frozenset[str] | None = None
    """Desks whose orders they see, `-` for orders without one; None for all."""
    how: str = "local"
    """`local`, `key`, `token` or `ticket`."""

    def may(self, scope: Scope) -> bool:
        """Whether they have this scope."""
        return self.scope >= scope

    def sees(self, desk: str | None) -> bool:
        """Whether an order of this desk is theirs to see."""
        return self.desks is None or (desk or NO_DESK) in self.desks


LOCAL = Caller("local", Scope.ADMIN)
"""Whoever is on this machine, where no keys are configured."""
