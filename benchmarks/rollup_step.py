"""The product's own step for venues and cohorts, driven with rows as it takes them."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import date

import numpy as np

from domain.alerts import Crossing, rank
from domain.calendars import sessions_between
from domain.published import Severity
from domain.reference import ReferenceRecord
from operators.rollups.logic import RollupLogic, RollupSettings
from operators.rollups.pieces import LIGHT, OPENED, ScopePiece

CALENDAR = "XNYS"
SESSIONS = sessions_between(CALENDAR, date(2026, 9, 1), date(2026, 11, 20))
"""Whole sessions, one after the other."""
SESSION_S = 23_400.0
DESK = 1
"""Key of the desk of every order."""
_MEDIUM = rank(Severity.MEDIUM)


def rows_of(what: int, t: np.ndarray) -> np.ndarray:
    """LIGHT rows at these times; all else about them is not known."""
    rows = np.zeros(len(t), LIGHT)
    rows["t"] = rows["ts"] = t
    rows["what"] = what
    rows["open_ccy"] = rows["z_cost"] = np.nan
    return rows


def opened(order: np.ndarray, t: int) -> np.ndarray:
    """Roots of the desk that begin at a time."""
    rows = rows_of(OPENED, np.full(len(order), t))
    rows["order"] = rows["root"] = order
    rows["desk"] = DESK
    return rows


def driven(
    rows: np.ndarray, names: Mapping[int, str], references: Sequence[ReferenceRecord],
    every_ns: int,
) -> Iterator[tuple[list[Crossing], RollupLogic]]:  # fmt: skip
    """What the step tells of each stretch of time, and the step behind it."""
    logic = RollupLogic(RollupSettings(order_groups=1, references=tuple(references)), None)
    rows = rows[np.lexsort((rows["seq"], rows["what"], rows["t"]))]
    begin, watermark, last = 0, int(rows["t"][0]), int(rows["t"][-1])
    while watermark <= last:
        watermark += every_ns
        end = int(np.searchsorted(rows["t"], watermark))
        piece = ScopePiece(0, {0: watermark}, rows[begin:end], dict(names))
        raised, _ = logic.on_batch([piece])
        begin = end
        yield [crossing for found in raised for crossing in found.crossings], logic


def is_medium(severity: Severity | None) -> bool:
    """Whether something holds that is told of outside: MEDIUM or above."""
    return severity is not None and rank(severity) >= _MEDIUM
