import itertools
import json
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from sources.simulator.presets import day_spec, demo_spec
from sources.simulator.script import Simulation, encode_line


def batch_of(messages):
    builder = RowBuilder(None)
    for topic, message in messages:
        raw = encode_line(topic, message)
        builder.add_json(raw, position="", partition=0, ts=NO_TIME, ingest=0)
    return builder.build()


def test_the_same_seed_writes_the_same_bytes(small, tmp_path: Path):
    counts = [Simulation(small, 5).write_ndjson(tmp_path / name) for name in "ab"]
    Simulation(small, 6).write_ndjson(tmp_path / "c")

    one, two, other = ((tmp_path / name).read_bytes() for name in "abc")
    assert one == two
    assert one != other
    assert counts[0] == counts[1] == one.count(b"\n")


def test_every_line_of_the_file_names_its_topic(small, tmp_path: Path):
    Simulation(small, 5).write_ndjson(tmp_path / "out")

    lines = [json.loads(line) for line in (tmp_path / "out").open()]
    assert {line["topic"] for line in lines} == {"reference", "market-data", "orders", "routes"}


def test_event_times_never_fall(busy):
    times = [parse_rfc3339(m.ts_event) for t, m in busy if t is not Topic.REFERENCE]

    assert all(a <= b for a, b in itertools.pairwise(times))
    assert times[-1] - times[0] >= 90 * SECOND


def test_every_message_is_accepted(busy):
    batch = batch_of(busy)

    assert batch.dead == []
    assert len(batch.market) + len(batch.events) + len(batch.references) == len(busy)


def test_sequences_rise_without_gaps(busy):
    seen: dict[str, int] = {}
    for topic, m in busy:
        if topic is Topic.REFERENCE:
            continue
        key = f"market {m.symbol}" if topic is Topic.MARKET_DATA else m.order_id
        assert m.seq == seen.get(key, 0) + 1
        seen[key] = m.seq


def test_order_events_name_the_market_event_they_followed(busy):
    newest: dict[str, int] = {}
    prints: dict[str, int] = {}
    for topic, m in busy:
        if topic is Topic.MARKET_DATA:
            newest[m.symbol] = m.seq
            if m.exec_id:
                prints[m.exec_id] = m.seq
        elif topic is not Topic.REFERENCE and m.type != "order_filled":
            assert m.market_seq == newest.get(m.symbol)
    fills = [m for t, m in busy if t is Topic.ORDERS and m.type == "order_filled"]
    assert fills
    assert all(prints[m.exec_id] == m.market_seq for m in fills)


def test_market_sequences_can_be_kept_to_ourselves(simulate):
    messages = simulate(market_seq=False, own_prints_named=False, duration_s=30.0)

    orders = [m for t, m in messages if t in {Topic.ORDERS, Topic.ROUTES}]
    assert orders
    assert all(m.market_seq is None for m in orders)
    assert all(m.exec_id is None for t, m in messages if t is Topic.MARKET_DATA)


def test_all_five_families_of_events_occur(busy):
    kinds = {m.type for t, m in busy if t is not Topic.REFERENCE}

    assert kinds >= {
        "quote", "trade", "auction",
        "order_accepted", "order_filled", "order_cancelled", "order_rejected", "order_replaced",
        "order_pending_cancel", "order_pending_replace", "order_done_for_day", "order_expired",
        "fill_busted", "fill_corrected", "cancel_rejected",
        "route_sent", "route_acknowledged", "route_rejected", "route_cancelled",
    }  # fmt: skip


def test_parents_say_who_gave_them_and_how_to_work_them(busy):
    parents = [
        m
        for t, m in busy
        if t is Topic.ORDERS and m.type == "order_accepted" and not m.parent_order_id
    ]

    assert {p.algo for p in parents} == {"TWAP", "VWAP", "POV", "IS"}
    for p in parents:
        assert p.desk
        assert p.trader
        assert p.broker
        assert p.client
        assert p.strategy
        assert p.currency == "USD"
        assert p.asset_class == "EQUITY"
        assert p.algo_params.schedule == p.algo
        assert parse_rfc3339(p.algo_params.start) < parse_rfc3339(p.algo_params.end)
        assert (p.algo_params.participation is not None) == (p.algo == "POV")
        assert parse_rfc3339(p.decision_ts) <= parse_rfc3339(p.ts_event)
        assert p.decision_px > 0


def test_the_live_form_is_the_same_run_on_the_wall_clock(small):
    base = parse_rfc3339("2030-01-02T03:04:05.123456Z")
    spec = msgspec.structs.replace(small, duration_s=10.0)

    live = list(Simulation(spec, 3).run_live(lambda: base))

    plain = list(Simulation(spec, 3).messages())
    assert [t for _, t, _ in live] == [t for t, _ in plain]
    shift = base - parse_rfc3339(spec.start_ts)
    for (due, topic, m), (_, p) in zip(live, plain, strict=True):
        if topic is not Topic.REFERENCE:
            assert due == parse_rfc3339(m.ts_event) == parse_rfc3339(p.ts_event) + shift


def test_a_faster_live_run_packs_its_time(small):
    base = parse_rfc3339("2030-01-02T03:04:05Z")
    spec = msgspec.structs.replace(small, duration_s=10.0, speed=5.0)

    due = [
        t for t, topic, m in Simulation(spec, 3).run_live(lambda: base) if topic == "market-data"
    ]

    assert all(a <= b for a, b in itertools.pairwise(due))
    assert 1.9 * SECOND < due[-1] - base <= 2.1 * SECOND


def test_the_demonstration_keeps_its_orders_open_past_midnight():
    base = parse_rfc3339("2026-11-21T23:59:15Z")
    wanted: dict[str, float] = {}
    done: Counter[str] = Counter()
    ended: set[str] = set()
    open_at_once: list[int] = []
    market = 0

    for due, topic, m in Simulation(demo_spec(), 1).run_live(lambda: base):
        if due > base + 90 * SECOND:
            break
        market += topic is Topic.MARKET_DATA
        if topic is not Topic.ORDERS:
            continue
        if m.parent_order_id:
            done[m.parent_order_id] += m.last_qty if m.type == "order_filled" else 0
        elif m.type in {"order_accepted", "order_replaced"}:
            wanted[m.order_id] = m.order_qty
        elif m.type in {"order_expired", "order_cancelled"}:
            ended.add(m.order_id)
        still = sum(done[o] < qty and o not in ended for o, qty in wanted.items())
        open_at_once.append(still)

    assert 22 <= max(open_at_once) <= 25
    assert open_at_once[-1] >= 18
    assert 250 < market / 90 < 450


def test_a_day_runs_from_auction_to_auction():
    spec = msgspec.structs.replace(day_spec(events_per_s=2, open_parents=2), session_s=2_340.0)
    spec = msgspec.structs.replace(
        spec,
        symbols=tuple(msgspec.structs.replace(s, trades_per_s=0.05) for s in spec.symbols),
        sessions=2,
    )

    messages = list(Simulation(spec, 1).messages())

    auctions = [m for t, m in messages if t is Topic.MARKET_DATA and m.type == "auction"]
    assert [m.auction for m in auctions].count("opening") == 2 * len(spec.symbols)
    assert [m.auction for m in auctions].count("closing") == 2 * len(spec.symbols)
    first_kind = {}
    for t, m in messages:
        if t is Topic.MARKET_DATA:
            first_kind.setdefault(m.symbol, m.type)
    assert set(first_kind.values()) == {"auction"}


@pytest.mark.parametrize("message", [b"\x00\n{", b"x"])
def test_garbage_stays_on_one_line(message: bytes):
    line = encode_line(Topic.ORDERS, message)

    assert line.count(b"\n") == 1
    assert line.endswith(b"\n")
