import itertools
from collections import defaultdict

import msgspec

from domain.instants import SECOND, parse_rfc3339
from domain.vocabulary import RejectReason, Topic
from sources.simulator.spec import HaltSpec


def events_of(messages, order_id):
    return [
        m
        for t, m in messages
        if t is not Topic.REFERENCE and getattr(m, "order_id", "") == order_id
    ]


def by_order(messages, *, parents: bool):
    found = defaultdict(list)
    for topic, m in messages:
        if topic in {Topic.ORDERS, Topic.ROUTES} and (m.parent_order_id is None) == parents:
            found[m.order_id].append(m)
    return found


def test_an_order_that_the_market_never_reaches_expires(busy):
    events = events_of(busy, "FAR/1 #ü")

    assert [e.type for e in events] == ["order_accepted", "order_expired"]
    assert events[-1].cum_qty == 0


def test_an_order_open_at_the_close_is_done_for_the_day_and_then_expires(busy):
    kinds = [e.type for e in events_of(busy, "LONG-2")]

    assert kinds[0] == "order_accepted"
    assert kinds[-2:] == ["order_done_for_day", "order_expired"]


def test_a_rejected_order_is_never_worked(busy):
    parents = by_order(busy, parents=True)
    children = {
        m.parent_order_id for events in by_order(busy, parents=False).values() for m in events
    }

    rejected = {o for o, events in parents.items() if events[0].type == "order_rejected"}
    assert rejected
    assert not rejected & children
    for order_id in rejected:
        assert len(parents[order_id]) == 1
        assert parents[order_id][0].reject_reason in {int(r) for r in RejectReason} - {0}


def test_amendments_are_asked_for_before_they_are_granted_or_refused(busy):
    answers = set()
    for events in by_order(busy, parents=True).values():
        asked = None
        for e in events:
            if e.type in {"order_pending_replace", "order_pending_cancel"}:
                assert asked is None
                asked = e.type
            elif e.type in {"order_replaced", "cancel_rejected"}:
                assert asked is not None
                answers.add(e.type)
                asked = None
    assert answers == {"order_replaced", "cancel_rejected"}


def test_an_amended_order_keeps_what_it_has_and_its_algorithm(busy):
    for events in by_order(busy, parents=True).values():
        for e in events:
            if e.type == "order_replaced":
                assert e.leaves_qty == e.order_qty - e.cum_qty
                assert e.leaves_qty > 0
                assert e.algo_params.schedule == events[0].algo


def test_a_cancelled_parent_ends_after_its_children(busy):
    seen = 0
    newest: dict[str, str] = {}
    for topic, m in busy:
        if topic is not Topic.ORDERS:
            continue
        if m.parent_order_id and m.type not in {"fill_busted", "fill_corrected", "cancel_rejected"}:
            newest[m.parent_order_id] = m.ts_event
        elif m.type == "order_cancelled" and m.text is None:
            seen += 1
            ended = m.ts_event
            assert newest.get(m.order_id, "") <= ended
    assert seen


def test_busts_and_corrections_name_an_earlier_execution(busy):
    known, restated = {}, set()
    for topic, m in busy:
        if topic is not Topic.ORDERS:
            continue
        if m.type == "order_filled":
            known[m.exec_id] = m
        elif m.type in {"fill_busted", "fill_corrected"}:
            original = known[m.exec_ref_id]
            assert m.exec_id not in known
            assert (m.order_id, m.last_qty) == (original.order_id, original.last_qty)
            assert (m.last_px == original.last_px) == (m.type == "fill_busted")
            restated.add(m.type)
    assert restated == {"fill_busted", "fill_corrected"}


def test_a_route_is_sent_answered_and_then_executed(busy):
    answered = {}
    for topic, m in busy:
        if topic is Topic.ROUTES:
            if m.type == "route_sent":
                assert m.route_id not in answered
                assert m.order_qty > 0
                assert m.displayed_qty >= 0
                answered[m.route_id] = None
            elif m.type == "route_cancelled":
                assert answered[m.route_id] == "route_acknowledged"
            else:
                assert answered[m.route_id] is None
                answered[m.route_id] = m.type
                assert (m.reject_reason is None) == (m.type != "route_rejected")
    assert set(answered.values()) == {"route_acknowledged", "route_rejected"}


def test_a_refused_child_is_offered_to_another_venue(busy):
    venues = defaultdict(list)
    for topic, m in busy:
        if topic is Topic.ROUTES and m.type == "route_sent":
            venues[m.order_id].append(m.venue)

    again = [v for v in venues.values() if len(v) > 1]
    assert again
    assert all(a != b for v in again for a, b in itertools.pairwise(v))
    assert max(map(len, venues.values())) <= 3


def test_a_halt_stops_the_tape_and_suspends_the_orders(simulate):
    halt = HaltSpec(symbol="AAA", start_s=20, duration_s=15)

    messages = simulate(halts=(halt,))

    start = parse_rfc3339("2026-11-20T14:30:20Z")
    inside, orders = [], []
    for topic, m in messages:
        if topic is Topic.REFERENCE or m.symbol != "AAA":
            continue
        if start <= parse_rfc3339(m.ts_event) < start + 15 * SECOND:
            (inside if topic is Topic.MARKET_DATA else orders).append(m)
    assert [m.type for m in inside] == ["halted"]
    assert any(m.type == "order_suspended" and m.order_id == "LONG-2" for m in orders)
    assert all(m.type not in {"order_filled", "route_acknowledged"} for m in orders)
    resumed = [m for t, m in messages if t is not Topic.REFERENCE and m.type == "resumed"]
    assert [m.symbol for m in resumed] == ["AAA"]
    assert [m.type for m in events_of(messages, "LONG-2")][:3] == [
        "order_accepted", "order_suspended", "order_resumed",
    ]  # fmt: skip


def test_an_order_may_arrive_before_the_open_and_waits_for_it(small, simulate):
    listed = small.parents[1]
    early = msgspec.structs.replace(
        listed,
        start_ns=listed.start_ns - 65 * SECOND,
        end_ns=listed.start_ns + 60 * SECOND,
        order_id="EARLY",
    )

    messages = simulate(parents=(early,))

    first = events_of(messages, "EARLY")[0]
    assert (first.type, first.ts_event) == ("order_accepted", "2026-11-20T14:29:00.000000Z")
    assert first.decision_px is None
    assert first.market_seq is None
    fills = [
        m for t, m in messages if t is Topic.ORDERS and m.type == "order_filled"
        and m.parent_order_id == "EARLY"
    ]  # fmt: skip
    assert fills
    assert min(parse_rfc3339(f.ts_event) for f in fills) > parse_rfc3339(small.start_ts)


def test_times_of_a_parents_fills_follow_its_schedule(simulate, small):
    listed = msgspec.structs.replace(
        small.parents[1], end_ns=small.parents[1].start_ns + 80 * SECOND, quantity=40_000
    )
    quiet = msgspec.structs.replace(small.desk, open_parents=0, bust_rate=0.0)

    shares = {}
    for algorithm in ("TWAP", "IS"):
        parent = msgspec.structs.replace(listed, algorithm=algorithm, urgency="high")
        messages = simulate(parents=(parent,), desk=quiet, duration_s=120.0)
        fills = [m for t, m in messages if t is Topic.ORDERS and m.type == "order_filled"]
        assert sum(f.last_qty for f in fills) == 40_000
        half = listed.start_ns + 40 * SECOND
        early = sum(f.last_qty for f in fills if parse_rfc3339(f.ts_event) < half)
        shares[algorithm] = early / 40_000
    assert 0.35 < shares["TWAP"] < 0.6
    assert shares["IS"] > 0.8


def test_a_pov_order_keeps_its_share_of_the_volume(simulate, small):
    listed = msgspec.structs.replace(
        small.parents[1], end_ns=small.parents[1].start_ns + 80 * SECOND, quantity=1_000_000,
        algorithm="POV", participation=0.2,
    )  # fmt: skip
    quiet = msgspec.structs.replace(small.desk, open_parents=0, bust_rate=0.0)

    messages = simulate(parents=(listed,), desk=quiet)

    window = (listed.start_ns, listed.end_ns)
    own = total = 0
    for topic, m in messages:
        if topic is not Topic.MARKET_DATA or m.type != "trade" or m.symbol != "AAA":
            continue
        if window[0] <= parse_rfc3339(m.ts_event) <= window[1]:
            total += m.size
            own += m.size if m.exec_id else 0
    assert 0.12 < own / total < 0.21
