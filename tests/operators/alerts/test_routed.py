"""Where an order went: what had been routed by then, however much arrived at once."""

import numpy as np
import pytest

from domain.columns import EVENT
from domain.rows import Rows
from domain.vocabulary import EventKind
from operators.alerts.routed import RoutedQty

NAMES = {1: "XNAS", 2: "BATS"}


def sent(*routes):
    """Rows with the routes (time, venue, quantity) of order 7."""
    events = np.zeros(len(routes), EVENT)
    events["kind"], events["root"] = EventKind.ROUTE_SENT, 7
    for event, (t, venue, qty) in zip(events, routes, strict=True):
        event["t_eff"], event["venue"], event["order_qty"] = t, venue, qty
    return Rows(timeline=events, names=NAMES)


def test_routes_that_came_along_but_are_later_decide_nothing():
    at_once, by_one = RoutedQty(), RoutedQty()
    routes = [(10, 1, 100.0), (20, 2, 300.0), (30, 1, 500.0)]
    assert at_once.take(sent(*routes), 0) == NAMES
    found = []
    for t, asked in ((10, 15), (20, 25), (30, 31)):
        by_one.take(sent(*[route for route in routes if route[0] == t]), 0)
        found.append((at_once.main_venue(7, asked), by_one.main_venue(7, asked)))
    assert found == [(1, 1), (2, 2), (1, 1)]
    assert at_once.dump() == by_one.dump() == ({7: {1: 600.0, 2: 300.0}}, {})


@pytest.mark.parametrize("count", [10, 1_000])
def test_many_routes_are_added_up_as_far_as_nobody_asks_any_more(count):
    routed = RoutedQty()
    for t in range(count):
        routed.take(sent((t, 1 + t % 2, 1.0 + t % 2)), t - 5)
    assert sum(map(len, routed.dump()[1].values())) < 80
    again = RoutedQty()
    again.load(routed.dump())
    assert again.main_venue(7, count) == routed.main_venue(7, count) == 2
    assert again.dump() == routed.dump() == ({7: {1: count / 2, 2: float(count)}}, {})


def test_an_order_that_is_over_or_went_nowhere_has_no_main_venue():
    routed = RoutedQty()
    assert routed.take(Rows(), 0) == {}
    routed.take(sent((10, 0, 100.0), (10, 1, 0.0)), 0)
    assert routed.main_venue(7, 20) == 0
    routed.take(sent((10, 1, 100.0)), 0)
    assert routed.main_venue(7, 20) == 1
    routed.forget(7)
    assert routed.main_venue(7, 20) == 0
    routed.take(sent((30, 1, 100.0)), 0)
    routed.forget(7)
    assert routed.main_venue(7, 40) == 0
