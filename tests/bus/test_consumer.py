"""The consumer helper on a real bus: repeats dropped, gaps told, resumed where it stood."""

import importlib.util
from pathlib import Path

import msgspec
import pytest

from bus.base import Outgoing
from bus.consumer import Consumer
from bus.numbers import Gap
from bus.pulsar.bus import PulsarBus
from domain.errors import BusDown, BusError, ConfigurationError, RecoveryError
from domain.status import MONITORING_METRICS
from domain.topics import event_id
from domain.vocabulary import Topic

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "follow_events.py"


def monitoring(order, seq, **members):
    return {"event_id": event_id(order, seq, "EXECUTION_PROGRESS"), "order_id": order, "seq": seq,
            **members}  # fmt: skip


def send(bus, *events, topic=Topic.EXECUTION_EVENTS, partition=0):
    bus.append([Outgoing(topic, partition, msgspec.json.encode(event)) for event in events])


def numbers(taken):
    return [(event.key, event.number) for event in taken.events]


def test_what_a_crash_makes_come_twice_is_given_once(bus):
    send(bus, *(monitoring("A/1 #ü", n) for n in (1, 2, 3, 2, 3, 4)))

    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        taken = consumer.poll(block_ms=0)

    assert numbers(taken) == [("A/1 #ü", n) for n in (1, 2, 3, 4)]
    assert (taken.repeats, taken.gaps, taken.unreadable) == (2, [], [])


def test_gaps_are_told_by_order_and_forgotten_when_the_event_comes_after_all(bus):
    send(bus, monitoring("A", 1), monitoring("B", 2), monitoring("A", 4))

    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        taken = consumer.poll(block_ms=0)
        assert taken.gaps == [Gap("B", 1, 1), Gap("A", 2, 3)]
        send(bus, monitoring("A", 3), monitoring("B", 1))
        late = consumer.poll(block_ms=0)

        assert numbers(late) == [("A", 3), ("B", 1)]
        assert consumer.missing() == {"A": [2]}


def test_a_consumer_goes_on_from_its_state_and_knows_what_it_had(bus):
    send(bus, monitoring("A", 1), monitoring("A", 2), partition=1)
    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        consumer.poll(block_ms=0)
        state = consumer.state()
    send(bus, monitoring("A", 2), monitoring("A", 4), partition=1)

    with Consumer(bus, Topic.EXECUTION_EVENTS, state) as consumer:
        taken = consumer.poll(block_ms=0)

    assert (numbers(taken), taken.repeats, taken.gaps) == ([("A", 4)], 1, [Gap("A", 3, 3)])


def test_one_that_begins_with_the_newest_counts_from_there(bus):
    send(bus, monitoring("A", 1))
    with Consumer(bus, Topic.EXECUTION_EVENTS, newest=True) as consumer:
        send(bus, monitoring("A", 2), monitoring("A", 4), monitoring("B", 9))
        taken = consumer.poll(block_ms=0)

    assert numbers(taken) == [("A", 2), ("A", 4), ("B", 9)]
    assert taken.gaps == [Gap("A", 3, 3)]


def test_updates_are_numbered_by_their_status_and_the_rest_known_by_id(bus):
    def update(kind, lasting, **members):
        return {"kind": kind, "event_id": lasting, "order_id": "A", **members}

    batch = [
        update("fill", "f1", seq=77, status="COUNTED"),
        update("status", "s1", status={"seq": 1}),
        {"kind": "bar", "event_id": "b1", "symbol": "IBM"},
        update("status", "s3", status={"seq": 3}),
    ]
    send(bus, batch, batch, topic=Topic.EXECUTION_UPDATES)

    with Consumer(bus, Topic.EXECUTION_UPDATES) as consumer:
        taken = consumer.poll(block_ms=0)
        state = consumer.state()
    send(bus, batch, topic=Topic.EXECUTION_UPDATES)
    with Consumer(bus, Topic.EXECUTION_UPDATES, state) as consumer:
        again = consumer.poll(block_ms=0)

    assert numbers(taken) == [("A", None), ("A", 1), ("IBM", None), ("A", 3)]
    assert (taken.repeats, taken.gaps) == (4, [Gap("A", 2, 2)])
    assert (again.events, again.repeats) == ([], 4)


def test_alerts_are_numbered_by_what_they_are_about(bus):
    def alert(seq):
        life = {"dedupe_key": "US:venue:XNAS:VENUE_ISSUE", "seq": seq}
        return {"event_id": f"a{seq}", "execution_alert": {}, "monitoring": life}

    send(bus, alert(1), alert(3), {"event_id": "plain", "execution_alert": {}},
         topic=Topic.EXECUTION_ALERTS)  # fmt: skip

    with Consumer(bus, Topic.EXECUTION_ALERTS) as consumer:
        taken = consumer.poll(block_ms=0)

    assert taken.gaps == [Gap("US:venue:XNAS:VENUE_ISSUE", 2, 2)]
    assert [event.event_id for event in taken.events] == ["a1", "a3", "plain"]


def test_what_is_none_of_ours_is_told_and_stops_nothing(bus):
    bodies = [b"\xff{", b"[1,", b'{"order_id":"A"}', b'{"event_id":"x","seq":"one"}', b'"\xff"']
    bus.append([Outgoing(Topic.EXECUTION_EVENTS, 0, body) for body in bodies])
    send(bus, [monitoring("A", 1), {"no": "id"}, monitoring("A", 2)])

    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        taken = consumer.poll(block_ms=0)

    assert numbers(taken) == [("A", 1), ("A", 2)]
    assert len(taken.unreadable) == 6
    assert "event_id" in taken.unreadable[2].words


def test_a_bus_that_is_away_is_said_and_nothing_lost(own_server):
    bus = own_server.open()
    bus.set_up(dict.fromkeys(Topic, 2), 16)
    send(bus, monitoring("A", 1))
    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        own_server.kill()
        with pytest.raises(BusDown):
            consumer.poll(block_ms=0)
        own_server.restart()

        assert numbers(consumer.poll(block_ms=0)) == [("A", 1)]


def test_a_state_that_does_not_fit_is_refused_in_words(bus):
    send(bus, *(monitoring("A", n) for n in (1, 2, 3)))
    with Consumer(bus, Topic.EXECUTION_EVENTS) as consumer:
        consumer.poll(count=1, block_ms=0)
        state = consumer.state()

    with pytest.raises(RecoveryError, match="is of topic execution-events"):
        Consumer(bus, Topic.EXECUTION_UPDATES, state)
    with pytest.raises(RecoveryError, match="version 2, this program reads 1"):
        Consumer(bus, Topic.EXECUTION_EVENTS, state.replace(b'"version":1', b'"version":2'))
    with pytest.raises(RecoveryError, match="no state"):
        Consumer(bus, Topic.EXECUTION_EVENTS, b"{}")
    with pytest.raises(ConfigurationError, match="topic must be one of"):
        Consumer(bus, Topic.ORDERS)


def test_a_state_that_the_bus_was_trimmed_behind_is_refused(redis_bus):
    send(redis_bus, *(monitoring("A", n) for n in (1, 2, 3)))
    with Consumer(redis_bus, Topic.EXECUTION_EVENTS) as consumer:
        consumer.poll(count=1, block_ms=0)
        state = consumer.state()
    place = (Topic.EXECUTION_EVENTS, 0)

    redis_bus.trim(place, redis_bus.end(place))

    with pytest.raises(BusError, match="are gone"):
        Consumer(redis_bus, Topic.EXECUTION_EVENTS, state)


def test_the_example_of_the_documentation_runs_and_resumes(bus, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    if isinstance(bus, PulsarBus):
        monkeypatch.setenv("EXECMON_PULSAR_ADMIN_URL", bus.access.admin_url)
    spec = importlib.util.spec_from_file_location("follow_events", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    status = {"order_id": "A", "execution_progress": 1.0, "performance_score": None,
              "alerts": [], "last_updated": "2026-11-20T14:30:00Z", "metric_reasons": {},
              "state": "FILLED", "as_of": "2026-11-20T14:30:00Z", "seq": 2, "provisional": False,
              "cum_qty": 100.0}  # fmt: skip
    status["current_metrics"] = dict.fromkeys(MONITORING_METRICS)
    event = monitoring("A", 2, timestamp="2026-11-20T14:30:00Z",
                       event_type="EXECUTION_COMPLETED", status=status)  # fmt: skip
    send(bus, event)

    for _ in range(2):
        example.follow(bus.url, tmp_path / "state.json", until_idle=True)

    out = capsys.readouterr().out
    assert out.count("EXECUTION_COMPLETED FILLED 100.0") == 1
    assert out.count("missing: A 1–1") == 1


def test_of_a_subscriptions_topic_repeats_are_dropped_and_no_gap_is_told(bus):
    bus.add_topic("out.oms", 2)
    alert = {"event_id": "1", "monitoring": {"dedupe_key": "K", "seq": 7}}
    events = [monitoring("A", 3), alert, monitoring("A", 9), monitoring("A", 3), alert]
    send(bus, *events, topic="out.oms", partition=1)

    with Consumer(bus, "out.oms") as consumer:
        taken = consumer.poll(block_ms=0)
        kept = consumer.state()
    send(bus, alert, monitoring("A", 9), monitoring("A", 4), topic="out.oms", partition=1)
    with Consumer(bus, "out.oms", kept) as consumer:
        more = consumer.poll(block_ms=0)

    assert numbers(taken) == [("A", None), ("K", None), ("A", None)]
    assert (taken.repeats, taken.gaps) == (2, [])
    assert [msgspec.json.decode(event.raw)["seq"] for event in more.events] == [4]
    assert more.repeats == 2
    assert [event.place for event in more.events] == [("out.oms", 1)]
