"""Analytics and metrics: shapes, sums, and the same numbers everywhere."""

import math
from urllib.parse import quote

import pytest

from api.history.analytics_models import ExecutionAnalytics
from api.history.models import OrderMetrics
from api.history.rollup_models import Rollup
from domain.rows import BENCHMARKS, LATER_BENCHMARKS, ORDER_METRICS, STATUS_METRICS
from tests import history_data as data

ALL = ["N1", "A2", data.SECOND_CHILD, "E1", data.FIRST, data.PARENT]
DAY = {"from": "2026-11-20T00:00:00Z", "to": "2026-11-21T00:00:00Z"}


def analytics(client, order_id):
    answer = client.get(f"/api/v1/monitoring/{quote(order_id, safe='')}/analytics")
    assert answer.status_code == 200, answer.text
    ExecutionAnalytics.model_validate_json(answer.content)
    return answer.json()


def metrics(client, order_id, **asked):
    answer = client.get(f"/api/v1/orders/{quote(order_id, safe='')}/metrics", params=asked)
    assert answer.status_code == 200, answer.text
    OrderMetrics.model_validate_json(answer.content)
    return {metric["name"]: metric for metric in answer.json()["metrics"]}


def status(client, order_id):
    return client.get(f"/api/v1/monitoring/{quote(order_id, safe='')}/status").json()


@pytest.mark.parametrize("order_id", ALL)
def test_the_parts_of_the_attribution_sum_to_the_total(api, order_id):
    found = analytics(api, order_id)["performance_attribution"]

    assert [part["name"] for part in found["parts"]] == [
        "delay", "half_spread", "impact", "market", "timing_residual", "opportunity", "explicit",
    ]  # fmt: skip
    for unit in ("ccy", "bps"):
        if found["total"][unit] is None:
            assert found["total"]["reason"]
            continue
        total = math.fsum(part[unit] for part in found["parts"] if part[unit] is not None)
        assert total == pytest.approx(found["total"][unit], abs=1e-9)
    for part in found["parts"]:
        assert (part["ccy"] is None) == (part["reason"] is not None)


@pytest.mark.parametrize("order_id", ALL)
def test_analytics_say_the_status_s_own_numbers(api, order_id):
    told, found = status(api, order_id), analytics(api, order_id)

    summary = found["execution_summary"]
    assert summary == {name: told[name] for name in summary}
    costs = found["cost_analysis"]
    assert costs["total"]["ccy"] == told["shortfall_total_ccy"]
    assert costs["explicit"]["by_kind"][0]["ccy"] == told["shortfall_explicit_ccy"]
    assert costs["explicit"]["caveat"] == "PARTIAL_TOTAL"
    rows = {row["benchmark"]: row for row in found["benchmark_comparison"]["benchmarks"]}
    assert set(rows) == {"arrival", *BENCHMARKS, *LATER_BENCHMARKS}
    assert rows["arrival"]["price"] == told["arrival_mid"]
    assert rows["arrival"]["slippage_bps"] == told["slippage_bps"]
    assert rows["twap"]["slippage_bps"] == told["slippage_twap_bps"]
    for row in rows.values():
        assert (row["slippage_bps"] is None) == (row["reason"] is not None), row


def test_explicit_and_implicit_costs_make_the_total(api):
    costs = analytics(api, data.PARENT)["cost_analysis"]

    assert costs["implicit"]["total"]["ccy"] + costs["explicit"]["total"]["ccy"] == pytest.approx(
        costs["total"]["ccy"], abs=1e-9
    )
    parts = [part["ccy"] or 0.0 for part in costs["implicit"]["by_part"]]
    assert math.fsum(parts) == pytest.approx(costs["implicit"]["total"]["ccy"], abs=1e-9)
    assert costs["shortfall"]["from_price"] == "DECISION"
    assert costs["shortfall"]["to_date"] is False
    assert costs["shortfall"]["executed_basis"]["delay"]["ccy"] is not None
    assert analytics(api, data.OPEN)["cost_analysis"]["shortfall"]["to_date"] is True


@pytest.mark.parametrize("order_id", ALL)
def test_every_metric_is_the_status_s_own_or_has_a_reason(api, order_id):
    told, found = status(api, order_id), metrics(api, order_id)

    assert list(found) == list(ORDER_METRICS)
    for name in STATUS_METRICS:
        assert found[name]["value"] == told[name]
        assert found[name]["reason"] == told["reasons"].get(name)
        assert found[name]["caveat"] == told["caveats"].get(name)
    for metric in found.values():
        assert (metric["value"] is None) == (metric["reason"] is not None)


def test_some_metrics_are_chosen_by_name_and_explained(api):
    found = metrics(api, data.PARENT, name=["slippage_bps", "fill_rate"], explain=True)

    assert list(found) == ["fill_rate", "slippage_bps"]
    inputs = {i["name"]: i["value"] for i in found["slippage_bps"]["explanation"]["inputs"]}
    average, arrival = inputs["avg_px"], inputs["arrival_mid"]
    assert (average - arrival) / arrival * 1e4 == pytest.approx(
        found["slippage_bps"]["value"], rel=1e-12
    )


def test_a_metric_that_nobody_knows_is_refused_with_those_there_are(api):
    answer = api.get("/api/v1/orders/A2/metrics", params={"name": "luck"})

    assert answer.status_code == 422
    assert "slippage_bps" in answer.json()["detail"]


@pytest.mark.parametrize("by", ["venue", "algorithm", "broker", "strategy", "desk"])
def test_roll_ups_have_groups_with_n(api, by):
    answer = api.get("/api/v1/rollups", params={"by": by, **DAY})

    assert answer.status_code == 200, answer.text
    found = Rollup.model_validate_json(answer.content)
    assert (found.by, found.min_n) == (by, 1)
    assert found.items
    for row in found.items:
        for metric in row.metrics.values():
            assert (metric.value is None) == (metric.reason is not None)


def test_a_roll_up_s_default_window_is_the_last_day(api):
    found = api.get("/api/v1/rollups", params={"by": "desk"}).json()

    assert found["from_ts"] < found["to_ts"]
    assert found["items"] == []


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"by": "luck"},
        {"by": "desk", "from": "2026-11-21T00:00:00Z", "to": "2026-11-20T00:00:00Z"},
        {"by": "desk", "min_n": 0},
        {"by": "desk", "since": "x"},
    ],
)
def test_a_roll_up_that_makes_no_sense_is_refused(api, asked):
    assert api.get("/api/v1/rollups", params=asked).status_code == 422


def test_roll_ups_hold_the_caller_s_desks_alone(keyed):
    def names(who, by):
        answer = keyed.get(who, "/api/v1/rollups", params={"by": by, **DAY})
        return {(row["name"], row["currency"]) for row in answer.json()["items"]}

    assert names("eu", "desk") == {(data.EU, "EUR")}
    assert names("us", "desk") == {(data.US, "USD")}
    assert names("eu", "venue") == {("XETR", "EUR")}
    assert names("nothing", "venue") == names("nothing", "broker") == set()
