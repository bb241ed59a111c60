"""Healthy and faulty flow in little, judged by the rules' own steps."""

import json

import numpy as np
import pytest

from benchmarks import cohort_alarms, false_alarms, order_alarms, venue_alarms
from benchmarks.cohort_alarms import CohortCell
from benchmarks.healthy_orders import STEP_S, Cell, Fault, Orders
from benchmarks.healthy_venues import ORDERS, VenueCell, VenueDays, VenueFault
from benchmarks.order_alarms import COST, IMPACT, SLOW, SLOW_POV
from domain.instants import NO_TIME, SECOND
from domain.vocabulary import EventKind, Schedule
from operators.rollups.pieces import OPENED, ROUTED
from rules.algorithm import limit_of
from rules.venue import venue_base
from rules.venue_watch import REFUSES, SILENT
from rules.venue_watch import SLOW as SLOWER

HOUR = Cell(200.0, 3_600.0, "flat", "gauss")
BUSY = VenueCell(10.0, 0.02, has_base=True)


# Orders


def test_a_third_of_the_orders_keeps_to_a_share_of_a_volume_that_comes_in_lumps():
    orders = Orders(HOUR, 30, 1, Fault())

    # Each mark has the same rows again.
    told = [(rows, orders.others.copy()) for _, rows in orders.rows()]

    rows, others = told[-1][0], np.array([traded for _, traded in told])
    is_pov = rows["schedule"] == Schedule.POV
    assert is_pov.sum() == 10
    assert (np.isfinite(rows["participation"]) == is_pov).all()
    lumps = np.diff(others, axis=0)
    assert (lumps.max(axis=0) > 3.0 * lumps.mean(axis=0)).all()
    # By then each has about the share it was meant to have.
    share = orders.filled[is_pov] / orders.traded(HOUR.horizon_s)[is_pov]
    assert share == pytest.approx(orders.share[is_pov], rel=0.25)
    assert orders.filled[~is_pov] == pytest.approx(orders.qty[~is_pov])


def test_orders_that_stop_are_found_and_fair_ones_are_not():
    fair = order_alarms.first_alerts(HOUR, 90, 1, Fault())
    stalled = order_alarms.first_alerts(HOUR, 90, 1, Fault(stalls_at=0.5))

    assert [len(fair[rule]) for rule in (SLOW, SLOW_POV, COST, IMPACT)] == [60, 30, 90, 90]
    assert not np.isfinite(fair[SLOW]).any()
    assert np.isfinite(fair[SLOW_POV]).mean() <= 0.1
    assert (stalled[SLOW] > HOUR.horizon_s / 2).all()
    assert np.isfinite(stalled[SLOW_POV]).mean() > 0.5
    seen = stalled[SLOW_POV][np.isfinite(stalled[SLOW_POV])]
    assert (seen % STEP_S == 0).all()


# Venues


def test_a_venue_day_is_told_as_the_roll_ups_take_it():
    days = VenueDays(BUSY, 3, 5, VenueFault())

    rows = days.rows
    assert (rows["what"] == OPENED).sum() == 3 * ORDERS
    routes = rows[rows["what"] == ROUTED]
    sent = routes[routes["kind"] == EventKind.ROUTE_SENT]
    back = routes[routes["kind"] != EventKind.ROUTE_SENT]
    assert len(sent) == len(back) == days.routes.sum()
    assert (back["t"] >= sent["t"]).all()
    assert len({*(sent["order"] ^ sent["route"]).tolist()}) == len(sent)
    assert set(sent["root"].tolist()) <= set(rows["order"][rows["what"] == OPENED].tolist())
    assert set(rows["venue"].tolist()) - {0} <= set(days.names)
    refused = (back["kind"] == EventKind.ROUTE_REJECTED).mean()
    assert refused == pytest.approx(0.02 * 0.9 + 0.01, abs=0.01)


def test_the_records_of_healthy_venues_say_what_they_are():
    records = VenueDays(BUSY, 40, 6, VenueFault()).references()

    bases = [venue_base(record) for record in records]
    assert all(base.is_known and base.calendar == "XNYS" for base in bases)
    assert np.mean([base.p0 for base in bases]) == pytest.approx(0.02, rel=0.05)
    assert {round(base.routes_per_day / 3_900, 1) for base in bases} == {1.0}
    # The 99th percentile of log-normal times with a median of 4 ms.
    assert np.median([base.ack_p99_ms for base in bases]) == pytest.approx(20.4, rel=0.03)
    assert VenueDays(VenueCell(10.0, 0.02, has_base=False), 2, 6, VenueFault()).references() == []


def test_the_trouble_of_a_venue_is_found_by_the_condition_that_is_about_it():
    for kind, fault in venue_alarms.FAULTS.values():
        found = venue_alarms.alarms(BUSY, 4, 7, fault)

        first = found.kinds[kind]
        assert (first > fault.starts_ns).all()
        assert (first < fault.starts_ns + 1800 * SECOND).all()
        others = {REFUSES, SLOWER, SILENT} - {kind, REFUSES}
        assert all((found.kinds[other] == NO_TIME).mean() >= 0.5 for other in others)


def test_whatever_holds_at_a_venue_is_told():
    found = venue_alarms.alarms(VenueCell(30.0, 0.02, True), 4, 8, VenueFault(fails=0.3))

    held = np.array([found.kinds[kind] for kind in venue_alarms.KINDS]) != NO_TIME
    assert found.told.shape == (4,)
    assert ((found.told != NO_TIME) == held.any(axis=0)).all()
    assert held.any(axis=0).all()


def test_a_poisonous_venue_is_told_from_fair_ones():
    rng = np.random.default_rng(3)

    fair, worse = venue_alarms.markouts(rng), venue_alarms.markouts(rng, 3.0)

    assert len(fair) == len(worse) == 10
    assert min(row.n for row in fair) >= 100
    assert not any(row.is_toxic for row in fair)
    assert [row.venue for row in worse if row.is_toxic] == ["V0"]


# Algorithms


def test_a_worse_algorithm_is_found_after_as_many_orders_as_the_sum_takes():
    found = cohort_alarms.first_alerts(CohortCell(10, "gauss", False, worse=2.75), 6, 4)

    # Each z is clipped at three, and a quarter is taken off.
    least = limit_of(3) / 2.75
    assert (found >= least).all()
    assert (found <= 3 * least).all()


def test_fair_cohorts_seldom_alarm():
    found = cohort_alarms.first_alerts(CohortCell(10, "gauss", True), 20, 4)

    assert (found > 0).sum() <= 2


@pytest.mark.parametrize("tails", cohort_alarms.TAILS)
def test_the_z_of_fair_orders_has_no_mean(tails):
    z = cohort_alarms.z_of(np.random.default_rng(2), tails, (100, 500))

    assert z.mean() == pytest.approx(0.0, abs=0.02)
    assert z.std() == pytest.approx(1.5 if tails == "wide" else 1.0, rel=0.15)


def test_the_daily_comparison_finds_the_worse_one_and_waits_for_thirty_orders():
    found = cohort_alarms.compared(10, 5.0, 2, worse=5.0)

    assert found.shape == (2, cohort_alarms.TABLE)
    assert (found[:, 0] >= 30).all()
    assert (found[:, 1:] > 0).mean() <= 0.05


# The whole


def test_it_prints_a_figure_for_each_aim_as_one_json_object(capsys, monkeypatch):
    monkeypatch.setattr(venue_alarms, "PER_MINUTE", (3.0,))
    monkeypatch.setattr(cohort_alarms, "PER_DAY", (10,))
    sizes = ["--orders", "12", "--venue-days", "2", "--months", "2", "--quick"]

    assert false_alarms.main(["--json", *sizes]) == 0

    found = json.loads(capsys.readouterr().out)
    worst = [value for key, value in found.items() if key.startswith("worst_")]
    assert len(worst) == 8
    assert all(0.0 <= value <= 100.0 for value in worst)
    assert (found["orders"], found["venue_days"], found["months"]) == (12, 2, 2)
    assert len(found["fair"]) == len(order_alarms.SHAPES) * len(order_alarms.TAILS)
    assert len(found["venues"]) == 4
    assert len(found["venue_faults"]) == 6
    assert len(found["algorithms"]) == 6
    assert len(found["algorithm_faults"]) == len(cohort_alarms.COST_SD_BPS)
    for row in found["venues"]:
        assert row["any"] <= row[REFUSES] + row[SLOWER] + row[SILENT]


def test_one_part_alone_prints_its_tables_in_markdown(capsys):
    assert false_alarms.main(["--only", "orders", "--orders", "6", "--quick"]) == 0

    printed = capsys.readouterr().out
    assert printed.startswith("| sigma_bps | horizon_s | shape | tails | SLOW_EXECUTION |")
    assert "worst_SLOW_EXECUTION_POV_pct" in printed
    assert "VENUE" not in printed
