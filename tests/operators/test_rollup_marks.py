"""Marks of open orders that wait: whatever comes of them is as if each were read at once."""

import msgspec
import numpy as np
import pytest

from domain.instants import NO_TIME, SECOND
from domain.keys import key_of
from domain.reference_book import ReferenceBook
from domain.vocabulary import EventKind
from operators.rollups.marks import FEW, Marks
from operators.rollups.orders import OpenOrder
from operators.rollups.pieces import CLOSED, LIGHT, MARKED, OPENED, ROUTED
from operators.rollups.state import Rollups

NAMES = {key_of(name): name for name in ("A", "B", "C", "EQ", "FI", "VWAP", "BRK1", "USD", "XNAS")}
KEY = {name: key for key, name in NAMES.items()}
ORDERS = ("A", "B", "C")
MINUTE = 60 * SECOND


def row(what, t, order, open_ccy=np.nan, desk="EQ", root=None, **more):
    found = np.zeros((), LIGHT)
    told = {
        "t": t, "what": what, "order": KEY[order], "root": KEY[root or order],
        "desk": KEY[desk], "algo": KEY["VWAP"], "broker": KEY["BRK1"], "currency": KEY["USD"],
        "open_ccy": open_ccy, "z_cost": np.nan, **more,
    }  # fmt: skip
    for name, value in told.items():
        found[name] = value
    return found


def refused(t, n, order):
    """A route of an order that goes out and comes back refused."""
    said = {"venue": KEY["XNAS"], "route": n, "ts": t}
    return [
        row(ROUTED, t, order, kind=kind, **said)
        for kind in (EventKind.ROUTE_SENT, EventKind.ROUTE_REJECTED)
    ]


def day(seed, minutes=120):
    """Rows of three orders that are marked each minute, refused often, changed and reopened."""
    rng = np.random.default_rng(seed)
    rows = [row(OPENED, 0, order, 1e6) for order in ORDERS]
    desks = dict.fromkeys(ORDERS, "EQ")
    for minute in range(1, minutes):
        t = minute * MINUTE
        for n in range(int(rng.integers(0, 6))):
            rows += refused(t - SECOND, 100 * minute + n, str(rng.choice(ORDERS)))
        for order in ORDERS:
            chance = rng.random()
            if chance < 0.01:
                desks[order] = "FI" if desks[order] == "EQ" else "EQ"
            what = OPENED if chance > 0.99 else CLOSED if chance > 0.98 else MARKED
            left = np.nan if rng.random() < 0.1 else float(rng.integers(1, 1000)) * 1e3
            rows.append(row(what, t, order, left, desks[order]))
    return np.array(rows, LIGHT)


def taken(parts):
    rollups = Rollups(ReferenceBook(), 1)
    for part in parts:
        rollups.take(part, NAMES)
    kept = msgspec.to_builtins(rollups.kept)
    # When to look next for what was lost is a matter of batches.
    del kept["sweep_at"]
    return msgspec.to_builtins(rollups.found), kept


@pytest.mark.parametrize("seed", range(12))
def test_a_batch_gives_what_its_rows_give_one_by_one(seed):
    rows = day(seed)

    alone = taken(rows[i : i + 1] for i in range(len(rows)))
    cuts = np.sort(np.random.default_rng(seed).integers(0, len(rows), 3))

    found, kept = taken([rows])
    assert (found, kept) == alone
    assert taken(np.split(rows, cuts)) == alone
    assert any(
        "notional" in crossing["recommendation"] for crossing in found if crossing.get("severity")
    )


def known(**orders):
    terms = tuple(KEY[name] for name in ("EQ", "VWAP", "BRK1", "USD"))
    return {
        KEY[name]: OpenOrder(name, "EQ", True, "", "USD", left, NO_TIME, terms)
        for name, left in orders.items()
    }


def test_what_waits_is_noted_as_far_as_somebody_asks():
    orders = known(A=5.0, B=6.0)
    rows = np.array([row(MARKED, n * MINUTE, "AB"[n % 2], float(n)) for n in range(FEW)], LIGHT)
    marks = Marks(rows, orders)

    assert list(marks.others()) == []
    assert marks.note(0) == []
    assert {order.order_id for order, _ in marks.note(1)} == {"A"}
    assert [orders[KEY[name]].open_ccy for name in "AB"] == [0.0, 6.0]
    marks.note(marks.place_of(11 * MINUTE))
    assert [orders[KEY[name]].open_ccy for name in "AB"] == [10.0, 9.0]
    assert [orders[KEY[name]].seen for name in "AB"] == [10 * MINUTE, 9 * MINUTE]
    assert marks.note(5) == []


def test_an_amount_that_is_not_known_leaves_the_one_before():
    orders = known(A=5.0)
    rows = np.array([row(MARKED, n * MINUTE, "A", 7.0 if n == 3 else np.nan) for n in range(FEW)])

    Marks(rows, orders).note(FEW)

    assert (orders[KEY["A"]].open_ccy, orders[KEY["A"]].seen) == (7.0, (FEW - 1) * MINUTE)


@pytest.mark.parametrize(
    "odd",
    [
        row(MARKED, 10 * MINUTE, "A", 1.0, desk="FI"),
        row(MARKED, 10 * MINUTE, "A", 1.0, root="B"),
        row(OPENED, 10 * MINUTE, "A", 1.0),
        row(CLOSED, 10 * MINUTE, "A", 1.0),
    ],
    ids=["another desk", "a parent", "replaced", "reopened"],
)
def test_an_order_that_changes_waits_for_nothing(odd):
    rows = np.array([row(MARKED, n * MINUTE, "AB"[n % 2], 1.0) for n in range(FEW)], LIGHT)
    rows[10] = odd

    others = [place for place, _ in Marks(rows, known(A=5.0, B=6.0)).others()]

    assert others == [place for place in range(FEW) if place % 2 == 0]


def test_an_order_may_end_after_its_marks():
    rows = np.array([row(MARKED, n * MINUTE, "A", 1.0) for n in range(FEW)], LIGHT)
    rows[-1] = row(CLOSED, FEW * MINUTE, "A")
    orders = known(A=5.0)
    marks = Marks(rows, orders)

    assert [place for place, _ in marks.others()] == [FEW - 1]
    orders.clear()
    assert marks.note(FEW) == []


def test_few_rows_are_read_one_by_one():
    rows = np.array([row(MARKED, n * MINUTE, "A", 1.0) for n in range(FEW - 1)], LIGHT)

    assert len(list(Marks(rows, known(A=5.0)).others())) == FEW - 1


def test_orders_that_are_not_known_are_read_one_by_one():
    rows = np.array([row(MARKED, n * MINUTE, "AB"[n % 2], 1.0) for n in range(FEW)], LIGHT)

    assert len(list(Marks(rows, known(A=5.0)).others())) == FEW // 2
