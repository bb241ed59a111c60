import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.columns import DETAIL, EVENT, HAS_DETAIL, blank
from domain.events import MarketMessage, OrderMessage
from domain.instants import format_rfc3339
from domain.keys import GROUP_KEYS, group_of, key_of
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from operators.pieces import HORIZON, STAMPED, Stamped
from operators.split import by_group, groups_fed, route_to_orders, split_batches

NOW = format_rfc3339(1_700_000_000_000_000_000)
SYMBOLS = [f"S{i}" for i in range(40)]
INPUTS = (
    Input(0, Topic.MARKET_DATA, 0), Input(1, Topic.MARKET_DATA, 1), Input(2, Topic.ORDERS, 0),
    Input(3, Topic.CONTROL, 0),
)  # fmt: skip
FED = groups_fed(INPUTS, 16)


def orders(n=60, source=2):
    builder = RowBuilder(Topic.ORDERS, source)
    for i in range(n):
        more = {"broker": f"B{i}"} if i % 3 == 0 else {}
        builder.add_order(
            OrderMessage(
                type="order_accepted",
                ts_event=NOW,
                order_id=f"O{i}",
                symbol=SYMBOLS[i % 40],
                side="BUY",
                order_qty=1.0,
                **more,
            )
        )
    return builder.build()


def market(source, n=60):
    builder = RowBuilder(Topic.MARKET_DATA, source)
    for i in range(n):
        if group_of(SYMBOLS[i % 40]) % 2 == source:
            builder.add_market(
                MarketMessage(type="quote", ts_event=NOW, symbol=SYMBOLS[i % 40], bid=1.0 * i)
            )
    return builder.build()


def test_orders_go_to_the_groups_of_their_symbols_in_stored_order():
    batch = orders()
    batch.watermark = 5

    pieces = dict(split_batches([batch], FED, 16))

    assert list(pieces) == list(GROUP_KEYS)
    assert sum(len(b.events) for p in pieces.values() for b in p.batches) == 60
    for key, piece in pieces.items():
        assert GROUP_KEYS[piece.group] == key
        assert piece.progress == [(2, 5, False)]
        mine = {key_of(s) for s in SYMBOLS if group_of(s) == piece.group}
        assert len(piece.batches) == bool(mine), "no batch where it has no rows"
        for part in piece.batches:
            assert set(part.events["symbol"]) == mine
            assert set(part.events["market_group"]) == {piece.group}
            assert (np.diff(part.events["pos"]) > 0).all()
            assert (part.watermark, part.source, part.names) == (5, 2, batch.names)


def test_details_follow_their_event_and_know_its_order_group():
    parts = [b for _, p in split_batches([orders()], FED, 16) for b in p.batches]

    assert sum(len(p.details) for p in parts) == 20
    for part in parts:
        told = part.events[(part.events["flags"] & HAS_DETAIL) != 0]
        assert told["pos"].tolist() == part.details["pos"].tolist()
        assert told["order_group"].tolist() == part.details["order_group"].tolist()
        assert (told["pos"] % 3 == 0).all()


@pytest.mark.parametrize("source", [0, 1])
def test_a_market_partition_feeds_only_the_groups_it_carries(source):
    batch = market(source)

    pieces = dict(split_batches([batch], FED, 16))

    assert list(pieces) == list(GROUP_KEYS[source::2])
    assert sum(len(b.market) for p in pieces.values() for b in p.batches) == len(batch.market)
    for piece in pieces.values():
        for part in piece.batches:
            assert set(part.market["group"]) == {piece.group}


def test_references_and_the_end_reach_every_symbol_group():
    batch = Batch(3, references=[b"{}"], watermark=9, ended=True)

    pieces = [p for _, p in split_batches([batch], FED, 16)]

    assert [[b.references for b in p.batches] for p in pieces] == [[[b"{}"]]] * 16
    assert all(p.progress == [(3, 9, True)] for p in pieces)


def test_what_arrives_together_makes_one_piece_for_each_group():
    quotes, news = market(0), orders()
    quotes.watermark, news.watermark = 3, 4

    pieces = dict(split_batches([quotes, news, Batch(1, watermark=5)], FED, 16))

    assert list(pieces) == list(GROUP_KEYS)
    for piece in pieces.values():
        assert piece.progress == [(0, 3, False), (2, 4, False), (1, 5, False)]
        assert [b.source for b in piece.batches] == sorted(b.source for b in piece.batches)
        assert all(len(b.market) or len(b.events) for b in piece.batches)
    parts = [b for p in pieces.values() for b in p.batches]
    assert sum(len(b.market) for b in parts) == len(quotes.market)
    assert sum(len(b.events) for b in parts) == len(news.events)


def stamped(group, root_groups, watermark=1):
    events = np.zeros(len(root_groups), STAMPED)
    events["order_group"] = root_groups
    events["pos"] = range(len(root_groups))
    details = blank(DETAIL, 1)
    details["order_group"] = 2
    horizons = np.zeros(1, HORIZON)
    horizons["order_group"] = 3
    shown = np.zeros(1, STAMPED)
    shown["order_group"] = 4
    events["order"] = 100 + events["order_group"]
    details["desk"] = 102
    shown["venue"] = 104
    names = {100 + g: f"n{g}" for g in range(5)}
    return Stamped(
        group, watermark, watermark - 1, 99, events, horizons, details, [names],
        [(group, b"x")], shown,
    )  # fmt: skip


def test_order_groups_get_their_events_and_every_watermark():
    pieces = [("k", stamped(5, [1, 0, 1])), ("k", stamped(6, [1])), ("k", stamped(5, [], 7))]

    routed = route_to_orders(pieces, 16)

    assert [key for key, _ in routed] == list(GROUP_KEYS)
    for g, (_, piece) in enumerate(routed):
        assert piece.watermarks == {5: (7, 6, 99), 6: (1, 0, 99)}, "the newest of each"
        assert piece.references == [(5, b"x"), (6, b"x"), (5, b"x")]
        assert len(piece.events) == {0: 1, 1: 3}.get(g, 0)
        assert len(piece.details) == (3 if g == 2 else 0)
        assert len(piece.horizons) == (3 if g == 3 else 0)
        assert len(piece.provisional) == (3 if g == 4 else 0)
        assert piece.names == ({100 + g: f"n{g}"} if g in {0, 1, 2, 4} else {}), "its own"
    assert routed[1][1].events["pos"].tolist() == [0, 2, 0]


def test_watermarks_travel_even_without_events():
    (_, first), *rest = route_to_orders([("k", Stamped(2, 8, 7, 6))], 16)

    assert first.watermarks == {2: (8, 7, 6)}
    assert len(first.events) == 0
    assert first.events.dtype == STAMPED
    assert len(rest) == 15


def test_rows_sorted_by_group_keep_their_stored_order():
    rows = blank(EVENT, 500)
    rows["market_group"] = np.random.default_rng(0).integers(0, 16, 500)
    rows["pos"] = range(500)

    out, start = by_group(rows, "market_group", 16)

    expected = rows[np.argsort(rows["market_group"], kind="stable")]
    assert out.tobytes() == expected.tobytes()
    assert [out["market_group"][start[g] : start[g + 1]].tolist() for g in range(16)] == [
        [g] * int((rows["market_group"] == g).sum()) for g in range(16)
    ]
