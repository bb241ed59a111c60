"""Records of venues and cohorts: what is usual, and what many days say against them."""

from datetime import date

import numpy as np
import pytest

from analytics.usual import Wanted, cohort_records, toxic_venues, venue_records
from domain.published import Severity
from domain.reference_check import checked

WANTED = Wanted(date(2026, 11, 21), 20, "XLON")


def routed(venue, n, failures, answers=None, ack_ms=(1.0, 2.0, 3.0)):
    answers = n if answers is None else answers
    return {
        "venue": venue, "n": n, "failures": failures, "answers": answers,
        "ack_ms": list(ack_ms) if answers else None,
    }  # fmt: skip


def fills(rng, venue, n, cost_bps=0.0, liquidity="REMOVED", side=1.0):
    """Fills over ten days at 100.0 and the mids a minute later, with a noise of 3 bps."""
    cost = cost_bps + 3.0 * rng.standard_normal(n)
    return [
        {
            "venue": venue, "order_id": f"{venue}-{i // 2}", "liquidity": liquidity,
            "day": date(2026, 11, 1 + i % 10), "last_px": 100.0, "side": side,
            "mid_60s": 100.0 - side * cost[i] / 100.0,
        }
        for i in range(n)
    ]  # fmt: skip


def costs(rng, algo, broker, n, excess_bps=0.0, risk_bps=10.0):
    z = excess_bps / risk_bps + rng.standard_normal(n)
    return [
        {
            "algo": algo, "broker": broker, "order_id": f"{algo}{broker}{i}",
            "day": date(2026, 11, 1 + i % 15), "z_cost": float(z[i]), "risk_bps": risk_bps,
        }
        for i in range(n)
    ]  # fmt: skip


def test_a_venue_s_record_has_its_refusals_and_its_answers():
    silent, plain = routed("DARK", 40, 40, answers=0), routed("XNAS", 400, 20)

    found = [checked(r) for r in venue_records([silent, plain, routed("NEW", 0, 0)], [], WANTED, 7)]

    dark, xnas = found
    assert (dark.scope, list(dark.baselines)) == ("venue:DARK", ["reject_rate"])
    rate, ack = xnas.baselines["reject_rate"], xnas.baselines["ack_ms"]
    assert (rate.n, rate.mean) == (400, 0.05)
    assert (ack.n, ack.median, ack.p95, ack.p99) == (400, 1.0, 2.0, 3.0)
    assert (xnas.effective_from, xnas.calendar, xnas.days) == ("2026-11-21", "XLON", 7)
    assert xnas.finding is None


@pytest.mark.parametrize("side", [1.0, -1.0])
def test_a_venue_after_whose_fills_the_market_goes_against_us_is_found(side):
    rng = np.random.default_rng(1)
    rows = [
        *fills(rng, "XNAS", 400, side=side), *fills(rng, "BATS", 400, side=side),
        *fills(rng, "ARCX", 400, cost_bps=1.5, side=side),
    ]  # fmt: skip

    found = toxic_venues(rows)

    assert list(found) == ["ARCX"]
    finding = found["ARCX"]
    assert (finding.severity, finding.n) == (Severity.MEDIUM, 400)
    assert finding.actual == pytest.approx(1.5, abs=0.5)
    assert finding.z > 3
    assert finding.words.startswith("fills that took cost 1.")
    (record,) = venue_records([routed("ARCX", 9, 0)], rows, WANTED, 7)
    assert checked(record).finding == finding


def test_fills_that_rested_are_compared_with_such_alone():
    rng = np.random.default_rng(2)
    # A venue where we only rest earns the spread; that makes nobody else toxic.
    rows = [
        *fills(rng, "MAKER", 400, cost_bps=-5.0, liquidity="ADDED"),
        *fills(rng, "XNAS", 400), *fills(rng, "BATS", 400),
    ]  # fmt: skip
    assert toxic_venues(rows) == {}

    both = [
        *rows, *fills(rng, "OTHER", 400, cost_bps=-5.0, liquidity="ADDED"),
        *fills(rng, "TOXIC", 400, cost_bps=1.0), *fills(rng, "TOXIC", 400, -1.0, "ADDED"),
    ]  # fmt: skip
    assert toxic_venues(both)["TOXIC"].words.startswith("resting fills cost 4.")


def test_a_cohort_s_record_has_its_z_and_what_the_table_says_against_it():
    rng = np.random.default_rng(3)
    rows = [
        *costs(rng, "VWAP", "BRK1", 200), *costs(rng, "TWAP", "BRK1", 200),
        *costs(rng, "VWAP", "BRK2", 200, excess_bps=9.0), *costs(rng, "POV", "-", 1),
    ]  # fmt: skip

    found = {r.key: checked(r) for r in cohort_records(rows, WANTED, 15)}

    assert list(found) == ["cohort:POV/-", "cohort:TWAP/BRK1", "cohort:VWAP/BRK1",
                           "cohort:VWAP/BRK2"]  # fmt: skip
    z = found["cohort:VWAP/BRK1"].baselines["z_cost"]
    own = np.array([row["z_cost"] for row in rows[:200]])
    assert (z.n, z.mean, z.sd) == (200, pytest.approx(own.mean()), pytest.approx(own.std(ddof=1)))
    assert z.median == np.median(own)
    assert z.p95 == np.percentile(own, 95)
    assert found["cohort:POV/-"].baselines["z_cost"].sd is None
    finding = found["cohort:VWAP/BRK2"].finding
    assert finding.severity in {Severity.HIGH, Severity.CRITICAL}
    assert finding.actual == pytest.approx(9.0, abs=2.5)
    assert finding.words.startswith("its orders cost ")
    assert [key for key, record in found.items() if record.finding] == ["cohort:VWAP/BRK2"]
