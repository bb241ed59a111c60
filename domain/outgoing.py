"""Whether rows can go out as they are: what a column could hold and an event must not.

Events are made from typed columns, which leaves few ways to be wrong: a name, time or count
that is missing, a code without a word, an infinity (JSON would make it null), and a null
metric without its reason. Those are looked for in whole columns, before any text is made.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from domain.columns import EVENT
from domain.evaluations import EVALUATION
from domain.instants import NO_TIME
from domain.reasons import Reason
from domain.record_fields import (
    BAR_FIELDS,
    EVALUATION_FIELDS,
    EVENT_FIELDS,
    FILL_FIELDS,
    ORDER_FIELDS,
    Field,
    Kind,
)
from domain.rows import BAR, FILL, ORDER, ORDER_METRICS, STATUS, STATUS_METRICS

_MOST_REASON = int(max(Reason))
_MOST_NAMED = 5


class _Rule(NamedTuple):
    """One way to be wrong."""

    find: Callable[[np.ndarray], Any]
    """What is wrong in which row: True by row, or by row and column."""
    say: Callable[[np.ndarray], str]
    """What is wrong with a single row that is."""


class ColumnCheck:
    """Finds the rows of one kind that must not go out.

    `needed` are members that may not be missing, `metrics` columns with a reason each.
    """

    def __init__(
        self,
        dtype: np.dtype,
        fields: Sequence[Field],
        needed: Sequence[str],
        metrics: Sequence[str] = (),
    ) -> None:
        by_name = {field.name: field for field in fields}
        found = (_presence(by_name[name]) for name in needed)
        self._rules = [rule for rule in found if rule is not None]
        self._rules.append(_coded(dtype, fields, needed))
        self._rules += [_finite(dtype, run) for run in _runs_of_numbers(dtype)]
        if metrics:
            self._rules += _reasoned(dtype, metrics)

    def faults(self, rows: np.ndarray, only: np.ndarray | None = None) -> dict[int, str]:
        """What is wrong with a row, by its index; empty where nothing is.

        `only` says which rows are looked at. Choosing them first would copy whole rows.
        """
        found: dict[int, str] = {}
        if not len(rows):
            return found
        for rule in self._rules:
            wrong = rule.find(rows)
            if not wrong.any():
                continue
            in_row = wrong.reshape(len(rows), -1).any(axis=1)
            for at in np.flatnonzero(in_row if only is None else in_row & only).tolist():
                words = rule.say(rows[at : at + 1])
                found[at] = f"{found[at]}; {words}" if at in found else words
        return found


def _presence(field: Field) -> _Rule | None:
    name, column = field.name, field.column
    if field.kind is Kind.NAME:
        return _Rule(lambda rows: rows[column] == 0, lambda _: f"{name} is missing")
    if field.kind is Kind.TIME:
        return _Rule(lambda rows: rows[column] == NO_TIME, lambda _: f"{name} is missing")
    if field.kind is Kind.WHOLE:
        return _Rule(
            lambda rows: rows[column] < 1,
            lambda row: f"{name} must be 1 or more, was {row[column][0]}",
        )
    return None


def _coded(dtype: np.dtype, fields: Sequence[Field], needed: Sequence[str]) -> _Rule:
    """Every code, one byte each, has a word, or is 0 or unsaid where the member may be missing."""
    coded = [field for field in fields if field.words is not None]
    places = np.array([_place(dtype, field.column) for field in coded], np.intp)
    known = np.zeros((len(coded), 256), bool)
    for i, field in enumerate(coded):
        may_lack = field.name not in needed
        for code, word in {0: None, **(field.words or {})}.items():
            known[i, code & 255] = word is not None or may_lack
    which = np.arange(len(coded))

    def strange(rows: np.ndarray) -> np.ndarray:
        raw = np.ascontiguousarray(rows).view(np.uint8).reshape(len(rows), -1)
        return ~known[which, raw[:, places]]

    def say(row: np.ndarray) -> str:
        wrong = np.flatnonzero(strange(row)[0]).tolist()
        codes = (f"{coded[i].name} has no word for {row[coded[i].column][0]}" for i in wrong)
        return "; ".join(codes)

    return _Rule(strange, say)


def _finite(dtype: np.dtype, columns: Sequence[str]) -> _Rule:
    block = _block(dtype, columns)

    def say(row: np.ndarray) -> str:
        return f"infinite: {_listed(columns, np.isinf(row.view(block)['x'][0]))}"

    return _Rule(lambda rows: np.isinf(rows.view(block)["x"]), say)


def _reasoned(dtype: np.dtype, metrics: Sequence[str]) -> list[_Rule]:
    block = _block(dtype, metrics)

    def unsaid(rows: np.ndarray) -> np.ndarray:
        # NONE is 0: greater where the number is missing and nothing is said.
        return np.isnan(rows.view(block)["x"]).view(np.uint8) > rows["reasons"]

    def say_unsaid(row: np.ndarray) -> str:
        return f"null without a reason: {_listed(metrics, unsaid(row)[0])}"

    def say_strange(row: np.ndarray) -> str:
        return f"of unknown reason: {_listed(metrics, row['reasons'][0] > _MOST_REASON)}"

    return [
        _Rule(unsaid, say_unsaid),
        _Rule(lambda rows: rows["reasons"] > _MOST_REASON, say_strange),
    ]


def _listed(names: Sequence[str], wrong: np.ndarray) -> str:
    """The first few of the names, and how many more there are."""
    at = np.flatnonzero(wrong).tolist()
    more = f" and {len(at) - _MOST_NAMED} more" if len(at) > _MOST_NAMED else ""
    return ", ".join(names[i] for i in at[:_MOST_NAMED]) + more


def _place(dtype: np.dtype, column: str) -> int:
    fields: Any = dtype.fields
    return int(fields[column][1])


def _block(dtype: np.dtype, columns: Sequence[str]) -> np.dtype:
    """Adjacent f8 columns of a row seen as one array `x`."""
    return np.dtype(
        {
            "names": ["x"],
            "formats": [("f8", (len(columns),))],
            "offsets": [_place(dtype, columns[0])],
            "itemsize": dtype.itemsize,
        }
    )


def _runs_of_numbers(dtype: np.dtype) -> list[list[str]]:
    """The f8 columns, those together that lie together."""
    runs: list[list[str]] = []
    end = -1
    for name in dtype.names or ():
        if dtype[name] == np.float64:
            if _place(dtype, name) != end:
                runs.append([])
            runs[-1].append(name)
            end = _place(dtype, name) + 8
    return runs


STATUS_CHECK = ColumnCheck(
    STATUS, ORDER_FIELDS, ("order_id", "as_of", "seq", "state", "cause"), STATUS_METRICS
)
ORDER_CHECK = ColumnCheck(
    ORDER, ORDER_FIELDS, ("order_id", "as_of", "seq", "state"), ORDER_METRICS
)  # fmt: skip
FILL_CHECK = ColumnCheck(FILL, FILL_FIELDS, ("order_id", "ts_event", "status"))
EVENT_CHECK = ColumnCheck(EVENT, EVENT_FIELDS, ("order_id", "ts_event", "type"))
BAR_CHECK = ColumnCheck(BAR, BAR_FIELDS, ("symbol", "ts"))
EVALUATION_CHECK = ColumnCheck(EVALUATION, EVALUATION_FIELDS, ("order_id", "known_at", "part"))
