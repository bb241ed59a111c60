"""Which open alerts may be explained by which alert, open or not."""

from collections.abc import Sequence

from rules.inhibition import Key


class Covered:
    """Keys of alerts by the key of an alert that may explain them."""

    def __init__(self) -> None:
        self._coverers: dict[Key, Sequence[Key]] = {}
        self._covered: dict[Key, set[Key]] = {}

    def note(self, key: Key, coverers: Sequence[Key]) -> None:
        """What may explain an open alert from now on; nothing once it is over."""
        before = self._coverers.get(key, ())
        if coverers == before:
            return
        for coverer in before:
            covered = self._covered[coverer]
            covered.remove(key)
            if not covered:
                del self._covered[coverer]
        for coverer in coverers:
            self._covered.setdefault(coverer, set()).add(key)
        if coverers:
            self._coverers[key] = coverers
        else:
            self._coverers.pop(key, None)

    def by(self, coverer: Key) -> list[Key]:
        """Open alerts that the alert of a key may explain, in order."""
        return sorted(self._covered.get(coverer, ()))
