import math

import msgspec
import numpy as np
import pytest

from domain.flags import SHOWN, Flag
from domain.instants import END_OF_TIME, SECOND
from domain.published import Severity
from metrics.control_charts import winsorised
from metrics.statistics import MODIFIED_Z_LIMIT, modified_z, modified_z_scores
from rules.algorithm import CohortBase, CohortWatch
from rules.causes import LEAST_NS
from rules.cohort_flags import (
    LEAST_ORDERS,
    QUIET_NS,
    RECENT,
    RISE,
    SHOWN_NS,
    TOLERANCE,
    WEIGHT,
    WIDTH,
    CohortFlags,
)

FAIR = CohortBase()
STEP = 60 * SECOND


def fed(values, flags=None, start=0, state=None):
    """After each finished order, the flags that hold."""
    state = state or CohortFlags()
    held = []
    for i, z in enumerate(values, start + 1):
        t = i * STEP
        while state.due <= t:
            state.at(state.due)
        state.take(t, float(z), winsorised(float(z), limit=3.0), f"O{i}", flags or SHOWN)
        held.append(set(state.causes))
    return state, held


def mad(values):
    return float(np.median(np.abs(values - np.median(values))))


def begun(held, flag):
    """At which orders a flag began."""
    before, found = False, []
    for i, flags in enumerate(held):
        if flag in flags and not before:
            found.append(i)
        before = flag in flags
    return found


def test_a_single_dear_order_is_told_with_its_modified_z_and_for_a_quarter_of_an_hour():
    usual = np.random.default_rng(1).standard_normal(60)
    state, held = fed([*usual, 12.0])
    scores = modified_z_scores(np.append(usual, np.nan))

    assert held[-1] == {Flag.MODIFIED_Z}
    cause = state.causes[Flag.MODIFIED_Z]
    middle = float(np.median(usual))
    assert cause.evidence.z == pytest.approx(0.6745 * (12.0 - middle) / mad(usual))
    assert cause.evidence.z > np.nanmax(scores)
    assert (cause.evidence.n, cause.evidence.actual, cause.evidence.threshold) == (60, 12.0, 3.5)
    assert cause.words.startswith("order O61 cost ")
    assert cause.severity is Severity.LOW
    assert state.due == cause.since + SHOWN_NS
    state.at(state.due - 1)
    assert state.causes
    state.at(state.due)
    assert (state.causes, state.due) == ({}, END_OF_TIME)


def test_a_newer_dear_order_takes_the_place_of_the_one_before():
    usual = np.random.default_rng(1).standard_normal(60)
    state, _ = fed([*usual, 12.0, 0.0, 14.0])

    assert state.causes[Flag.MODIFIED_Z].words.startswith("order O63 cost")


def test_an_order_is_held_against_the_newest_and_only_against_enough_of_them():
    alone = {Flag.MODIFIED_Z: Severity.LOW}
    few, _ = fed([*np.linspace(-1, 1, LEAST_ORDERS - 1), 50.0], alone)
    cheap, _ = fed([*np.linspace(-1, 1, 60), -50.0], alone)
    same, _ = fed([*np.zeros(60), 50.0], alone)
    many, _ = fed(np.linspace(-1, 1, RECENT + 50), alone)

    assert not few.causes
    assert not cheap.causes
    assert not same.causes
    assert len(many.recent) == RECENT


@pytest.mark.parametrize("decimals", [12, 1])
def test_dear_orders_are_those_that_the_batch_answer_says(decimals):
    values = np.random.default_rng(3).standard_t(2, 600).round(decimals)
    state, told = CohortFlags(), []
    for i, z in enumerate(values):
        state.take(i * STEP, float(z), 0.0, f"O{i}", {Flag.MODIFIED_Z: Severity.LOW})
        cause = state.causes.get(Flag.MODIFIED_Z)
        if cause is not None and cause.since == i * STEP:
            told.append(i)

    batch = []
    for i in range(LEAST_ORDERS, len(values)):
        before = values[max(i - RECENT, 0) : i]
        score = modified_z(values[i], median=np.median(before), mad=mad(before))
        if score > MODIFIED_Z_LIMIT:
            batch.append(i)
    assert len(told) > 10
    assert told == batch


def test_fair_orders_are_seldom_outliers():
    z = np.random.default_rng(5).standard_normal(10_000)
    _, held = fed(z, {Flag.MODIFIED_Z: Severity.LOW})

    assert len(begun(held, Flag.MODIFIED_Z)) <= 10


def test_the_average_drifts_where_the_batch_answer_says():
    z = np.concatenate([np.random.default_rng(7).standard_normal(100), np.full(40, 1.2)])
    clipped = winsorised(z, limit=3.0)
    n = np.arange(1, len(z) + 1)
    averages = np.array([
        WEIGHT * (clipped[:k] * (1 - WEIGHT) ** np.arange(k)[::-1]).sum() for k in n
    ])  # fmt: skip
    limits = WIDTH * np.sqrt(WEIGHT / (2 - WEIGHT) * (1 - (1 - WEIGHT) ** (2 * n)))
    state, held = fed(z, {Flag.EWMA_DRIFT: Severity.MEDIUM})

    first = int(np.argmax(averages > limits))
    assert begun(held, Flag.EWMA_DRIFT)[0] == first
    evidence = state.causes[Flag.EWMA_DRIFT].evidence
    assert evidence.actual == pytest.approx(averages[begun(held, Flag.EWMA_DRIFT)[-1]])
    assert evidence.z > WIDTH
    assert "drifted to" in state.causes[Flag.EWMA_DRIFT].words


def test_the_rise_is_found_where_the_batch_answer_says():
    z = np.concatenate([np.full(100, -1.0), np.zeros(60)])
    means = np.cumsum(z) / np.arange(1, len(z) + 1)
    steps = np.where(np.arange(len(z)) >= LEAST_ORDERS, z - means - TOLERANCE, 0.0)
    sums = np.concatenate([[0.0], np.cumsum(steps)])
    rises = (sums - np.minimum.accumulate(sums))[1:]
    state, held = fed(z, {Flag.PAGE_HINKLEY: Severity.HIGH})

    first = int(np.argmax(rises >= RISE))
    assert begun(held, Flag.PAGE_HINKLEY) == [first]
    cause = state.causes[Flag.PAGE_HINKLEY]
    assert cause.evidence.expected == pytest.approx(means[first])
    assert cause.evidence.z == pytest.approx(rises[first])
    assert cause.severity is Severity.HIGH


@pytest.mark.parametrize(("flag", "fewest"), [(Flag.EWMA_DRIFT, 1_400), (Flag.PAGE_HINKLEY, 1_600)])
def test_fair_cohorts_are_flagged_seldom(flag, fewest):
    z = np.random.default_rng(3).standard_normal(40_000)
    starts, at = 0, 0
    while at < len(z):
        # Begun anew behind each flag, as the run lengths are counted.
        state = CohortFlags()
        while at < len(z) and not state.causes:
            one = winsorised(float(z[at]), limit=3.0)
            state.recent = []
            state.take(at * STEP, float(z[at]), one, "O", {flag: Severity.LOW})
            at += 1
        starts += 1

    assert len(z) / starts > fewest * 0.75


@pytest.mark.parametrize("flag", [Flag.EWMA_DRIFT, Flag.PAGE_HINKLEY])
def test_a_drift_ends_once_the_average_is_back_and_not_before_a_minute(flag):
    low = -1.0 if flag is Flag.PAGE_HINKLEY else 0.0
    bad = [*np.full(100, low), *np.full(30, low + 1.5)]
    state, held = fed(bad, {flag: Severity.LOW})
    assert held[-1] == {flag}
    since = state.causes[flag].since
    assert state.due == state.last + QUIET_NS
    state, held = fed(np.full(80, low - 0.5), {flag: Severity.LOW}, start=130, state=state)

    assert held[0] == {flag}
    assert held[-1] == set()
    assert state.due == END_OF_TIME
    assert since + LEAST_NS < 131 * STEP


def test_a_flag_that_is_back_at_once_waits_for_its_minute():
    state, held = fed(np.full(40, 3.0), {Flag.EWMA_DRIFT: Severity.LOW})
    assert held[-1]
    state.causes[Flag.EWMA_DRIFT].since = state.last
    state.average = 0.0

    assert state.due == state.last + LEAST_NS
    state.at(state.due)
    assert not state.causes


def test_without_finished_orders_for_a_day_nothing_is_told():
    state, _ = fed(np.full(20, 2.0))
    assert set(state.causes) == {Flag.EWMA_DRIFT}
    state.at(state.last + QUIET_NS - 1)
    assert state.causes
    state.at(state.last + QUIET_NS)

    assert not state.causes


def test_a_flag_that_is_off_is_none():
    dear = [*np.random.default_rng(1).standard_normal(60), *np.full(60, 4.0)]
    _, held = fed(dear, {Flag.OVERFILL: Severity.HIGH})

    assert not any(held)


def test_the_cohort_is_as_bad_as_the_worst_of_its_alert_and_its_flags():
    watch = CohortWatch()
    flags = {Flag.EWMA_DRIFT: Severity.LOW, Flag.PAGE_HINKLEY: Severity.CRITICAL}
    severities = []
    for i in range(1, 61):
        watch.take(i * STEP, 1.0, FAIR, flags=flags)
        severities.append(watch.worst.severity.name if watch.worst else None)
    for i in range(61, 120):
        watch.take(i * STEP, -1.5, FAIR, flags=flags)

    assert [s for i, s in enumerate(severities) if i == 0 or s != severities[i - 1]] == [
        None, "LOW", "MEDIUM",
    ]  # fmt: skip
    assert watch.worst is None


def test_time_alone_ends_what_is_shown_of_a_cohort_without_an_alert():
    watch = CohortWatch()
    for i, z in enumerate([*np.random.default_rng(1).standard_normal(60), 12.0], 1):
        watch.take(i * STEP, float(z), FAIR, order_id=f"O{i}", flags=SHOWN)
    assert watch.worst.severity is Severity.LOW
    assert watch.due == 61 * STEP + SHOWN_NS
    watch.at(watch.due)

    assert (watch.worst, watch.due) == (None, END_OF_TIME)


def test_what_was_kept_before_there_were_flags_is_read():
    watch = CohortWatch(up=2.0, count=3)
    kept = msgspec.to_builtins(watch)
    del kept["flags"]

    found = msgspec.convert(kept, CohortWatch)

    assert (found.up, found.flags) == (2.0, CohortFlags())


def test_an_order_without_z_is_no_flag():
    watch = CohortWatch()
    watch.take(STEP, math.nan, FAIR, flags=SHOWN)

    assert watch.flags.n == 0
