"""Silences that people set: which are in force, and which of them covers an alert."""

import msgspec

from domain.alerts import Alert, Silence
from domain.instants import parse_rfc3339
from rules.inhibition import Cause, is_silenced, silenced_by


class Quiet(msgspec.Struct, array_like=True):
    """A silence in force until a time in ns."""

    silence: Silence
    until: int


class Silences:
    """Those in force, by their id."""

    def __init__(self) -> None:
        self._quiet: dict[str, Quiet] = {}

    def all(self) -> list[Quiet]:
        """Every silence in force."""
        return list(self._quiet.values())

    def add(self, quiet: Quiet) -> None:
        """Put one in force, in the place of an older one of the same id."""
        self._quiet[quiet.silence.silence_id] = quiet

    def lift(self, silence_id: str) -> None:
        """Take one out of force, if it is."""
        self._quiet.pop(silence_id, None)

    def ends(self, silence_id: str, at: int) -> bool:
        """Whether a silence ends at just this time, not moved and not lifted since."""
        quiet = self._quiet.get(silence_id)
        return quiet is not None and quiet.until == at

    def cause(self, alert: Alert) -> Cause | None:
        """The silence that covers an alert: the one that goes on longest, so few take turns."""
        matching = [q for q in self._quiet.values() if is_silenced(alert, q.silence)]
        if not matching:
            return None
        longest = max(matching, key=lambda quiet: (quiet.until, quiet.silence.silence_id))
        return silenced_by(longest.silence)


def time_of(text: str | None) -> int | None:
    """Time in ns that a person gave; None for none and for what is no time."""
    try:
        return parse_rfc3339(text or "")
    except ValueError:
        return None
