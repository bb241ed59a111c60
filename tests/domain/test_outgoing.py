"""What passes the check of columns makes a valid event; what would not is found."""

import json

import jsonschema_rs
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from deploy.schemas import published_schema
from domain.columns import EVENT, blank
from domain.evaluations import EVALUATION, Part
from domain.instants import NO_TIME
from domain.keys import key_of
from domain.outgoing import (
    BAR_CHECK,
    EVALUATION_CHECK,
    EVENT_CHECK,
    FILL_CHECK,
    ORDER_CHECK,
    STATUS_CHECK,
)
from domain.reasons import Reason
from domain.rows import BAR, FILL, ORDER, STATUS, STATUS_METRICS, FillStatus, Rows
from domain.vocabulary import EventKind, OrderState
from sinks.updates import updates_of

NAMES = {key_of(name): name for name in ("A", "B/1 #ü")}
VALID = jsonschema_rs.Draft202012Validator(
    published_schema("execution_updates"), validate_formats=True
)
CHECKS = {
    "status": (STATUS, STATUS_CHECK),
    "orders": (ORDER, ORDER_CHECK),
    "fills": (FILL, FILL_CHECK),
    "timeline": (EVENT, EVENT_CHECK),
    "bars": (BAR, BAR_CHECK),
    "evaluations": (EVALUATION, EVALUATION_CHECK),
}
TIMES = st.one_of(st.just(NO_TIME), st.integers(-(1 << 61), 1 << 61))
NUMBERS = st.floats(width=64)
KEYS = st.sampled_from([0, *NAMES])


def values(name, dtype):
    """Anything that the column could hold, likely values more often than others."""
    base = dtype.base
    if base == np.uint64:
        return KEYS
    if base.kind == "f":
        return NUMBERS
    if name in {"reasons"}:
        return st.lists(st.integers(0, 27), min_size=dtype.shape[0], max_size=dtype.shape[0])
    if name.endswith("ts") or name in {"known", "t_eff", "ts_event"}:
        return TIMES
    if base.itemsize == 1:
        return st.integers(-1 if base.kind == "i" else 0, 30)
    if name in {"anomalies"}:
        return st.integers(0, 2047)
    return st.integers(0 if base.kind == "u" else -1, 1_000)


def good(dtype):
    """A row that may go out."""
    row = blank(dtype, 1)
    likely = {"order": key_of("A"), "symbol": key_of("A"), "ts": 10**18, "ts_event": 10**18,
              "seq": 1, "numbered": 1, "kind": EventKind.ORDER_FILLED, "state": OrderState.FILLED,
              "status": FillStatus.COUNTED, "known": 10**18, "side": 1,
              "part": Part.KEPT, "thresholds": -1}  # fmt: skip
    for name, value in likely.items():
        if name in dtype.names:
            row[name] = value
    if "reasons" in dtype.names:
        row["reasons"] = Reason.NO_FILL
    return row


@pytest.mark.parametrize("kind", CHECKS)
@given(data=st.data())
def test_whatever_passes_makes_a_valid_event(kind, data):
    dtype, check = CHECKS[kind]
    row = good(dtype)
    for name in data.draw(st.lists(st.sampled_from(dtype.names), max_size=6, unique=True)):
        if name not in {"reserved", "numbered", "provisional", "thresholds"}:
            row[name] = data.draw(values(name, dtype[name]), label=name)
    if check.faults(row):
        return

    [event] = [json.loads(body) for body in updates_of(Rows(**{kind: row}, names=NAMES), 0, "v1")]

    VALID.validate([event])


@pytest.mark.parametrize("kind", CHECKS)
def test_a_good_row_passes(kind):
    dtype, check = CHECKS[kind]

    assert check.faults(good(dtype)) == {}
    assert check.faults(np.empty(0, dtype)) == {}


@pytest.mark.parametrize(
    ("kind", "column", "value", "words"),
    [
        ("status", "order", 0, "order_id is missing"),
        ("status", "ts", NO_TIME, "as_of is missing"),
        ("status", "seq", 0, "seq must be 1 or more, was 0"),
        ("status", "state", 77, "state has no word for 77"),
        ("status", "kind", 0, "cause has no word for 0"),
        ("status", "order_qty", np.inf, "infinite: order_qty"),
        ("status", "slippage_bps", -np.inf, "infinite: slippage_bps"),
        ("status", "reasons", 0, f"null without a reason: {', '.join(STATUS_METRICS[:5])} and "
                                 f"{len(STATUS_METRICS) - 5} more"),
        ("status", "reasons", 99, "of unknown reason: execution_progress"),
        ("orders", "state", 77, "state has no word for 77"),
        ("fills", "status", 0, "status has no word for 0"),
        ("fills", "side", 7, "side has no word for 7"),
        ("timeline", "kind", 40 + 9, "type has no word for 49"),
        ("timeline", "last_px", np.inf, "infinite: last_px"),
        ("bars", "symbol", 0, "symbol is missing"),
        ("bars", "vwap", np.inf, "infinite: vwap"),
        ("evaluations", "part", 0, "part has no word for 0"),
        ("evaluations", "known", NO_TIME, "known_at is missing"),
        ("evaluations", "z_cost", np.inf, "infinite: z_cost"),
    ],
)  # fmt: skip
def test_what_must_not_go_out_is_said_in_words(kind, column, value, words):
    dtype, check = CHECKS[kind]
    rows = np.concatenate([good(dtype)] * 3)
    rows[column][1] = value

    faults = check.faults(rows)

    assert list(faults) == [1]
    assert words in faults[1]


def test_every_fault_of_a_row_is_said():
    row = good(STATUS)
    row["seq"], row["order"] = -1, 0

    assert STATUS_CHECK.faults(row) == {0: "order_id is missing; seq must be 1 or more, was -1"}
