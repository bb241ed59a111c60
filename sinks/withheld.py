"""Rows that would make an invalid event: kept from the bus's readers, and not lost.

Each becomes a dead letter INVALID_EVENT that holds the row's columns, and a line in the log.
Its number stays unused, so a consumer that looks for gaps is told as well.
"""

from collections.abc import Iterator
from dataclasses import replace
from math import isfinite
from typing import Any

import msgspec
import numpy as np
import structlog

from domain.batch import DeadLetter
from domain.instants import NO_TIME
from domain.outgoing import (
    BAR_CHECK,
    EVALUATION_CHECK,
    EVENT_CHECK,
    FILL_CHECK,
    ORDER_CHECK,
    STATUS_CHECK,
)
from domain.reasons import DeadLetterReason
from domain.records import name_of
from domain.rows import Rows, chosen_venues
from domain.vocabulary import Topic
from sinks.updates import is_final

_CHECKS = (
    ("status", STATUS_CHECK),
    ("orders", ORDER_CHECK),
    ("fills", FILL_CHECK),
    ("executed", FILL_CHECK),
    ("timeline", EVENT_CHECK),
    ("bars", BAR_CHECK),
    ("evaluations", EVALUATION_CHECK),
)
_VENUES = {"status": "status_venues", "orders": "order_venues"}


def without_invalid(rows: Rows, partition: int) -> tuple[Rows, list[DeadLetter]]:
    """The rows that can go to this partition, and a dead letter for each other one."""
    kept, letters = rows, list[DeadLetter]()
    for name, check in _CHECKS:
        array: np.ndarray = getattr(kept, name)
        wrong = check.faults(array, is_final(array) if name == "status" else None)
        if not wrong:
            continue
        letters += [_letter(name, kept, at, partition, said) for at, said in wrong.items()]
        right = np.array([at for at in range(len(array)) if at not in wrong], np.intp)
        # Bodies that are made already are known by the row's place.
        changes: dict[str, Any] = {name: array[right], "bodies": {}}
        if name in _VENUES and len(getattr(kept, _VENUES[name]).start) > len(array):
            changes[_VENUES[name]] = chosen_venues(getattr(kept, _VENUES[name]), right)
        kept = replace(kept, **changes)
    for letter in letters:
        structlog.get_logger("bus_writer").error(
            "event_withheld", position=letter.position, words=letter.words
        )
    return kept, letters


def _letter(name: str, rows: Rows, at: int, partition: int, words: str) -> DeadLetter:
    row: np.void = getattr(rows, name)[at]
    columns = row.dtype.names or ()
    about = "symbol" if name == "bars" else "order"
    key = int(row[about])
    number = next((int(row[c]) for c in ("seq", "ts") if c in columns), 0)
    place = f"{name}/{name_of(key, rows.names) or '-'}/{number}"
    known = next((int(row[c]) for c in ("known", "t_eff", "ts") if c in columns), NO_TIME)
    message = msgspec.json.encode(dict(_columns(row, rows)))
    return DeadLetter(
        str(Topic.EXECUTION_UPDATES), partition, place, DeadLetterReason.INVALID_EVENT,
        f"{name_of(key, rows.names) or 'a row without a name'}: {words}", message, known,
    )  # fmt: skip


def _columns(row: np.void, rows: Rows) -> Iterator[tuple[str, Any]]:
    """Every column as it stands: names as text, what is no JSON number as text."""
    for name in row.dtype.names or ():
        value = row[name]
        if row.dtype[name] == np.uint64:
            yield name, name_of(int(value), rows.names)
        elif isinstance(value, np.ndarray):
            yield name, value.tolist()
        else:
            plain = value.item()
            yield name, str(plain) if isinstance(plain, float) and not isfinite(plain) else plain
