"""The desk step: the same alerts however parcels arrive, after a restart, on any workers."""

import random
from datetime import timedelta

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.recovery import RecoveryConfig, init_db_dir
from bytewax.testing import TestingSink, TestingSource, cluster_main, run_main
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.alerts import Crossing
from domain.errors import RecoveryError
from domain.instants import END_OF_TIME, SECOND
from domain.keys import GROUP_KEYS, GROUPS
from operators.alerts.desk import VERSION, DeskLogic, DeskSettings, track_alerts
from operators.alerts.parcels import DeskRouter, Parcel, desk_group
from rules.alert_book import AlertBook
from tests.alert_desk import DESK, action, as_json, crossing, ns, silence, told, venue_crossing
from tests.alert_events import as_rows, days, happen

SOURCES = 3
ONE = DeskSettings(sources=1)


def give(logic, *parcels):
    out, gone = logic.on_batch(list(parcels))
    assert not gone
    return list(out)


def test_rows_are_taken_in_order_of_time_once_every_source_is_past_them():
    logic = DeskLogic(DeskSettings(sources=2), None)
    order = crossing(10, scope="A1", main_venue="XNAS")
    venue = venue_crossing(9)

    assert give(logic, Parcel(0, ns(11), [order])) == []
    assert give(logic, Parcel(1, ns(9), [venue])) == []
    changes = give(logic, Parcel(1, ns(11)))

    assert [c.alert.scope for c in changes] == ["venue:XNAS", "A1"]
    assert changes[1].alert.group == changes[0].alert.alert_id


def test_rows_of_one_time_go_controls_first_then_by_scope_type_and_number():
    logic = DeskLogic(ONE, None)
    end, begin = crossing(1, None, seq=1), crossing(1, "HIGH", seq=0)
    hush = (ns(1), as_json(silence(1, 60)))

    changes = give(logic, Parcel(0, ns(2), [end, crossing(1, scope="A0"), begin], [hush]))

    assert [(c.alert.scope, str(c.transition.change), c.notify) for c in changes] == [
        ("A0", "RAISED", False), ("A1", "RAISED", False), ("A1", "RESOLVED", False),
    ]  # fmt: skip


def test_of_one_time_a_parent_s_row_goes_before_its_children_s():
    logic = DeskLogic(ONE, None)
    child = crossing(1, scope="A.1", ancestors=["Z"])

    changes = give(logic, Parcel(0, ns(2), [child, crossing(1, scope="Z")]))

    assert [(c.alert.scope, c.publish, c.notify) for c in changes] == [
        ("Z", True, True), ("A.1", False, False),
    ]  # fmt: skip


def test_timers_fire_before_rows_of_their_time_and_as_the_watermark_moves():
    logic = DeskLogic(ONE, None)
    give(logic, Parcel(0, ns(1), [crossing(0, "CRITICAL")]))

    due = give(logic, Parcel(0, ns(200), [crossing(120, None)]))
    nothing_due = give(logic, Parcel(0, ns(10_000)))

    assert [(t, change) for t, change, *_ in told(due)] == [(120, "ESCALATED"), (120, "RESOLVED")]
    assert nothing_due == []


def test_a_timer_waits_until_the_watermark_is_past_it():
    logic = DeskLogic(ONE, None)
    give(logic, Parcel(0, ns(1), [crossing(0, "CRITICAL")]))

    assert give(logic, Parcel(0, ns(120))) == []
    assert len(give(logic, Parcel(0, ns(120) + 1))) == 1


def test_time_stops_with_the_input():
    logic, other = DeskLogic(ONE, None), DeskLogic(ONE, None)
    raised = crossing(0, "CRITICAL")

    changes = give(logic, Parcel(0, END_OF_TIME, [raised], end=ns(130)))
    unknown_end = give(other, Parcel(0, END_OF_TIME, [raised]))

    assert [c.transition.at for c in changes] == [ns(0), ns(120)]
    assert [c.transition.at for c in unknown_end] == [ns(0)]


def test_people_act_through_control_messages_each_taken_once():
    logic = DeskLogic(DeskSettings(sources=2), None)
    ack = (ns(5), as_json(action("alert_acknowledged", 5)))
    hush = (ns(6), as_json(silence(6, 60)))
    give(logic, Parcel(0, ns(10), [crossing(0)], [ack, hush]))

    changes = give(logic, Parcel(1, ns(10), [], [ack, hush]))

    assert [str(c.transition.change) for c in changes] == ["RAISED", "ACKNOWLEDGED", "SUPPRESSED"]


def test_every_open_alert_is_told_once_more_where_that_is_asked_for_and_nothing_happens():
    logic = DeskLogic(DeskSettings(sources=2), None)
    again = (ns(6), b'{"type":"status_republish_requested","order_id":"*"}')
    rows = [crossing(0, scope="A2"), crossing(1), crossing(2, scope="A3"), crossing(3, None, "A3")]
    give(logic, Parcel(0, ns(4), rows), Parcel(1, ns(4)))
    logic = DeskLogic(DeskSettings(sources=2), logic.snapshot())
    before = logic.snapshot()

    changes = give(logic, Parcel(0, ns(10), [], [again]), Parcel(1, ns(10), [], [again]))

    assert [(c.alert.scope, str(c.transition.change)) for c in changes] == [
        ("A1", "RAISED"), ("A2", "RAISED"),
    ]  # fmt: skip
    assert all(c.again and not c.publish and not c.notify for c in changes)
    assert logic.snapshot()[3] == before[3]


@pytest.mark.parametrize(
    "raw",
    [b"{", b'{"type":"alert_closed"}', b'{"type":"silence_set","scope":"US-CASH"}',
     as_json(action("alert_closed", 5)).replace(b"}", b',"reason":"BORED"}')],
)  # fmt: skip
def test_a_message_that_cannot_be_read_changes_nothing(raw):
    logic = DeskLogic(ONE, None)

    changes = give(logic, Parcel(0, ns(10), [crossing(0)], [(ns(5), raw)]))

    assert [str(c.transition.change) for c in changes] == ["RAISED"]


def test_nothing_is_lost_when_the_flow_ends():
    logic = DeskLogic(DeskSettings(sources=2), None)
    give(logic, Parcel(0, ns(10), [crossing(0)]))

    assert logic.on_eof() == ([], False)
    resumed = DeskLogic(DeskSettings(sources=2), logic.snapshot())
    assert len(give(resumed, Parcel(1, ns(10)))) == 1


def test_a_snapshot_of_another_version_is_refused_in_words():
    snapshot = DeskLogic(ONE, None).snapshot()

    words = f"has version {VERSION + 1}, this program reads {VERSION}: start anew"
    with pytest.raises(RecoveryError, match=words):
        DeskLogic(ONE, (VERSION + 1, *snapshot[1:]))


def test_a_snapshot_is_plain_data():
    logic = DeskLogic(DeskSettings(sources=2), None)
    give(logic, Parcel(0, ns(1), [crossing(0), crossing(5)], [(ns(4), b"{}")]))

    version, watermarks, waiting, book, end = logic.snapshot()

    assert (version, watermarks) == (VERSION, {0: ns(1)})
    assert {type(x) for x in (waiting, book)} == {bytes}
    assert type(end) is int


# Properties


def straight(day, end):
    """The transitions of each row in the step's order, by the book alone."""
    rows = sorted(day, key=lambda row: _place(*row))
    book = AlertBook()
    out = [change for t, what in rows for change in happen(book, t, what)]
    return out + book.fire(ns(end))


def _place(t, what):
    if isinstance(what, Crossing):
        above = len(what.ancestors)
        return ns(t), 1, above, what.scope, what.type, what.seq, what.desk, _source_of(what)
    return ns(t), 0, as_json(what)


def _source_of(crossing):
    return desk_group(crossing.scope, SOURCES)


def streams_of(day, end):
    """Each source's parcels in order: its own crossings, everybody's control messages."""
    crossings, controls = as_rows(day)
    streams = []
    for source in range(SOURCES):
        mine = [(c.t, c, None) for c in crossings if _source_of(c) == source]
        mine += [(t, None, (t, raw)) for t, raw in controls]
        mine.sort(key=lambda row: row[0])
        parcels = [
            Parcel(source, t, [c] if c else [], [control] if control else [])
            for t, c, control in mine
        ]
        streams.append([*parcels, Parcel(source, ns(end) + 1)])
    return streams


def interleaved(streams, shuffle):
    left = [list(stream) for stream in streams]
    out = []
    while any(left):
        out.append(shuffle.choice([stream for stream in left if stream]).pop(0))
    return out


@settings(max_examples=150, deadline=None)
@given(days(), st.randoms(use_true_random=False))
def test_arrival_batches_and_resuming_change_nothing(day, shuffle):
    events, end = day
    arrivals = interleaved(streams_of(events, end), shuffle)
    logic, out = DeskLogic(DeskSettings(sources=SOURCES), None), []

    while arrivals:
        n = shuffle.randint(1, 6)
        out += give(logic, *arrivals[:n])
        arrivals = arrivals[n:]
        if shuffle.random() < 0.3:
            logic = DeskLogic(DeskSettings(sources=SOURCES), logic.snapshot())

    assert out == straight(events, end)


# Under the real engine


def a_day(seed=5):
    """A long day of eight desks."""
    dice = random.Random(seed)
    day, t = [], 0.0
    for i in range(600):
        t += dice.choice([0, 0.004, 0.5, 3, 40])
        desk, scope = f"D{i % 8}", f"O{dice.randrange(40)}"
        kind = dice.randrange(12)
        if kind == 0:
            day.append((t, venue_crossing(t, dice.choice(["HIGH", None]), desk=desk)))
        elif kind == 1:
            day.append((t, action("alert_acknowledged", t, scope, desk=desk)))
        elif kind == 2:
            scope = "*" if dice.random() < 0.3 else desk
            day.append((t, silence(t, t + 300, f"s{i}", scope, alert_type="VENUE_ISSUE")))
        else:
            severity = dice.choice(["LOW", "MEDIUM", "HIGH", "CRITICAL", None])
            day.append((t, crossing(t, severity, scope, desk=desk, main_venue="XNAS", seq=i)))
    return day, t + 4000


def by_desk(changes):
    out = {}
    for change in changes:
        out.setdefault(change.alert.desk, []).append(change)
    return out


def flow_of(items, out):
    """From the sources' parcels through the router to the step."""
    flow = Dataflow("desks")
    parcels = op.input("parcels", flow, TestingSource(items, batch_size=7))
    keyed = op.key_on("from", parcels, lambda parcel: GROUP_KEYS[parcel.source])
    routed = op.flat_map_batch("to_desks", keyed, DeskRouter(GROUPS))
    op.output(
        "changes", track_alerts("desks", routed, DeskSettings(sources=SOURCES)), TestingSink(out)
    )
    return flow


def parcels_of(day, end, seed=1):
    streams = streams_of(day, end)
    for source, stream in enumerate(streams):
        stream.append(Parcel(source, END_OF_TIME, end=ns(end)))
    return interleaved(streams, random.Random(seed))


@pytest.fixture(scope="module")
def expected():
    day, end = a_day()
    rows = sorted(day, key=lambda row: _place(*row))
    book = AlertBook()
    changes = [change for t, what in rows for change in happen(book, t, what)]
    return by_desk(changes + book.fire(ns(end)))


@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize("seed", [1, 2])
def test_the_alerts_do_not_depend_on_workers_or_on_arrival(expected, workers, seed):
    out = []
    flow = flow_of(parcels_of(*a_day(), seed), out)
    if workers == 1:
        run_main(flow)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)

    assert by_desk(change for _, change in out) == expected
    assert len(expected) == 8
    assert sum(map(len, expected.values())) > 1000
    assert {key for key, _ in out} <= set(GROUP_KEYS)


@pytest.mark.parametrize("stop", [50, 700])
def test_a_flow_that_was_killed_goes_on_from_its_last_epoch(expected, tmp_path, stop):
    items = parcels_of(*a_day())
    items.insert(stop, TestingSource.ABORT())
    init_db_dir(tmp_path, 1)
    out = []
    flow = flow_of(items, out)

    for _ in range(2):
        cluster_main(
            flow, [], 0, epoch_interval=timedelta(0), recovery_config=RecoveryConfig(str(tmp_path))
        )

    once = {(c.alert.alert_id, c.transition.seq): c for _, c in out}
    assert by_desk(once.values()) == expected


def test_the_step_gives_each_desks_transitions_in_order_of_time(expected):
    for changes in expected.values():
        times = [change.transition.at for change in changes]
        assert times == sorted(times)
    assert desk_group(DESK, GROUPS) in range(GROUPS)
    assert max(times) - min(times) > 3000 * SECOND
