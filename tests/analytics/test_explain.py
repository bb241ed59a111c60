"""Explanations: every metric has a unit, its inputs, and the glossary's own definition."""

import subprocess
import sys

import pytest

from analytics.definitions import definitions, definitions_of
from analytics.explain import metrics_of, unit_of
from domain.rows import ORDER_METRICS
from metrics import glossary
from metrics.slippage import slippage_bps

EMPTY = {"reasons": {}, "caveats": {}}


def test_definitions_are_those_of_the_glossary_page():
    page = {}
    for module in glossary.chapters():
        for name, value in glossary.entries(module):
            entry = glossary.parse(glossary._signature(name, value), value.__doc__)
            page[name] = (entry.title, entry.formula, entry.keyed)

    assert {n: (d.title, d.formula, d.keyed) for n, d in definitions().items()} == page


def test_every_metric_has_a_unit_inputs_and_a_definition():
    found = list(metrics_of(EMPTY, explain=True))

    assert [metric["name"] for metric in found] == list(ORDER_METRICS)
    for metric in found:
        told = metric["explanation"]
        assert metric["unit"]
        assert told["definition"]
        assert told["inputs"]
        assert all(given["source"] for given in told["inputs"])


@pytest.mark.parametrize(
    ("metric", "unit"),
    [("slippage_bps", "bps"), ("ack_ms", "ms"), ("fill_rate", "share 0-1"), ("twap", "price"),
     ("shortfall_total_ccy", "currency"), ("performance_score", "points 0-100")],
)  # fmt: skip
def test_units_are_those_of_the_names(metric, unit):
    assert unit_of(metric) == unit


def test_the_value_can_be_redone_from_what_the_explanation_says():
    record = {**EMPTY, "avg_px": 225.05, "arrival_mid": 225.0, "side": "SELL",
              "slippage_bps": slippage_bps(225.05, benchmark=225.0, side=-1)}  # fmt: skip

    metric = next(m for m in metrics_of(record, explain=True) if m["name"] == "slippage_bps")

    told = metric["explanation"]
    inputs = {given["name"]: given["value"] for given in told["inputs"]}
    assert told["formulas"][0]["signature"] == "slippage_bps(avg_px, benchmark, side)"
    assert told["formulas"][0]["formula"] == "s·(P̄ − B)/B·1e4"
    sign = {"BUY": 1, "SELL": -1}[inputs["side"]]
    assert metric["value"] == slippage_bps(
        inputs["avg_px"], benchmark=inputs["arrival_mid"], side=sign
    )


def test_rows_that_a_metric_was_made_of_are_named_by_their_path():
    spread = next(m for m in metrics_of(EMPTY, explain=True) if m["name"] == "effective_spread_bps")

    assert {given["rows"] for given in spread["explanation"]["inputs"]} == {"fills"}


def test_a_null_has_its_reason_and_a_value_its_caveat():
    record = {"twap": 5.0, "reasons": {"rpm": "PENDING"}, "caveats": {"twap": "LATE"}}

    found = {metric["name"]: metric for metric in metrics_of(record)}

    assert (found["rpm"]["value"], found["rpm"]["reason"]) == (None, "PENDING")
    assert (found["twap"]["value"], found["twap"]["caveat"]) == (5.0, "LATE")
    assert "explanation" not in found["rpm"]


def test_explaining_starts_no_compiler():
    code = (
        "import sys; from analytics.explain import metrics_of;"
        "list(metrics_of({'reasons': {}, 'caveats': {}}, explain=True));"
        "sys.exit('numba' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert definitions_of("nothing of ours") == ("", ())
