from collections import defaultdict

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.vocabulary import Topic

ENDS = {"order_cancelled", "order_rejected", "order_expired"}
few = settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


class Child:
    def __init__(self, m):
        self.qty, self.parent, self.cum, self.fills, self.ended = (
            m.order_qty,
            m.parent_order_id,
            0,
            {},
            False,
        )


def replay(messages):
    """Quantities of every order from its events alone, checked on the way."""
    children: dict[str, Child] = {}
    for topic, m in messages:
        if topic is not Topic.ORDERS or not m.parent_order_id:
            continue
        if m.type == "order_accepted":
            children[m.order_id] = Child(m)
            continue
        child = children[m.order_id]
        if m.type == "order_filled":
            assert m.exec_id not in child.fills
            child.fills[m.exec_id] = (m.last_qty, m.last_px)
            child.cum += m.last_qty
            assert m.cum_qty == child.cum
            assert m.leaves_qty == child.qty - child.cum
        elif m.type == "fill_busted":
            child.cum -= child.fills.pop(m.exec_ref_id)[0]
            assert m.cum_qty == child.cum
        elif m.type == "fill_corrected":
            assert m.exec_ref_id in child.fills
        if m.type in ENDS:
            assert m.cum_qty == child.cum
            child.ended = True
        assert child.cum <= child.qty
        child.ended |= child.cum == child.qty
    return children


@few
@given(seed=st.integers(0, 2**32))
def test_shares_bought_at_venues_are_the_shares_of_the_children(simulate, seed):
    messages = simulate(seed, duration_s=45.0)

    children = replay(messages)

    fills = {m.exec_id: m for t, m in messages if t is Topic.ORDERS and m.type == "order_filled"}
    prints = {m.exec_id: m for t, m in messages if t is Topic.MARKET_DATA and m.exec_id}
    assert fills.keys() == prints.keys()
    for exec_id, fill in fills.items():
        own = prints[exec_id]
        assert (own.size, own.price, own.venue, own.ts_event, own.symbol) == (
            fill.last_qty, fill.last_px, fill.venue, fill.ts_event, fill.symbol,
        )  # fmt: skip
    assert all(c.ended for c in children.values())


@few
@given(seed=st.integers(0, 2**32))
def test_a_parent_never_gets_more_than_it_asked_for(simulate, seed):
    messages = simulate(seed, duration_s=45.0)

    wanted, done, ended = {}, defaultdict(float), {}
    children = replay(messages)
    for child in children.values():
        done[child.parent] += child.cum
    for topic, m in messages:
        if topic is Topic.ORDERS and not m.parent_order_id:
            if m.type in {"order_accepted", "order_replaced"}:
                wanted[m.order_id] = m.order_qty
            if m.type in ENDS and m.type != "order_rejected":
                ended[m.order_id] = m.cum_qty
    assert done.keys() <= wanted.keys()
    for order_id, qty in wanted.items():
        assert done[order_id] <= qty
        assert done[order_id] == qty or order_id in ended
    assert ended


@few
@given(seed=st.integers(0, 2**32))
def test_prices_lie_on_the_tick_and_quantities_in_lots(simulate, seed):
    for topic, m in simulate(seed, duration_s=30.0):
        if topic is Topic.REFERENCE:
            continue
        for name in ("bid", "ask", "price", "last_px", "limit_px"):
            value = getattr(m, name, None)
            assert value is None or value == round(value, 2)
        for name in ("bid_size", "ask_size", "size", "last_qty", "order_qty", "cum_qty"):
            value = getattr(m, name, None)
            assert value is None or value % 100 == 0
        if m.type == "quote":
            assert 0 < m.bid < m.ask


def test_fills_respect_the_limit_and_the_touch(busy):
    limits = {}
    quote = {}
    for topic, m in busy:
        if topic is Topic.MARKET_DATA and m.type == "quote":
            quote[m.symbol] = m
        if topic is not Topic.ORDERS:
            continue
        if m.type in {"order_accepted", "order_replaced"} and m.parent_order_id:
            limits[m.order_id] = m.limit_px
        if m.type == "order_filled":
            sign = 1 if m.side == "BUY" else -1
            limit = limits[m.order_id]
            assert limit is None or sign * (m.last_px - limit) <= 1e-9
            if m.liquidity == "REMOVED":
                far = quote[m.symbol].ask if sign > 0 else quote[m.symbol].bid
                assert sign * (m.last_px - far) >= -1e-9
    assert limits


def test_fees_follow_the_venue_and_the_liquidity(busy, small):
    rates = {v.venue: v for v in small.venues}
    kinds = set()
    for topic, m in busy:
        if topic is Topic.ORDERS and m.type == "order_filled":
            venue = rates[m.venue]
            added = m.liquidity == "ADDED"
            kinds.add(m.liquidity)
            per_share = venue.add_fee_per_share if added else venue.take_fee_per_share
            per_share += small.desk.commission_per_share
            expected = m.last_qty * (per_share + m.last_px * venue.fee_bps * 1e-4)
            assert m.fee == pytest.approx(expected, abs=1e-6)
    assert kinds == {"ADDED", "REMOVED"}


def test_parents_may_repeat_their_childrens_fills(simulate, small):
    messages = simulate(desk=msgspec.structs.replace(small.desk, report_parent_fills=True))

    own, children = defaultdict(float), defaultdict(float)
    for topic, m in messages:
        if topic is Topic.ORDERS and m.type == "order_filled":
            (children if m.parent_order_id else own)[m.root_order_id or m.order_id] += m.last_qty
    assert own == children
    assert sum(own.values()) > 0
