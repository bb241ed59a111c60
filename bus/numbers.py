"""Numbers that rise by one: what comes again, and what is missing."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field

MOST_MISSING = 10_000
"""Numbers of one key that can be missed at once; of a wider gap only the last are awaited."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of a key that did not come: the numbers `first` to `last`."""

    key: str
    first: int
    last: int


@dataclass(slots=True)
class _Seen:
    newest: int
    missing: set[int] = field(default_factory=set[int])


class Numbers:
    """Remembers the newest number of up to `room` keys, those longest unheard of forgotten.

    With `from_start` a key's first number is 1. Otherwise, and once a key was forgotten, the
    first one that comes is where counting begins.
    """

    def __init__(self, room: int = 1_000_000, *, from_start: bool = True) -> None:
        self._room = room
        self._from_start = from_start
        self._seen: OrderedDict[str, _Seen] = OrderedDict()

    def take(self, key: str, number: int) -> tuple[bool, Gap | None]:
        """Whether this number is new, and the gap it leaves behind it.

        One that was missed is new when it comes after all.
        """
        seen = self._seen.get(key)
        if seen is None:
            return True, self._begin(key, number)
        self._seen.move_to_end(key)
        if number <= seen.newest:
            is_new = number in seen.missing
            seen.missing.discard(number)
            return is_new, None
        gap = self._gap(key, seen, number)
        seen.newest = number
        return True, gap

    def _begin(self, key: str, number: int) -> Gap | None:
        seen = self._seen[key] = _Seen(0 if self._from_start else number)
        gap = self._gap(key, seen, number)
        seen.newest = number
        if len(self._seen) > self._room:
            self._seen.popitem(last=False)
            self._from_start = False
        return gap

    @staticmethod
    def _gap(key: str, seen: _Seen, number: int) -> Gap | None:
        first = seen.newest + 1
        if number <= first:
            return None
        seen.missing.update(range(max(first, number - MOST_MISSING), number))
        return Gap(key, first, number - 1)

    def missing(self) -> Iterator[tuple[str, list[int]]]:
        """Each key with numbers that have not come yet."""
        for key, seen in self._seen.items():
            if seen.missing:
                yield key, sorted(seen.missing)

    def state(self) -> tuple[bool, dict[str, tuple[int, list[int]]]]:
        """All of it in plain values, for `restored`."""
        kept = {key: (seen.newest, sorted(seen.missing)) for key, seen in self._seen.items()}
        return self._from_start, kept

    @classmethod
    def restored(
        cls, state: tuple[bool, dict[str, tuple[int, list[int]]]], room: int = 1_000_000
    ) -> "Numbers":
        """Numbers as they stood."""
        made = cls(room, from_start=state[0])
        for key, (newest, missing) in state[1].items():
            made._seen[key] = _Seen(newest, set(missing))
        return made
