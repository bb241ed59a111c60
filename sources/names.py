"""Names looked up when somebody asks, where a table of all of them would be too large."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import pyarrow as pa

from sources.hashing import hash_names


class LateNames:
    """Names of keys, from columns that are loaded at the first question.

    `load` gives Arrow arrays of texts or integers. What is kept is the sorted keys and the
    texts in Arrow's own memory: some 30 bytes a name.
    """

    def __init__(self, load: Callable[[], Iterable[Any]]) -> None:
        self._load = load
        self._keys: np.ndarray | None = None
        self._order: np.ndarray | None = None
        self._texts: Any = None

    def get(self, key: int) -> str | None:
        """The name of this key, None where no column has it."""
        if self._keys is None or self._order is None:
            self._index()
        assert self._keys is not None
        assert self._order is not None
        at = int(np.searchsorted(self._keys, np.uint64(key)))
        if key == 0 or at == len(self._keys) or int(self._keys[at]) != key:
            return None
        return self._texts[int(self._order[at])].as_py()

    def _index(self) -> None:
        arrays = [array.cast(pa.large_string()).drop_null() for array in self._load()]
        self._texts = pa.concat_arrays(arrays) if arrays else pa.array([], pa.large_string())
        keys = hash_names(self._texts).key
        self._order = np.argsort(keys, kind="stable")
        self._keys = keys[self._order]
