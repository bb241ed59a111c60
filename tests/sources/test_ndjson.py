import json
import random
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.keys import key_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from sources.ndjson import NdjsonReader
from sources.reader import batches

T0 = 1_795_185_000_000_000_000


def at(ns: int) -> str:
    return format_rfc3339(T0 + ns)


def fill(n: int, **more: object) -> dict[str, object]:
    return {"type": "order_filled", "order_id": f"O{n % 7}", "symbol": "IBM", "exec_id": f"E{n}",
            "last_qty": 10.0, "last_px": 100.0 + n, "ts_event": at(n), **more}  # fmt: skip


def write(path: Path, lines: list[dict[str, object] | bytes]) -> NdjsonReader:
    raw = [x if isinstance(x, bytes) else json.dumps(x).encode() for x in lines]
    path.write_bytes(b"\n".join(raw) + b"\n")
    return NdjsonReader(path)


def test_a_mixed_file_gives_each_topic_in_its_own_order(tmp_path: Path) -> None:
    reader = write(tmp_path / "e.ndjson", [
        {"type": "quote", "symbol": "IBM", "bid": 1.0, "ask": 2.0, "ts_event": at(5),
         "topic": "market-data"},
        fill(3, topic="orders"),
        {"type": "route_sent", "order_id": "O1", "symbol": "IBM", "order_qty": 1.0,
         "ts_event": at(4)},
        fill(1),
        {"type": "reference", "symbol": "IBM", "adv_qty": 5, "ts_event": at(9)},
        json.dumps([fill(2), {"type": "trade", "symbol": "IBM", "price": 1.5, "size": 1,
                              "ts_event": at(6)}]).encode(),
    ])  # fmt: skip

    assert reader.topics == (Topic.ORDERS, Topic.ROUTES, Topic.MARKET_DATA, Topic.REFERENCE)
    (orders,) = batches(reader, Topic.ORDERS)
    (market,) = batches(reader, Topic.MARKET_DATA)
    (reference,) = batches(reader, Topic.REFERENCE)
    assert (orders.events["ts_event"] - T0).tolist() == [3, 1, 2]
    assert (orders.events["t_eff"] - T0).tolist() == [3, 3, 3]
    assert orders.events["pos"].tolist() == [0, 1, 2]
    assert market.market["kind"].tolist() == [1, 2]
    assert json.loads(reference.references[0])["adv_qty"] == 5
    assert reference.watermark == T0 + 9
    assert not [d for topic in reader.topics for b in batches(reader, topic) for d in b.dead]


def test_odd_ids_travel_unchanged(tmp_path: Path) -> None:
    reader = write(tmp_path / "e.ndjson", [fill(1, order_id="A/1 #ü")])

    (batch,) = batches(reader, Topic.ORDERS)

    assert batch.names[key_of("A/1 #ü")] == "A/1 #ü"


def test_a_clock_moves_its_own_topic_or_all(tmp_path: Path) -> None:
    reader = write(tmp_path / "e.ndjson", [
        {"type": "quote", "symbol": "IBM", "bid": 1.0, "ts_event": at(1)},
        {"type": "clock", "ts_event": at(50), "topic": "orders"},
        fill(2),
        {"type": "clock", "ts_event": at(30)},
        {"type": "clock", "ts_event": "whenever"},
    ])  # fmt: skip

    (orders,) = batches(reader, Topic.ORDERS)
    (market,) = batches(reader, Topic.MARKET_DATA)

    assert orders.watermark == T0 + 50
    assert orders.events["t_eff"].tolist() == [T0 + 50]
    assert market.watermark == T0 + 30
    assert [d.reason for d in orders.dead + market.dead] == [DeadLetterReason.BAD_TIME]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b"{", DeadLetterReason.UNREADABLE),
        (b"\xff\xfe\x00", DeadLetterReason.UNREADABLE),
        (b"[" * 3000, DeadLetterReason.UNREADABLE),
        (b"null", DeadLetterReason.WRONG_TYPE),
        (b'{"type":5}', DeadLetterReason.WRONG_TYPE),
        (b'{"no":"type"}', DeadLetterReason.UNKNOWN_TYPE),
        (b'{"type":"order_felled"}', DeadLetterReason.UNKNOWN_TYPE),
        (b'{"type":"quote","topic":"orders"}', DeadLetterReason.WRONG_TOPIC),
        (b'{"type":"quote","topic":"gossip"}', DeadLetterReason.WRONG_TOPIC),
        (json.dumps(fill(1, ts_event="1500-01-01T00:00:00Z")).encode(), DeadLetterReason.BAD_TIME),
        (json.dumps(fill(1, ts_event="whenever")).encode(), DeadLetterReason.BAD_TIME),
        (json.dumps(fill(1, ts_event="2099-01-01T00:00:00Z")).encode(), DeadLetterReason.FUTURE),
        (b'{"type":"clock","ts_event":"2099-01-01T00:00:00Z"}', DeadLetterReason.FUTURE),
        (json.dumps(fill(1, order_id="a\0b")).encode(), DeadLetterReason.BAD_ID),
        (json.dumps(fill(1, order_id="x" * 101)).encode(), DeadLetterReason.BAD_ID),
        (json.dumps(fill(1, last_qty=-3)).encode(), DeadLetterReason.OUT_OF_RANGE),
    ],
)
def test_what_cannot_be_taken_is_kept_with_its_line_and_reason(
    tmp_path: Path, line: bytes, reason: DeadLetterReason
) -> None:
    quote: dict[str, object] = {"type": "quote", "symbol": "S", "bid": 1.0, "ts_event": at(1)}
    reader = write(tmp_path / "e.ndjson", [fill(1), quote, line, fill(2)])

    dead = [d for topic in reader.topics for b in batches(reader, topic) for d in b.dead]

    assert [(d.position, d.reason, d.message) for d in dead] == [("e.ndjson:3", reason, line)]
    assert sum(len(b.events) for b in batches(reader, Topic.ORDERS)) == 2


@pytest.mark.parametrize("where", [0, 1, 50, 199])
def test_an_event_of_another_century_moves_no_time_wherever_it_stands(
    tmp_path: Path, where: int
) -> None:
    lines: list[dict[str, object] | bytes] = [fill(n) for n in range(200)]
    lines.insert(where, fill(1, order_id="F", ts_event="2099-01-01T00:00:00Z"))

    found = list(batches(write(tmp_path / "e.ndjson", lines), Topic.ORDERS))

    assert sum(len(b.events) for b in found) == 200
    assert found[-1].watermark == T0 + 199
    assert [d.reason for b in found for d in b.dead] == [DeadLetterReason.FUTURE]


def test_a_file_may_last_a_year(tmp_path: Path) -> None:
    late = fill(1, ts_event=at(365 * 86_400 * 10**9))

    (batch,) = batches(write(tmp_path / "e.ndjson", [fill(1), late]), Topic.ORDERS)

    assert len(batch.events) == 2


def damaged(line: bytes, rng: random.Random) -> bytes:
    raw = bytearray(line)
    for _ in range(rng.randint(1, 6)):
        raw[rng.randrange(len(raw))] = rng.randrange(256)
    return bytes(raw).replace(b"\n", b" ")


def test_damaged_lines_change_no_good_order(tmp_path: Path) -> None:
    rng = random.Random(7)
    good: list[dict[str, object] | bytes] = [fill(n) for n in range(2_000)]
    mixed = list(good)
    for _ in range(200):
        noise = damaged(json.dumps(fill(rng.randrange(99), order_id="NOISE")).encode(), rng)
        mixed.insert(rng.randrange(len(mixed)), noise)

    clean = list(batches(write(tmp_path / "clean", good), Topic.ORDERS))
    dirty = list(batches(write(tmp_path / "dirty", mixed), Topic.ORDERS))

    ours = {key_of(f"O{n}") for n in range(7)}
    kept = np.concatenate([b.events for b in dirty])
    kept = kept[np.isin(kept["order"], list(ours))]
    truth = np.concatenate([b.events for b in clean])
    assert len(kept) == len(truth)
    for name in ("order", "exec", "ts_event", "last_qty", "last_px"):
        assert (kept[name] == truth[name]).all()
    assert sum(len(b.dead) for b in dirty) > 100


@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(st.binary(max_size=60), max_size=8))
@example([b"[ ]"])
@example([b'{"type":"status_republish_requested"}'])
def test_no_bytes_stop_the_reader(
    tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]
) -> None:
    path = tmp_path_factory.mktemp("fuzz") / "e.ndjson"
    path.write_bytes(b"\n".join([json.dumps(fill(1)).encode(), *lines]))
    reader = NdjsonReader(path)

    found = [b for topic in reader.topics for b in batches(reader, topic)]

    assert sum(len(b.events) for b in found) == 1
    told = [x for x in path.read_bytes().split(b"\n")[1:] if x.strip()]
    empty = sum(b"".join(x.split()) == b"[]" for x in told)
    taken = sum(len(b.references) for b in found)
    assert len([d for b in found for d in b.dead]) >= len(told) - empty - taken


def test_a_file_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.ndjson"):
        _ = NdjsonReader(tmp_path / "none.ndjson").topics


def test_a_file_without_events_is_one_empty_input(tmp_path: Path) -> None:
    reader = write(tmp_path / "e.ndjson", [b"", b"  "])

    assert reader.topics == (Topic.ORDERS,)
    assert [len(b.events) for b in batches(reader, Topic.ORDERS)] == [0]
