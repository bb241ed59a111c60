"""The evaluations that are kept are enough for every threshold they are kept for."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.columns import blank
from domain.evaluations import EVALUATION, InForce, Part
from domain.instants import NO_TIME, SECOND
from domain.rows import STATUS, MarketFlag, Rows
from domain.thresholds import Configured
from domain.vocabulary import AssetClass, EventKind, OrderState, Schedule
from operators.alerts.watch import WatchLogic, WatchSettings
from rules.levels import limits_of
from rules.preview import alerts_of, judged_again

T0 = 1_700_000_000 * SECOND
NAMES = {n: f"O{n}" for n in range(1, 9)} | {90: "X", 91: "D"}
STEPS = 120


def marks(count=STEPS, order=1, **columns):
    """Marks of an order 5 s apart at which nobody would be alarmed."""
    rows = blank(STATUS, count)
    rows["order"] = rows["root"] = order
    rows["symbol"], rows["desk"] = 90, 91
    rows["kind"], rows["state"] = EventKind.MARK, OrderState.PARTIALLY_FILLED
    rows["asset_class"], rows["side"] = AssetClass.EQUITY, 1
    rows["known"] = rows["ts"] = T0 + (5 * np.arange(count) + order) * SECOND
    rows["seq"] = 1 + np.arange(count)
    rows["closed_ts"] = NO_TIME
    rows["order_qty"], rows["lot"], rows["fills"], rows["cum_qty"] = 10_000, 100, 3, 3_000
    rows["bid"], rows["ask"], rows["usual_spread_bps"] = 99.99, 100.01, 2.0
    rows["execution_progress"], rows["expected_progress"] = 0.3, 0.3
    rows["participation_rate"], rows["expected_cost_bps"], rows["risk_bps"] = 0.1, 6.0, 5.0
    rows["market_impact_bps"] = rows["z_cost"] = rows["slippage_bps"] = 0.0
    rows["slippage_index_adjusted_bps"] = 40.0
    for name, values in columns.items():
        rows[name] = values
    return rows


def ended(rows):
    """The rows, the last of them the order's end."""
    rows["kind"][-1] = EventKind.ORDER_FILLED
    rows["state"][-1] = OrderState.FILLED
    rows["closed_ts"][-1] = rows["ts"][-1]
    return rows


def together(*each):
    rows = np.concatenate(each)
    return rows[np.argsort(rows["known"], kind="stable")]


def watched(rows, thresholds=None, cuts=(), restarts=False, **more):
    """(crossings, kept evaluations, thresholds they name) of the rules' step."""
    configured = () if thresholds is None else (Configured(thresholds),)
    told = WatchSettings(configured=configured, keeps_evaluations=True, **more)
    logic = WatchLogic(told, None)
    crossings, kept, in_force = [], [np.empty(0, EVALUATION)], []
    for part in np.split(rows, cuts):
        (parcel,), _ = logic.on_batch([Rows(status=part, names=NAMES)])
        crossings += [c for c in parcel.crossings if c.type != "DATA"]
        for one in parcel.kept:
            kept.append(one.evaluations)
            in_force += one.thresholds
        if restarts:
            logic = WatchLogic(told, logic.snapshot())
    found = np.concatenate(kept)
    order = np.lexsort((found["part"], found["seq"], found["known"], found["order"]))
    return crossings, found[order], in_force


def tried(kept, thresholds):
    which = np.zeros(len(kept), np.int64)
    return alerts_of(judged_again(kept, which, limits_of(thresholds), NAMES))


def by_id(alerts):
    return sorted(alerts, key=lambda one: one.alert_id)


def live(rows, thresholds):
    crossings = sorted(watched(rows, thresholds)[0], key=lambda c: (c.t, c.scope, c.type, c.seq))
    return by_id(alerts_of(crossings))


def wander(rng, count, scale, around=0.0):
    """A walk that comes back."""
    x, out = around, []
    for step in rng.normal(0, scale, count):
        x += step - 0.08 * (x - around)
        out.append(x)
    return np.array(out)


def restless(seed, orders=4):
    """Orders that come near their levels and leave them, over halts and silence of the feed."""
    rng = np.random.default_rng(seed)
    each = []
    for order in range(1, orders + 1):
        count = int(rng.integers(2, STEPS))
        rows = marks(
            count, order,
            expected_progress=0.3 + wander(rng, count, 0.06, 0.1),
            z_cost=wander(rng, count, 0.6, 1.5),
            slippage_bps=10 + 10 * wander(rng, count, 0.6, 1.5),
            market_impact_bps=10 + 8 * wander(rng, count, 0.6, 1.5),
        )  # fmt: skip
        for flag in (MarketFlag.STALE, MarketFlag.HALTED):
            if rng.random() < 0.5:
                at = int(rng.integers(0, count))
                rows["market_flags"][at : at + int(rng.integers(1, 30))] |= flag
        rows["schedule"] = rng.choice([Schedule.TWAP, Schedule.VWAP, Schedule.POV])
        rows["participation"] = 0.15
        rows["parent"] = 77 if order == 3 else 0
        each.append(ended(rows) if rng.random() < 0.7 else rows)
    return together(*each)


TRIED = [
    {},
    {"SLOW_EXECUTION": 0.1, "HIGH_COST": 1.25, "MARKET_IMPACT": 1.25},
    {"SLOW_EXECUTION": 0.3, "HIGH_COST": 3.5, "MARKET_IMPACT": 4.0},
    {"SLIPPAGE": 40.0, "MARKET_IMPACT_BPS": 80.0},
    {"HIGH_COST": 2.0},
]


@pytest.mark.large
@settings(max_examples=20, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10_000))
def test_what_was_kept_under_the_defaults_gives_what_other_thresholds_give_live(seed):
    rows = restless(seed)
    _, kept, _ = watched(rows)
    for thresholds in TRIED:
        assert by_id(tried(kept, thresholds)) == live(rows, thresholds)


def test_some_of_those_days_have_alerts_of_every_type():
    found = {
        (one.type, thresholds is TRIED[1])
        for seed in range(6)
        for thresholds in TRIED[:2]
        for one in live(restless(seed), thresholds)
    }
    assert len(found) == 6


@pytest.mark.parametrize("in_force", [TRIED[1], TRIED[2]])
def test_so_it_does_whatever_was_in_force(in_force):
    rows = restless(3)
    _, kept, thresholds = watched(rows, in_force)
    assert thresholds[0] == InForce(in_force, {})
    for proposed in ({}, TRIED[1]):
        assert by_id(tried(kept, proposed)) == live(rows, proposed)


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 200), max_size=4), restarts=st.booleans())
def test_what_is_kept_does_not_depend_on_batches_or_restarts(cuts, restarts):
    rows = restless(7)
    _, expected, _ = watched(rows)
    _, found, _ = watched(rows, cuts=sorted(cuts), restarts=restarts)
    assert found.tobytes() == expected.tobytes()


def parts(kept):
    return [Part(part).name for part in kept["part"].tolist()]


def test_nothing_is_kept_of_an_order_that_nothing_comes_near():
    _, kept, _ = watched(ended(marks()))
    assert len(kept) == 0


def test_a_stretch_goes_on_until_nothing_came_near_for_a_minute():
    z = np.zeros(STEPS)
    z[10:12] = 1.0
    _, kept, _ = watched(marks(z_cost=z, slippage_bps=20.0))
    assert parts(kept) == ["BEGINS", *["KEPT"] * (len(kept) - 1)]
    assert kept["seq"].tolist() == list(range(11, 11 + len(kept)))
    assert 13 <= len(kept) - 2 <= 15


def test_a_halt_is_kept_once_and_a_silent_feed_whole():
    z = np.zeros(STEPS)
    z[0] = 1.0
    flags = np.zeros(STEPS, np.int64)
    flags[2:40] = MarketFlag.HALTED
    flags[50:60] = MarketFlag.STALE
    _, kept, _ = watched(marks(z_cost=z, slippage_bps=20.0, market_flags=flags))
    assert (kept["market_flags"] == MarketFlag.HALTED).sum() == 1
    assert (kept["market_flags"] == MarketFlag.STALE).sum() == 10
    assert (kept["known"][-1] - T0) // SECOND // 5 == pytest.approx(74, abs=2)


def test_an_end_is_kept_within_a_stretch_and_of_a_short_order_that_comes_near():
    near = {"z_cost": 3.0, "slippage_bps": 20.0}
    long, short = ended(marks(10, 1, **near)), ended(marks(2, 2, **near))
    calm = ended(marks(2, 4))
    _, kept, _ = watched(together(long, short, calm))
    assert parts(kept[kept["order"] == 1])[-1] == "ENDS"
    assert parts(kept[kept["order"] == 2]) == ["BEGINS", "SHORT"]
    assert 4 not in kept["order"]
    assert {(one.scope, one.ended_at is None) for one in tried(kept, {})} == {
        ("O1", False), ("O2", False),
    }  # fmt: skip


def test_nothing_is_handed_on_unless_it_is_wanted():
    logic = WatchLogic(WatchSettings(), None)
    rows = marks(z_cost=3.0, slippage_bps=20.0)
    (parcel,), _ = logic.on_batch([Rows(status=rows, names=NAMES)])
    assert parcel.kept == []
    assert parcel.crossings
