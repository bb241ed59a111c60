"""What a step needs of a store that keeps its arrays from snapshot to snapshot."""

from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

from domain.errors import RecoveryError

Saved = tuple[Any, ...]
"""Where everything is found again: small plain data for the snapshot."""


class Increments(Protocol):
    """Keeps the arrays of one key outside the snapshot and writes only what changed of them."""

    def save(
        self, arrays: Mapping[str, np.ndarray], added: Mapping[str, bytes], fresh: bool
    ) -> Saved:
        """Keep these contiguous arrays as they are now, and append to what grows.

        `added` are further bytes by name; with `fresh` they are all there is. What earlier
        snapshots named stays readable until later ones have taken their place. Raises
        RecoveryError where the store cannot be written.
        """
        ...

    def load(self, saved: Saved) -> tuple[dict[str, np.ndarray], dict[str, list[bytes]]]:
        """Bytes of each array, and what was added by name, as a snapshot named them.

        Raises RecoveryError where they are gone or not as they were written.
        """
        ...


OpenIncrements = Callable[[str], Increments]
"""Opens the store of a key, such as `orders-3`."""


class StateStore:
    """A step's arrays: in its snapshots, or in increments beside them."""

    def __init__(self, open_increments: OpenIncrements | None) -> None:
        self._open = open_increments
        self._store: Increments | None = None

    @property
    def in_increments(self) -> bool:
        """Whether only changes are written."""
        return self._open is not None

    def save(
        self,
        key: str,
        arrays: Mapping[str, np.ndarray],
        added: Mapping[str, bytes] | None = None,
        *,
        fresh: bool = False,
    ) -> dict[str, bytes] | Saved:
        """What the snapshot holds of these arrays; `added` only where changes are written."""
        if self._open is None:
            return {name: array.tobytes() for name, array in arrays.items()}
        if self._store is None:
            self._store = self._open(key)
        return key, self._store.save(arrays, added or {}, fresh)

    def load(
        self, kept: dict[str, bytes] | Saved
    ) -> tuple[Mapping[str, Any], Mapping[str, list[bytes]]]:
        """(buffers of the arrays, what was added) of a snapshot. Raises RecoveryError."""
        if isinstance(kept, dict):
            return kept, {}
        if self._open is None:
            raise RecoveryError(
                "the snapshot's state lies in the recovery folder: set recovery_dir to the folder "
                "that the store is in"
            )
        key, saved = kept
        self._store = self._open(key)
        return self._store.load(saved)
