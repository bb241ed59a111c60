"""Roll-ups: ratios of sums, equal to the metrics' own formulas over the same rows."""

import math

import numpy as np
import pytest

from analytics.history.fills import list_fills
from analytics.history.orders import OrderFilter, list_orders
from analytics.history.restatements import list_restatements
from analytics.history.rollups import Dimension, Window, roll_up_orders
from analytics.history.statuses import newest_status
from analytics.history.venues import roll_up_venues
from metrics.markout import markout_cost_bps
from metrics.slippage import slippage_bps
from metrics.spreads import effective_spread, price_improvement, realized_spread
from tests import history_data as data
from tests.history_store import ask

US, EU = frozenset({data.US}), frozenset({data.EU})
DAY = Window(from_ns=data.T0 - 10**12, to_ns=data.T0 + 10**13)


def by(url, dimension, window=DAY, desks=None):
    return ask(url, lambda c: roll_up_orders(c, dimension, window, desks=desks))


def by_venue(url, window=DAY, desks=None):
    return {(r["name"], r["currency"]): r
            for r in ask(url, lambda c: roll_up_venues(c, window, desks=desks))}  # fmt: skip


def status_of(url, order_id):
    import msgspec

    return msgspec.json.decode(ask(url, lambda c: newest_status(c, order_id, desks=None)))


def test_a_group_s_slippage_is_the_ratio_of_its_sums(history_url):
    parent, sale = status_of(history_url, data.PARENT), status_of(history_url, data.OPEN)

    [desk] = [row for row in by(history_url, Dimension.DESK) if row["name"] == data.US]

    cost = parent["slippage_ccy"] + sale["slippage_ccy"]
    base = sum(s["cum_qty"] * s["arrival_mid"] for s in (parent, sale))
    found = desk["metrics"]["slippage_bps"]
    assert found["value"] == pytest.approx(cost / base * 1e4, rel=1e-12)
    assert found["n"] == 2
    mean = (parent["slippage_bps"] + sale["slippage_bps"]) / 2
    assert not math.isclose(found["value"], mean, rel_tol=1e-3)


def test_a_group_of_one_has_the_order_s_own_figures(history_url):
    parent = status_of(history_url, data.PARENT)

    [row] = by(history_url, Dimension.STRATEGY)

    metrics = row["metrics"]
    for name in ("slippage_bps", "slippage_interval_vwap_bps", "slippage_twap_bps",
                 "shortfall_total_bps", "shortfall_delay_bps", "execution_progress", "fill_rate",
                 "participation_rate", "performance_score"):  # fmt: skip
        assert metrics[name]["value"] == pytest.approx(parent[name], rel=1e-12), name
    assert (row["orders"], row["orders_executed"], row["fee_ccy"]) == (1, 1, parent["fee"])


def test_an_execution_counts_once_though_parent_and_child_both_know_it(history_url):
    rows = by(history_url, Dimension.DESK)

    of_us = next(row for row in rows if row["name"] == data.US)
    assert of_us["orders"] == 2
    assert of_us["executed_notional_ccy"] == pytest.approx(
        500 * (200 * 225.01 + 300 * 225.05) / 500 + 100 * 225.06 + 700 * 225.02
    )


def test_currencies_are_never_added_up(history_url):
    rows = by(history_url, Dimension.BROKER)

    assert {(row["name"], row["currency"]) for row in rows} == {
        ("BRK1", "USD"), ("BRK1", "EUR"), ("BRK2", "USD"),
    }  # fmt: skip


def test_fewer_than_asked_make_no_figure(history_url):
    window = Window(from_ns=DAY.from_ns, to_ns=DAY.to_ns, min_n=2)

    rows = {row["name"]: row for row in by(history_url, Dimension.DESK, window)}

    assert rows[data.EU]["metrics"]["slippage_bps"] == {
        "value": None, "n": 1, "reason": "TOO_FEW",
    }  # fmt: skip
    assert rows[data.US]["metrics"]["slippage_bps"]["value"] is not None


def test_a_window_leaves_out_what_arrived_outside_it(history_url):
    until = Window(from_ns=data.T0, to_ns=data.T0 + 5 * data.SECOND)

    assert [row["name"] for row in by(history_url, Dimension.ALGORITHM, until)] == ["TWAP"]
    later = Window(from_ns=data.T0 + 44 * data.SECOND, to_ns=DAY.to_ns)
    assert set(by_venue(history_url, later)) == {("XETR", "EUR")}


def test_a_desk_s_roll_ups_hold_its_own_orders_alone(history_url):
    assert {row["name"] for row in by(history_url, Dimension.BROKER, desks=EU)} == {"BRK1"}
    assert {row["currency"] for row in by(history_url, Dimension.BROKER, desks=EU)} == {"EUR"}
    assert set(by_venue(history_url, desks=EU)) == {("XETR", "EUR")}
    assert by(history_url, Dimension.DESK, desks=frozenset()) == []
    venues = by_venue(history_url, desks=US)
    assert set(venues) == {("XNAS", "USD"), ("BATS", "USD"), ("ARCX", None)}


def test_a_venue_s_figures_are_those_of_the_formulas_over_its_executions(history_url):
    orders = ask(history_url, lambda c: list_orders(c, OrderFilter(), desks=None, limit=99))
    fills = [
        fill
        for order in orders
        for fill in ask(
            history_url,
            lambda c, o=order["order_id"]: list_fills(c, o, desks=None, limit=99, children=False),
        )
        if fill["venue"] == "XNAS" and fill["status"] in {"COUNTED", "CORRECTED"}
    ]
    assert len(fills) == 3

    def column(name):
        return np.array([f[name] if f[name] is not None else math.nan for f in fills])

    qty, price, mid = column("last_qty"), column("last_px"), column("mid")
    side = np.array([1 if f["side"] == "BUY" else -1 for f in fills])
    metrics = by_venue(history_url)["XNAS", "USD"]["metrics"]

    def of(values, base):
        return float((values * qty).sum() / (base * qty).sum() * 1e4)

    assert metrics["effective_spread_exec_mid_bps"]["value"] == pytest.approx(
        of(effective_spread(price, mid=mid, side=side), mid)
    )
    assert metrics["effective_spread_bps"]["value"] == pytest.approx(
        of(effective_spread(price, mid=column("arrival_mid"), side=side), column("arrival_mid"))
    )
    assert metrics["price_improvement_bps"]["value"] == pytest.approx(
        of(price_improvement(price, bid=column("bid"), ask=column("ask"), side=side), mid)
    )
    later = column("mid_5s")
    assert metrics["realized_spread_1s_bps"]["value"] == pytest.approx(
        of(realized_spread(price, mid_later=column("mid_1s"), side=side), mid)
    )
    each = markout_cost_bps(price, mid_later=later, side=side)
    assert metrics["markout_cost_5s_bps"]["value"] == pytest.approx(
        float((each * price * qty).sum() / (price * qty).sum())
    )
    assert metrics["markout_cost_5s_bps"]["n"] == 3


def test_the_shares_of_a_currency_sum_to_one(history_url):
    shares = [r["notional_share"] for (_, c), r in by_venue(history_url).items() if c == "USD"]

    assert sum(shares) == pytest.approx(1.0)


def test_a_venue_s_routes_are_counted_and_timed(history_url):
    venues = by_venue(history_url)

    routes = venues["BATS", "USD"]["routes"]
    assert (routes["sent"], routes["acknowledged"], routes["reject_rate"]) == (1, 1, 0.0)
    assert routes["ack_p50_ms"] == pytest.approx(0.7)
    assert venues["XETR", "EUR"]["routes"] is None


def test_a_venue_that_only_refused_is_shown_too(history_url):
    arca = by_venue(history_url)["ARCX", None]

    assert (arca["fills"], arca["orders"]) == (0, 0)
    assert arca["routes"]["reject_rate"] == 1.0
    assert arca["metrics"]["effective_spread_bps"] == {"value": None, "n": 0, "reason": "TOO_FEW"}


def test_a_working_order_s_executions_are_in_the_roll_up_of_venues(history_url, working_url):
    settled, working = by_venue(history_url), by_venue(working_url)

    assert working.keys() == settled.keys()
    for name, row in working.items():
        for metric in ("effective_spread_exec_mid_bps", "fee_bps", "spread_capture"):
            assert row["metrics"][metric] == settled[name]["metrics"][metric]
        assert row["metrics"]["markout_cost_5s_bps"]["value"] is None


def test_a_restatement_says_every_figure_that_it_changed(history_url):
    found = ask(history_url, lambda c: list_restatements(c, data.SECOND_CHILD, desks=US, limit=9))

    assert [row["cause"] for row in found] == ["fill_busted", "fill_corrected"]
    changes = {c["name"]: (c["before"], c["after"]) for c in found[0]["changes"]}
    assert changes["cum_qty"] == (200, 100)
    assert changes["avg_px"] == (225.07, 225.06)
    before, after = changes["slippage_bps"]
    arrival = status_of(history_url, data.SECOND_CHILD)["arrival_mid"]
    assert (before, after) == (
        slippage_bps(225.07, benchmark=arrival, side=1),
        slippage_bps(225.06, benchmark=arrival, side=1),
    )
    older = ask(
        history_url,
        lambda c: list_restatements(
            c, data.SECOND_CHILD, desks=US, limit=9, before=found[0]["seq"]
        ),
    )
    assert [row["cause"] for row in older] == ["fill_corrected"]
    for order_id, desks in ((data.SECOND_CHILD, EU), ("nobody's", None)):
        assert (
            ask(
                history_url,
                lambda c, o=order_id, d=desks: list_restatements(c, o, desks=d, limit=9),
            )
            == []
        )
