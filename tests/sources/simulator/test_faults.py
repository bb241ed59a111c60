from collections import Counter, defaultdict

import msgspec
import pytest

from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.vocabulary import RejectReason, Topic
from domain.wire import RowBuilder
from sources.simulator.script import encode_line
from sources.simulator.spec import DeskSpec, FaultSpec

START = parse_rfc3339("2026-11-20T14:30:00Z")


def seconds(message):
    return (parse_rfc3339(message.ts_event) - START) / SECOND


def routes(messages, venue, low=0.0, high=1e9):
    return Counter(
        m.type
        for t, m in messages
        if t is Topic.ROUTES and m.venue == venue and low <= seconds(m) < high
    )


def quantities(messages):
    cum, wanted = Counter(), {}
    for t, m in messages:
        if t is Topic.ORDERS and m.parent_order_id:
            if m.type == "order_accepted":
                wanted[m.order_id] = m.order_qty
            elif m.type == "order_filled":
                cum[m.order_id] += m.last_qty
    return cum, wanted


def test_a_dead_venue_leaves_its_routes_unanswered(simulate):
    fault = FaultSpec(kind="dead_venue", venue="XNAS", start_s=20, end_s=50)

    messages = simulate(faults=(fault,))

    during = routes(messages, "XNAS", 20, 50)
    assert during["route_sent"] > 5
    assert during["route_acknowledged"] == during["route_rejected"] == 0
    assert routes(messages, "XNAS")["route_timed_out"] >= during["route_sent"] - 2
    assert routes(messages, "ARCX")["route_timed_out"] == 0
    assert routes(messages, "XNAS", 55)["route_acknowledged"] > 0
    told = [m for t, m in messages if t in {Topic.MARKET_DATA, Topic.ORDERS}]
    dead = [m for m in told if m.venue == "XNAS" and 20 <= seconds(m) < 50]
    assert {m.type for m in dead} <= {"fill_busted", "fill_corrected"}
    cum, wanted = quantities(messages)
    assert all(cum[o] <= qty for o, qty in wanted.items())


def test_what_rests_at_dead_venues_is_pulled_and_every_child_ends(simulate):
    messages = simulate(faults=(FaultSpec(kind="dead_venue", start_s=30),))

    texts, open_children = Counter(), set()
    for t, m in messages:
        if t is not Topic.ORDERS or not m.parent_order_id:
            continue
        texts[m.type, m.text] += 1
        if m.type == "order_accepted":
            open_children.add(m.order_id)
        elif m.leaves_qty == 0:
            open_children.discard(m.order_id)
    assert texts["order_cancelled", "venue does not answer"]
    assert texts["cancel_rejected", "venue does not answer"]
    assert texts["order_rejected", "no venue took it"]
    assert not open_children


def test_a_rejecting_venue_rejects(simulate):
    fault = FaultSpec(kind="rejecting_venue", venue="ARCX", rate=0.9)

    messages = simulate(faults=(fault,))

    told = routes(messages, "ARCX")
    assert told["route_rejected"] > 5 * max(1, told["route_acknowledged"])
    others = routes(messages, "XNAS")
    assert others["route_rejected"] < others["route_acknowledged"]


def test_a_venue_in_trouble_does_not_blame_the_orders(simulate):
    fault = FaultSpec(kind="rejecting_venue", venue="ARCX", rate=0.9)

    reasons = {
        RejectReason(m.reject_reason)
        for t, m in simulate(faults=(fault,))
        if t is Topic.ROUTES and m.type == "route_rejected" and m.venue == "ARCX"
    }

    assert reasons == {RejectReason.BROKER, RejectReason.STALE_ORDER, RejectReason.OTHER}


def test_a_costly_algorithm_books_worse_than_the_venue_traded(simulate):
    fault = FaultSpec(kind="costly_algorithm", algorithm="VWAP", broker="BRK1", bps=5.0)

    messages = simulate(faults=(fault,), duration_s=60.0)

    parents = {
        m.order_id: (m.algo, m.broker, 1 if m.side == "BUY" else -1)
        for t, m in messages
        if t is Topic.ORDERS and m.type == "order_accepted" and not m.parent_order_id
    }
    printed = {m.exec_id: m.price for t, m in messages if t is Topic.MARKET_DATA and m.exec_id}
    paid = defaultdict(list)
    for t, m in messages:
        if t is Topic.ORDERS and m.type == "order_filled" and m.exec_id in printed:
            algo, broker, sign = parents[m.parent_order_id]
            worse = sign * (m.last_px / printed[m.exec_id] - 1) * 1e4
            paid[(algo, broker) == ("VWAP", "BRK1")].append(worse)
    assert len(paid[True]) > 5
    assert paid[True] == pytest.approx([5.0] * len(paid[True]), abs=0.01)
    assert set(paid[False]) == {0.0}


def test_a_slow_venue_answers_late(simulate):
    fault = FaultSpec(kind="slow_venue", venue="EDGX", delay_ms=400)

    latency = defaultdict(list)
    sent = {}
    for t, m in simulate(faults=(fault,)):
        if t is Topic.ROUTES and m.type == "route_sent":
            sent[m.route_id] = m
        elif t is Topic.ROUTES and m.type == "route_acknowledged":
            latency[m.venue].append(seconds(m) - seconds(sent[m.route_id]))

    assert min(latency["EDGX"]) > 0.4
    assert max(latency["XNAS"]) < 0.1


def test_prices_run_against_fills_at_a_toxic_venue(simulate):
    def markout_bps(faults):
        mid, fills, cost = {}, [], []
        for t, m in simulate(2, faults=faults, duration_s=120.0):
            if t is Topic.MARKET_DATA and m.type == "quote":
                mid[m.symbol] = (m.bid + m.ask) / 2
                for fill in [f for f in fills if seconds(m) > seconds(f[0]) + 5]:
                    fills.remove(fill)
                    sign = 1 if fill[0].side == "BUY" else -1
                    after = mid.get(fill[0].symbol, fill[1])
                    cost.append(-sign * (after - fill[1]) / fill[1] * 1e4)
            elif t is Topic.ORDERS and m.type == "order_filled" and m.venue == "XNAS":
                fills.append((m, mid[m.symbol]))
        return sum(cost) / len(cost)

    toxic = markout_bps((FaultSpec(kind="toxic_venue", venue="XNAS", bps=15),))

    assert toxic > markout_bps(()) + 8


def test_a_stalled_algorithm_sends_nothing(simulate):
    fault = FaultSpec(kind="stalled_algorithm", algorithm="TWAP", start_s=20, end_s=40)

    messages = simulate(faults=(fault,))

    algo = {
        m.order_id: m.algo
        for t, m in messages
        if t is Topic.ORDERS and m.type == "order_accepted" and not m.parent_order_id
    }
    born = Counter(
        algo[m.parent_order_id]
        for t, m in messages
        if t is Topic.ORDERS
        and m.type == "order_accepted"
        and m.parent_order_id
        and 20 <= seconds(m) < 40
    )
    assert born["TWAP"] == 0
    assert born.total() > 0


def test_a_venue_overfills_when_it_is_asked_to(simulate):
    cum, wanted = quantities(simulate(faults=(FaultSpec(kind="overfilling_venue", rate=0.2),)))

    over = [o for o, qty in wanted.items() if cum[o] > qty]
    assert over
    assert all(cum[o] == wanted[o] + 100 for o in over)


def test_a_stale_feed_is_silent_and_then_speaks_again(simulate):
    fault = FaultSpec(kind="stale_feed", symbol="AAA", start_s=20, end_s=40)

    market = [m for t, m in simulate(faults=(fault,)) if t is Topic.MARKET_DATA]

    in_gap = Counter(m.symbol for m in market if 20 <= seconds(m) < 40)
    assert in_gap["AAA"] == 0
    assert in_gap["BBB"] > 50
    assert any(m.symbol == "AAA" and seconds(m) >= 40 for m in market)


def test_messages_are_duplicated_whole(simulate):
    fault = FaultSpec(kind="duplicated", rate=0.3)

    plain = Counter(encode_line(t, m) for t, m in simulate(4, duration_s=20.0))
    doubled = Counter(encode_line(t, m) for t, m in simulate(4, duration_s=20.0, faults=(fault,)))

    assert doubled.keys() == plain.keys()
    share = (doubled.total() - plain.total()) / plain.total()
    assert 0.25 < share < 0.35


def test_reordered_messages_are_the_same_messages(simulate):
    fault = FaultSpec(kind="reordered", rate=0.2, delay_ms=800)

    plain = [encode_line(t, m) for t, m in simulate(4, duration_s=20.0)]
    moved = [encode_line(t, m) for t, m in simulate(4, duration_s=20.0, faults=(fault,))]

    assert moved != plain
    assert sorted(moved) == sorted(plain)


@pytest.mark.parametrize(
    ("kind", "topic"), [("late_ticks", Topic.MARKET_DATA), ("late_fills", Topic.ORDERS)]
)
def test_late_messages_come_after_younger_ones(simulate, kind, topic):
    fault = FaultSpec(kind=kind, rate=0.1, delay_ms=3000)

    newest, late = 0.0, Counter()
    for t, m in simulate(4, duration_s=30.0, faults=(fault,)):
        if t is topic:
            if seconds(m) < newest - 2:
                late[m.type] += 1
            newest = max(newest, seconds(m))

    assert late.total() > 3
    if kind == "late_fills":
        assert set(late) == {"order_filled"}


def test_messages_from_the_future_are_copies(simulate):
    fault = FaultSpec(kind="future_dated", rate=0.01)

    messages = simulate(4, duration_s=30.0, faults=(fault,))

    ahead = [m for t, m in messages if t is not Topic.REFERENCE and m.ts_event.startswith("2099")]
    assert ahead
    rest = [encode_line(t, m) for t, m in messages if m not in ahead]
    assert rest == [encode_line(t, m) for t, m in simulate(4, duration_s=30.0)]


def test_every_piece_of_garbage_is_refused_and_nothing_else(simulate):
    fault = FaultSpec(kind="garbage", rate=0.2)

    messages = simulate(4, duration_s=30.0, faults=(fault,))

    builder = RowBuilder(None)
    for topic, m in messages:
        raw = encode_line(topic, m).rstrip(b"\n")
        builder.add_json(raw, position="", partition=0, ts=NO_TIME, ingest=0)
    garbage = sum(isinstance(m, bytes) for _, m in messages)
    assert garbage > 100
    batch = builder.build()
    assert len(batch.dead) == garbage
    assert all(letter.words for letter in batch.dead)


def test_faults_do_not_change_the_market_they_do_not_touch(simulate, small):
    quiet = msgspec.structs.replace(small.desk, open_parents=0)
    fault = FaultSpec(kind="rejecting_venue", venue="XNAS")

    plain = simulate(4, duration_s=20.0, desk=quiet, parents=())
    faulty = simulate(4, duration_s=20.0, desk=quiet, parents=(), faults=(fault,))

    assert [encode_line(*e) for e in plain] == [encode_line(*e) for e in faulty]


def test_a_quiet_venue_shows_and_trades_nothing_and_gets_no_routes(simulate):
    fault = FaultSpec(kind="quiet_venue", venue="XNAS", start_s=20, end_s=50)

    messages = simulate(faults=(fault,))

    assert routes(messages, "XNAS", 20, 50)["route_sent"] == 0
    assert routes(messages, "XNAS", 0, 20)["route_sent"] > 5
    assert routes(messages, "XNAS", 50)["route_sent"] > 5
    assert routes(messages, "XNAS")["route_timed_out"] == 0
    prints = Counter(
        m.venue
        for t, m in messages
        if t is Topic.MARKET_DATA and m.type == "trade" and 20 <= seconds(m) < 50
    )
    assert prints["XNAS"] == 0
    assert prints["ARCX"] > 20


def test_where_every_venue_is_quiet_nothing_is_sent_and_orders_wait(simulate):
    messages = simulate(faults=(FaultSpec(kind="quiet_venue", start_s=20, end_s=40),))

    during = [m for t, m in messages if t is not Topic.REFERENCE and 21 <= seconds(m) < 40]
    assert {m.type for m in during} & {"trade", "route_sent", "order_filled"} == set()
    assert routes(messages, "XNAS", 40)["route_sent"] > 5


def test_a_market_that_moves_by_itself_moves_evenly_and_stays_there(simulate):
    def mids(**more):
        found = {}
        for t, m in simulate(4, parents=(), desk=DeskSpec(open_parents=0), **more):
            if t is Topic.MARKET_DATA and m.type == "quote":
                found[m.symbol, seconds(m)] = (m.bid + m.ask) / 2
        return found

    still = mids()
    fault = FaultSpec(kind="market_move", symbol="AAA", start_s=20, end_s=60, bps=-80)
    moved = mids(faults=(fault,))

    assert moved.keys() == still.keys()
    for (name, t), px in moved.items():
        share = min(max((t - 20) / 40, 0.0), 1.0) if name == "AAA" else 0.0
        bps = (px / still[name, t] - 1) * 1e4
        assert bps == pytest.approx(-80 * share, abs=5.0)
