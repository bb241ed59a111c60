"""Orders by filter, sort and page, from a real store."""

import pytest

from analytics.history.orders import (
    OrderFilter,
    OrderPlace,
    OrderSort,
    family_of,
    find_order,
    list_orders,
    sort_column,
)
from tests import history_data as data
from tests.history_store import ask

ALL = ["N1", "A2", data.SECOND_CHILD, "E1", data.FIRST, data.PARENT]
US = frozenset({data.US})


def ids(url, desks=None, sort=OrderSort.ARRIVAL, descending=True, **chosen):
    rows = ask(
        url,
        lambda c: list_orders(
            c, OrderFilter(**chosen), desks=desks, limit=100, sort=sort, descending=descending
        ),
    )
    return [row["order_id"] for row in rows]


def pages(url, limit, *, between=None, **how):
    """Every page of a list, with something done between two of them."""
    found, after = [], None
    while True:
        rows = ask(
            url,
            lambda c, after=after: list_orders(
                c, OrderFilter(), desks=None, limit=limit + 1, after=after, **how
            ),
        )
        page = rows[:limit]
        found.append([row["order_id"] for row in page])
        if len(rows) <= limit:
            return found
        column = sort_column(how.get("sort", OrderSort.ARRIVAL))
        after = OrderPlace(page[-1][column], page[-1]["order_id"])
        if between is not None:
            between()


def test_the_order_that_arrived_last_comes_first(history_url):
    assert ids(history_url) == ALL
    assert ids(history_url, descending=False) == ALL[::-1]


@pytest.mark.parametrize(
    ("chosen", "expected"),
    [
        ({"symbol": "SAP"}, ["E1"]),
        ({"side": "SELL"}, ["A2", "E1"]),
        ({"desk": data.EU}, ["E1"]),
        ({"trader": "t07"}, [data.PARENT]),
        ({"client": "C1"}, [data.PARENT]),
        ({"broker": "BRK1"}, ["E1", data.PARENT]),
        ({"algo": "POV"}, ["E1"]),
        ({"strategy": "index-add"}, [data.PARENT]),
        ({"currency": "EUR"}, ["E1"]),
        ({"parent_order_id": data.PARENT}, [data.SECOND_CHILD, data.FIRST]),
        ({"root_order_id": data.PARENT}, [data.SECOND_CHILD, data.FIRST, data.PARENT]),
        ({"roots_only": True}, ["N1", "A2", "E1", data.PARENT]),
        ({"is_open": True}, ["N1", "A2"]),
        ({"is_open": False}, [data.SECOND_CHILD, "E1", data.FIRST, data.PARENT]),
        ({"states": ("FILLED", "NEW")}, ["N1", "E1", data.FIRST]),
        ({"arrived_from_ns": data.T0 + 10 * data.SECOND}, ["N1", "A2", data.SECOND_CHILD]),
        ({"arrived_to_ns": data.T0 + 5 * data.SECOND}, [data.FIRST, data.PARENT]),
        ({"symbol": "AMZN", "side": "SELL", "desk": data.US}, ["A2"]),
        ({"symbol": "'; DROP TABLE orders; --"}, []),
    ],
)
def test_a_filter_leaves_the_orders_that_fit(history_url, chosen, expected):
    assert ids(history_url, **chosen) == expected


def test_a_desk_sees_its_own_orders_alone(history_url):
    assert set(ids(history_url, US)) == {"A2", data.PARENT, data.FIRST, data.SECOND_CHILD}
    assert ids(history_url, frozenset({data.EU})) == ["E1"]
    assert ids(history_url, frozenset({"-"})) == ["N1"]
    assert ids(history_url, frozenset({data.EU, "-"})) == ["N1", "E1"]
    assert ids(history_url, frozenset()) == []
    assert ids(history_url, US, desk=data.EU) == []


def test_one_order_is_found_by_who_may_see_it(history_url):
    def desk_of(desks):
        found = ask(history_url, lambda c: find_order(c, data.PARENT, desks=desks))
        return None if found is None else found["desk"]

    assert desk_of(None) == desk_of(US) == data.US
    assert desk_of(frozenset({data.EU})) is None
    assert ask(history_url, lambda c: find_order(c, "nobody's", desks=None)) is None


def test_the_family_of_an_order_is_all_below_it(history_url):
    def family(order_id, desks=None, children=True):
        return set(
            ask(history_url, lambda c: family_of(c, order_id, desks=desks, children=children))
        )

    assert family(data.PARENT) == {data.PARENT, data.FIRST, data.SECOND_CHILD}
    assert family(data.PARENT, children=False) == {data.PARENT}
    assert family(data.FIRST) == {data.FIRST}
    assert family(data.PARENT, frozenset({data.EU})) == set()
    assert family(data.PARENT, frozenset({data.EU}), children=False) == set()


@pytest.mark.parametrize("sort", list(OrderSort))
@pytest.mark.parametrize("descending", [True, False])
def test_pages_of_two_hold_every_order_once_whatever_they_are_sorted_by(
    history_url, sort, descending
):
    whole = ids(history_url, sort=sort, descending=descending)

    paged = pages(history_url, 2, sort=sort, descending=descending)

    assert [order for page in paged for order in page] == whole
    assert sorted(whole) == sorted(ALL)


def test_orders_without_the_value_come_last_either_way(history_url):
    assert ids(history_url, sort=OrderSort.CLOSED)[-2:] == ["N1", "A2"]
    assert ids(history_url, sort=OrderSort.CLOSED, descending=False)[-2:] == ["A2", "N1"]


def test_1001_orders_make_three_pages_while_others_arrive(empty_url, tmp_path):
    data.store_history(data.monitored(data.many_orders(1_001), tmp_path, 0), empty_url)
    arriving = iter(range(1_001, 2_000, 40))

    def arrive():
        first = next(arriving)
        newer = data.many_orders(20, first=first)
        data.store_history(data.monitored(newer, tmp_path, 0), empty_url)

    found = pages(empty_url, 500, between=arrive)

    assert [len(page) for page in found] == [500, 500, 1]
    flat = [order for page in found for order in page]
    assert flat == [f"M{n:05d}" for n in range(1_000, -1, -1)]
