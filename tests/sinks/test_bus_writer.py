"""Final rows and dead letters on a real bus."""

import json

import numpy as np
import pytest

from bus.base import START
from bus.connect import open_bus
from bus.repeats import Repeats
from domain.batch import DeadLetter
from domain.columns import blank
from domain.errors import BusError
from domain.evaluations import EVALUATION, InForce, Part
from domain.instants import NO_TIME, SECOND
from domain.keys import GROUP_KEYS, key_of, partition_of
from domain.reasons import DeadLetterReason
from domain.rows import BAR, Rows, Venues
from domain.topics import event_id
from domain.vocabulary import Topic
from sinks import bus_writer
from sinks.bus_writer import BusWriterSink, DeadLetterSink


def updates(bus):
    """(partition, event) of everything on the topic."""
    reader = bus.reader()
    found = []
    for partition in range(bus.partitions(Topic.EXECUTION_UPDATES)):
        place = (Topic.EXECUTION_UPDATES, partition)
        for message in reader.read({place: START}, 1_000, 0).get(place, []):
            found += [(partition, event) for event in json.loads(message.body)]
    reader.close()
    return found


def writer(bus, **options):
    return BusWriterSink(bus, **options).build_part("updates", "00", None)


def test_every_kind_of_final_row_goes_out_in_the_partition_of_its_root(bus, full_rows):
    part = writer(bus, config_version="v1")
    part.write_batch([full_rows("A/1 #ü", events=3)])
    part.snapshot()

    found = updates(bus)
    assert {p for p, _ in found} == {partition_of("A/1 #ü", 4)}
    timeline, fill, status, order = (event for _, event in found)
    assert [e["kind"] for e in (timeline, fill, status, order)] == [
        "order_event", "fill", "status", "order",
    ]  # fmt: skip
    assert all(e["order_id"] == "A/1 #ü" for _, e in found)
    assert timeline["type"] == "order_filled"
    assert fill["last_qty"] == 400.0
    assert status["status"]["seq"] == 3
    assert status["status"]["config_version"] == "v1"
    assert order["venue_distribution"] == {"ARCX": 0.25, "XNAS": 0.75}
    assert order["reasons"]["slippage_bps"] == "NO_REFERENCE"


def test_bars_go_out_in_the_partition_of_their_symbol(bus):
    bars = blank(BAR, 1)
    for name, value in (("symbol", key_of("I X#")), ("ts", 1_700_000_000 * SECOND), ("trades", 3),
                        ("open", 10.0), ("close", 10.5), ("volume", 300.0)):  # fmt: skip
        bars[name] = value
    part = writer(bus)
    part.write_batch([Rows(bars=bars, names={key_of("I X#"): "I X#"})])
    part.snapshot()

    [(partition, event)] = updates(bus)
    assert partition == partition_of("I X#", 4)
    assert (event["kind"], event["symbol"], event["interval_ms"]) == ("bar", "I X#", 1000)
    assert event["event_id"] == event_id("I X#", event["ts"], "bar")
    assert event["ts"].startswith("2023-11-14T22:13:20")
    assert (event["trades"], event["open"], event["close"], event["high"]) == (3, 10.0, 10.5, None)


def test_evaluations_go_out_in_the_partition_of_their_root_order(bus):
    rows = blank(EVALUATION, 2)
    rows["order"], rows["root"], rows["desk"] = key_of("C"), key_of("P"), key_of("D")
    rows["known"], rows["part"], rows["z_cost"] = 1_700_000_000 * SECOND, Part.KEPT, [2.5, np.inf]
    rows["thresholds"] = [0, -1]
    names = {key_of(name): name for name in "CPD"}
    part = writer(bus)
    part.write_batch([
        Rows(evaluations=rows, thresholds=[InForce({"HIGH_COST": 3.0}, {})], names=names)
    ])  # fmt: skip
    part.snapshot()

    [(partition, event)] = updates(bus)
    assert partition == partition_of("P", 4)
    assert (event["kind"], event["order_id"], event["desk"]) == ("evaluation", "C", "D")
    assert event["event_id"] == event_id("C", f"{1_700_000_000 * SECOND}/-1/2", "evaluation")
    assert (event["part"], event["z_cost"], event["configured"]) == (
        "KEPT", 2.5, {"HIGH_COST": 3.0},
    )  # fmt: skip
    assert "risk_bps" not in event


def test_provisional_and_unnumbered_rows_stay_off_the_bus(bus, status_row):
    part = writer(bus)
    part.write_batch([status_row("A", provisional=1), status_row("A", numbered=0)])
    part.snapshot()

    assert updates(bus) == []


def test_what_a_crash_makes_us_write_twice_has_the_same_ids(bus, full_rows):
    for _ in range(2):
        part = writer(bus)
        part.write_batch([full_rows("A", events=3), full_rows("B", events=3)])
        part.snapshot()

    ids = [event["event_id"] for _, event in updates(bus)]
    repeats = Repeats()
    kept = [i for i in ids if repeats.is_new(i)]
    assert len(ids) == 16
    assert len(kept) == len(set(ids)) == 8
    assert event_id("A", 3, "status") in kept


def test_a_record_completed_later_is_not_taken_for_a_repeat(bus, full_rows):
    part = writer(bus)
    early, late = full_rows("A"), full_rows("A")
    late.fills["mid_60s"] = 9.6
    late.orders["markout_cost_60s_bps"] = 1.0
    part.write_batch([early, late])
    part.snapshot()

    by_kind = {}
    for _, event in updates(bus):
        by_kind.setdefault(event["kind"], set()).add(event["event_id"])
    assert {kind: len(ids) for kind, ids in by_kind.items()} == {
        "order_event": 1, "status": 1, "fill": 2, "order": 2,
    }  # fmt: skip


def test_many_rows_are_cut_into_messages_of_bounded_size(bus, status_row, monkeypatch):
    monkeypatch.setattr(bus_writer, "MOST_EVENTS", 3)
    part = writer(bus)
    rows = status_row("A")
    each = [status_row("A", events=n).status for n in range(1, 8)]
    rows.status = np.concatenate(each)
    rows.status_venues = Venues(np.zeros(8, np.int64), np.empty(0, "u8"), np.empty(0))
    part.write_batch([rows])
    part.snapshot()

    assert [e["status"]["seq"] for _, e in updates(bus)] == list(range(1, 8))
    place = (Topic.EXECUTION_UPDATES, partition_of("A", 4))
    assert bus.lag(place, START) == 3


def test_updates_wait_for_a_bus_that_is_away(own_server, status_row):
    bus = open_bus(own_server.url)
    bus.set_up(dict.fromkeys(Topic, 4), 16)
    part = writer(bus)
    part.write_batch([status_row("A", events=1)])
    part.snapshot()
    own_server.kill()

    part.write_batch([status_row("A", events=2)])
    own_server.restart()
    part.close()

    assert sorted({e["status"]["seq"] for _, e in updates(bus)}) == [1, 2]


def test_a_bus_without_the_topic_is_refused_before_anything_runs(bus):
    bus._client.flushall()

    with pytest.raises(BusError, match="has no topic execution-updates"):
        writer(open_bus(bus.url))


def test_a_dead_letter_keeps_its_bytes_its_place_and_its_reason(bus):
    letter = DeadLetter(
        "orders", 3, "17-0/2", DeadLetterReason.BAD_ID, "order_id: 'x\ud800'", b"\xff\x00{", 10**18
    )
    undated = DeadLetter("file", 0, "9", DeadLetterReason.UNREADABLE, "no", b"", NO_TIME)
    part = DeadLetterSink(bus).build_part("dead_letters", "00", None)
    part.write_batch([letter, undated])
    part.close()

    messages = {}
    for partition in range(4):
        place = (Topic.DEAD_LETTER, partition)
        for message in bus.reader().read({place: START}, 10, 0).get(place, []):
            messages[message.meta["topic"]] = message
    found = messages["orders"]
    assert found.body == b"\xff\x00{"
    assert found.content_type == "application/octet-stream"
    assert found.meta["reason"] == "BAD_ID"
    assert found.meta["position"] == "17-0/2"
    assert found.meta["partition"] == "3"
    assert found.meta["words"] == "order_id: 'x?'"
    assert found.meta["ce_time"] == "2001-09-09T01:46:40Z"
    assert found.meta["ce_id"] == event_id("orders/3", "17-0/2", "dead_letter")
    assert "ce_time" not in messages["file"].meta


def test_only_the_last_ids_are_remembered():
    repeats = Repeats(room=2)

    assert [repeats.is_new(i) for i in "aabcab"] == [True, False, True, True, True, True]


def test_rows_without_an_order_write_nothing_and_writers_share_the_groups(bus):
    sink = BusWriterSink(bus, parts=2)
    part = sink.build_part("updates", "00", None)
    part.write_batch([Rows()])
    part.close()

    assert updates(bus) == []
    assert sink.list_parts() == ["00", "01"]
    assert [sink.part_fn(key) for key in GROUP_KEYS] == list(range(16))
    assert DeadLetterSink(bus).list_parts() == ["00"]
