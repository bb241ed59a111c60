"""A table from 64-bit keys to row numbers that kernels read and write.

`table` is an (n, 2) uint64 array, n a power of two: key and row + 1. Linear probing;
removal shifts the run back, so there are no tombstones.
"""

from typing import Any

import numpy as np

from operators.kernel import Table, kernel


def new_table(capacity: int = 64) -> np.ndarray:
    """An empty table with room for `capacity` keys at half load."""
    size = 16
    while size < 2 * capacity:
        size *= 2
    return np.zeros((size, 2), np.uint64)


@kernel
def _slot(key: int, mask: int) -> Any:
    mixed = key ^ (key >> np.uint64(29))
    return np.int64((mixed * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(20)) & mask


@kernel
def find(table: Table, key: int) -> Any:
    """Row of a key, or −1."""
    mask = table.shape[0] - 1
    i = _slot(key, mask)
    while table[i, 1] != 0:
        if table[i, 0] == key:
            return np.int64(table[i, 1]) - 1
        i = (i + 1) & mask
    return np.int64(-1)


@kernel
def put(table: Table, key: int, row: int) -> None:
    """Set the row of a key that is not in the table. The caller keeps the load under 3/4."""
    mask = table.shape[0] - 1
    i = _slot(key, mask)
    while table[i, 1] != 0:
        i = (i + 1) & mask
    table[i, 0] = key
    table[i, 1] = np.uint64(row + 1)


@kernel
def remove(table: Table, key: int) -> None:
    """Take a key out if it is there."""
    mask = table.shape[0] - 1
    i = _slot(key, mask)
    while table[i, 1] != 0 and table[i, 0] != key:
        i = (i + 1) & mask
    if table[i, 1] == 0:
        return
    j = i
    while True:
        j = (j + 1) & mask
        if table[j, 1] == 0:
            break
        home = _slot(table[j, 0], mask)
        if (j - home) & mask >= (j - i) & mask:
            table[i, 0] = table[j, 0]
            table[i, 1] = table[j, 1]
            i = j
    table[i, 0] = 0
    table[i, 1] = 0


@kernel
def rehash(old: Table, new: Table) -> None:
    """Copy every key of one table into an empty larger one."""
    for i in range(old.shape[0]):
        if old[i, 1] != 0:
            put(new, old[i, 0], np.int64(old[i, 1]) - 1)
