"""Whole batches of rows: joining them and putting them in order, without a copy too many."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import numpy as np

from domain.vocabulary import EventKind
from operators.kernel import Row, Table, kernel
from operators.lookup import find, new_table, put

_MARK = int(EventKind.MARK)
_FAR = 256


def joined(arrays: Iterable[np.ndarray], dtype: np.dtype) -> np.ndarray:
    """Rows of all arrays one behind the other; the array itself where only one has any."""
    full: list[np.ndarray] = []
    empty: np.ndarray | None = None
    for array in arrays:
        if array.shape[0]:
            full.append(array)
        else:
            empty = array
    if len(full) == 1:
        return full[0]
    if not full:
        return np.empty(0, dtype) if empty is None else empty
    # As bytes: numpy compares the fields of record arrays one by one before it joins them.
    width = _width(dtype)
    return np.concatenate([a.view(width) for a in full]).view(dtype)


@cache
def _width(dtype: np.dtype) -> np.dtype:
    return np.dtype((np.void, dtype.itemsize))


@kernel
def _comes_later(a: Row, b: Row) -> bool:
    """Whether row a belongs behind row b, both of one effective time."""
    if (a.kind == _MARK) != (b.kind == _MARK):
        return a.kind == _MARK
    if a.source != b.source:
        return a.source > b.source
    return a.pos > b.pos


@kernel
def is_in_order(rows: Table) -> bool:
    """Whether rows lie by effective time, events before marks, then input and position."""
    for i in range(1, rows.shape[0]):
        if rows[i].t_eff < rows[i - 1].t_eff:
            return False
        if rows[i].t_eff == rows[i - 1].t_eff and _comes_later(rows[i - 1], rows[i]):
            return False
    return True


@kernel
def _order_ties(rows: Table, order: Table) -> bool:
    """Put rows of one effective time in order; `order` sorts them by that time already.

    Returns False, unfinished, where one has far to go.
    """
    for i in range(1, order.shape[0]):
        row = order[i]
        at = i
        while (
            at > 0
            and rows[order[at - 1]].t_eff == rows[row].t_eff
            and _comes_later(rows[order[at - 1]], rows[row])
        ):
            order[at] = order[at - 1]
            at -= 1
        order[at] = row
        if i - at > _FAR:
            return False
    return True


def in_order(rows: np.ndarray) -> np.ndarray:
    """Rows by effective time, events before marks, then input partition and position."""
    if is_in_order(rows):
        return rows
    order = np.argsort(rows["t_eff"], kind="stable")
    if not _order_ties(rows, order):
        is_mark = rows["kind"] == _MARK
        order = np.lexsort((rows["pos"], rows["source"], is_mark, rows["t_eff"]))
    return rows.take(order)


@kernel
def _collect_keys(column: Table, seen: Table, out: Table, count: int) -> Any:
    """Append the keys of a column, 0 apart, that were not seen yet; returns the new count."""
    last = np.uint64(0)
    for i in range(column.shape[0]):
        key = column[i]
        if key == 0 or key == last:
            continue
        last = key
        if find(seen, key) < 0:
            put(seen, key, count)
            out[count] = key
            count += 1
    return count


_FEW = 64


def distinct_keys(columns: list[np.ndarray]) -> list[int]:
    """Every key but 0 in some columns of keys, once."""
    most = sum(map(len, columns))
    if most <= _FEW * len(columns):
        few: set[int] = set()
        for column in columns:
            few.update(column.tolist())
        few.discard(0)
        return list(few)
    seen = new_table(most)
    out = np.empty(most, np.uint64)
    count = 0
    for column in columns:
        count = _collect_keys(column, seen, out, count)
    return out[:count].tolist()


@kernel
def place_in(keys: Table, key: int) -> int:
    """Index of a key among sorted ones, −1 where it is not among them."""
    lo = 0
    hi = keys.shape[0]
    while lo < hi:
        middle = (lo + hi) >> 1
        if keys[middle] < key:
            lo = middle + 1
        else:
            hi = middle
    return lo if lo < keys.shape[0] and keys[lo] == key else -1


@kernel
def _mark_used(keys: Table, column: Table, used: Table) -> None:
    """Mark the sorted keys that are in a column."""
    for i in range(column.shape[0]):
        at = place_in(keys, column[i])
        if at >= 0:
            used[at] = 1


def used_keys(
    names: Mapping[int, str], arrays: Iterable[tuple[np.ndarray, Iterable[str]]]
) -> list[int]:
    """Keys of a table of names that are in some fields of some arrays, sorted."""
    keys = np.sort(np.fromiter(names, np.uint64, len(names)))
    used = np.zeros(len(keys), np.uint8)
    for rows, fields in arrays:
        for field in fields:
            _mark_used(keys, rows[field], used)
    return keys[used == 1].tolist()
