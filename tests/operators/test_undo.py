"""Provisional rows: tried on the state itself and taken back without a trace."""

import numpy as np
import pytest

from domain.batch import Batch
from domain.instants import SECOND
from domain.keys import group_of, key_of
from domain.rows import STATUS
from domain.vocabulary import Anomaly
from operators.orders.shown import newest_of_each
from operators.orders.tables import ORDERS, arrays_of
from operators.orders.undo import Trials, memory, remember

FAMILY = {"parent_order_id": "P", "root_order_id": "P"}


def _bytes_of(tables):
    rows = {name: array.tobytes() for name, array in arrays_of(tables).items()}
    return tables.used.tobytes(), rows


def traded_family(tape, fills):
    """A family with fills at many venues, a bust and a correction."""
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100_000, "P", desk="CASH")
    tape.accept(0, 50_000, "C1", **FAMILY)
    tape.accept(0, 50_000, "C2", **FAMILY)
    for i in range(fills):
        tape.fill(1 + i * 0.01, 10, 10.0 + 0.01 * (i % 7), f"e{i}", order_id=f"C{1 + i % 2}",
                  venue=f"V{i % 9}", **FAMILY)  # fmt: skip
    tape.say("fill_busted", 8, "C1", exec_ref_id="e2", **FAMILY)
    tape.say("fill_corrected", 8.1, "C2", exec_ref_id="e3", last_qty=5.0, last_px=10.5, **FAMILY)


def more_events(tape):
    """What is shown before the market has passed it: new orders, repeats, rewrites."""
    tape.fill(20, 7, 10.3, "n1", order_id="C1", venue="NEW", **FAMILY)
    tape.fill(20, 10, 10.0, "e0", order_id="C1", venue="V0", **FAMILY)
    tape.say("fill_busted", 20.1, "C1", exec_ref_id="e4", **FAMILY)
    tape.accept(20.2, 500, "C3", **FAMILY)
    tape.fill(20.3, 5, 10.1, "n2", order_id="C3", venue="V1", **FAMILY)
    tape.fill(20.3, 6, 10.1, None, order_id="C3", venue="V1", **FAMILY)
    tape.accept(20.4, 50, "lone")
    tape.fill(20.5, 50, 10.1, "n3", order_id="lone")
    tape.say("order_cancelled", 20.6, "C2", **FAMILY)
    tape.say("fill_corrected", 20.7, "C2", exec_ref_id="e3", last_qty=4.0, last_px=10.5, **FAMILY)


def states(desk):
    return {
        key: (_bytes_of(logic.group.tables), table_of(logic.group.tables.order_table),
              table_of(logic.group.tables.exec_table))
        for key, logic in desk.orders.items()
    }  # fmt: skip


def table_of(table):
    return {int(key): int(row) for key, row in table if row}


@pytest.fixture
def waiting(tape, lab):
    """(desk that knows a family, the events that its market has not passed yet)"""

    def build(fills):
        traded_family(tape, fills)
        whole = tape.batches()
        desk = lab.Desk()
        desk.push(whole[0], whole[2])
        desk.push(*(Batch(i, watermark=lab.T0 + 15 * SECOND) for i in range(3)))
        assert lab.last_status(desk.rows, "P")["fills"] == fills - 1
        later = lab.Tape()
        more_events(later)
        events = lab.effective(
            later.batch(1, later.orders, ordinal=len(tape.orders), ingest=lab.T0 + 21 * SECOND),
            lab.T0 + 15 * SECOND,
        )
        return desk, events

    return build


@pytest.mark.parametrize("fills", [10, 80, 280])
def test_showing_what_waits_leaves_the_state_as_it_was(waiting, lab, fills):
    desk, events = waiting(fills)
    before = states(desk)

    desk.push(events, Batch(2, watermark=lab.T0 + 30 * SECOND))
    shown = lab.statuses(desk.wait())

    assert states(desk) == before
    assert shown["provisional"].all()
    assert len(shown) == len(set(shown["order"].tolist())) == 5
    of = dict(zip(shown["order"].tolist(), shown, strict=True))
    assert of[key_of("C3")]["cum_qty"] == 11
    assert of[key_of("lone")]["cum_qty"] == 50
    assert of[key_of("C1")]["restated"] or of[key_of("P")]["restated"]


def test_what_there_is_no_room_for_is_said_and_asked_for(waiting):
    desk, _ = waiting(10)
    (logic,) = [o for o in desk.orders.values() if int(o.group.tables.used[ORDERS])]
    tables, roots = logic.group.tables, np.array([key_of("P")], np.uint64)
    room = memory(64)

    n, k, f, v = remember(tables, roots, room)

    assert (n, f) == (3, 10)
    assert k > 10
    assert v > 3
    for name in ("slots", "kept", "refs", "venues"):
        scarce = room._replace(**{name: np.zeros(1, np.int64)})
        assert remember(tables, roots, scarce)[0] == -1, name
    before = _bytes_of(tables)
    trials = Trials()
    trials._memory = memory(1)
    trials.begin(tables, roots)
    tables.orders["order_qty"][:2] = 7.0
    trials.undo(tables)
    assert _bytes_of(tables) == before


def test_of_many_rows_each_order_s_last_is_chosen_as_of_few():
    status = np.zeros(600, STATUS)
    status["order"] = np.random.default_rng(3).integers(1, 40, 600)

    for rows in (status, status[:200]):
        last = {key: at for at, key in enumerate(rows["order"].tolist())}
        assert newest_of_each(rows).tolist() == sorted(last.values())


def test_what_was_shown_is_what_becomes_final(waiting, lab):
    desk, events = waiting(60)
    desk.push(events, Batch(2, watermark=lab.T0 + 30 * SECOND))
    shown = lab.statuses(desk.wait())

    final = lab.statuses(desk.push(*(Batch(i, watermark=lab.T0 + 24 * SECOND) for i in (0, 1))))
    final = final[final["numbered"] == 1]

    for row in shown:
        last = final[final["order"] == row["order"]][-1]
        for name in ("cum_qty", "avg_px", "state", "fills", "anomalies", "leaves_qty"):
            assert np.array_equal(row[name], last[name], equal_nan=True), name


def test_an_event_shown_twice_is_shown_once_and_new_ones_join_those_that_wait(waiting, lab):
    desk, events = waiting(30)
    first, second = lab.cut(events, 2)
    desk.push(first, Batch(2, watermark=lab.T0 + 30 * SECOND))
    assert len(lab.statuses(desk.wait()))
    assert not len(lab.statuses(desk.wait()))

    desk.push(second)
    shown = lab.statuses(desk.wait())

    assert len(shown)
    parent = shown[shown["order"] == key_of("P")]
    assert parent["fills"][0] == 29 + 4 - 1, "with the fills shown before, less the bust"

    desk.push(*(Batch(i, watermark=lab.T0 + 40 * SECOND) for i in range(3)))
    assert lab.last_status(desk.rows, "P")["fills"] == 32
    assert all(not len(logic.shown) for logic in desk.orders.values())


def test_a_state_that_was_shown_survives_a_restart(waiting, lab):
    calm, events = waiting(40)
    nervous = lab.Desk()
    nervous.market, nervous.orders = calm.market, calm.orders
    nervous.restart()
    for desk in (calm, nervous):
        desk.rows = []
        desk.push(events.__class__(events.source, events=events.events.copy(),
                                   details=events.details, names=events.names,
                                   watermark=events.watermark))  # fmt: skip
        if desk is nervous:
            desk.wait()
            desk.restart()
            desk.wait()
        desk.push(*(Batch(i, watermark=lab.T0 + 40 * SECOND) for i in range(3)))

    assert lab.finals(nervous.rows).tobytes() == lab.finals(calm.rows).tobytes()
    assert len(lab.finals(calm.rows)) > 5


def test_an_unknown_bust_is_shown_with_its_flag(tape, lab):
    desk = lab.Desk()
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    tape.say("fill_busted", 2, exec_ref_id="never")
    desk.push(
        lab.effective(tape.batch(0, tape.market)), Batch(2, watermark=lab.T0 + 9 * SECOND),
        lab.effective(tape.batch(1, tape.orders, ingest=lab.T0 + 3 * SECOND)),
    )  # fmt: skip

    (shown,) = lab.statuses(desk.wait())

    assert shown["anomalies"] & Anomaly.UNKNOWN_EXEC


def test_nothing_is_due_where_nothing_waits(tape, lab):
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    desk = lab.Desk()
    desk.push(*tape.batches())
    stages = [*desk.market.values(), *desk.orders.values()]
    assert all(stage.notify_at() is None for stage in stages)


def test_the_wait_begins_when_the_source_read_the_event(tape, lab):
    desk = lab.Desk()
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    ingest = lab.T0 + 3 * SECOND
    desk.push(lab.effective(tape.batch(1, tape.orders, ingest=ingest)))
    due = [s.notify_at() for s in desk.market.values() if s.notify_at()]
    assert [round((d.timestamp() - ingest / 1e9) * 1e3, 3) for d in due] == [5.0]

    replayed = lab.Desk()
    replayed.push(lab.effective(tape.batch(1, tape.orders)))
    assert all(s.notify_at() is None for s in replayed.market.values()), "files have no wait"


def test_other_families_of_the_group_are_left_alone(tape, lab):
    roots = [f"R{i}" for i in range(9999) if group_of(f"R{i}") == 5][:320]
    assert len(roots) == 320
    tape.quote(-1, 9.9, 10.1)
    for root in roots:
        family = {"parent_order_id": root, "root_order_id": root}
        tape.accept(0, 100, root)
        tape.fill(1, 10, 10.0, "e", order_id=f"{root}.1", venue="V", **family)
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], whole[2], *(Batch(i, watermark=lab.T0 + 5 * SECOND) for i in range(3)))
    before = states(desk)
    later = lab.Tape()
    for root in roots[:290]:
        later.say("order_suspended", 6, root)
    desk.push(
        lab.effective(later.batch(1, later.orders, ordinal=5000, ingest=lab.T0 + 7 * SECOND)),
        Batch(2, watermark=lab.T0 + 9 * SECOND),
    )

    shown = lab.statuses(desk.wait())

    assert set(shown["order"].tolist()) == {key_of(root) for root in roots[:290]}
    assert states(desk) == before


def test_an_order_of_hundreds_of_events_is_tried_whole(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 1000, "A")
    for i in range(300):
        tape.say("order_pending_cancel" if i % 2 else "cancel_rejected", 1, "A", seq=i)
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], whole[2], *(Batch(i, watermark=lab.T0 + 5 * SECOND) for i in range(3)))
    before = states(desk)
    later = lab.Tape()
    later.fill(6, 1, 10.0, "x", order_id="A", venue="W")
    events = later.batch(1, later.orders, ordinal=900, ingest=lab.T0 + 7 * SECOND)
    desk.push(lab.effective(events), Batch(2, watermark=lab.T0 + 9 * SECOND))
    assert len(lab.statuses(desk.wait())) == 1
    assert states(desk) == before


def test_a_family_of_hundreds_of_venues_is_tried_whole(tape, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 1000, "P")
    for i in range(200):
        tape.fill(1 + 0.01 * i, 1, 10.0, f"e{i}", order_id="C", venue=f"V{i}", **FAMILY)
    whole = tape.batches()
    desk = lab.Desk()
    desk.push(whole[0], whole[2], *(Batch(i, watermark=lab.T0 + 5 * SECOND) for i in range(3)))
    before = states(desk)
    later = lab.Tape()
    later.fill(6, 1, 10.0, "x", order_id="C", venue="V7", **FAMILY)
    events = later.batch(1, later.orders, ordinal=900, ingest=lab.T0 + 7 * SECOND)
    desk.push(lab.effective(events), Batch(2, watermark=lab.T0 + 9 * SECOND))

    assert lab.statuses(desk.wait())["cum_qty"].tolist() == [201, 201]
    assert states(desk) == before
    (logic,) = [o for o in desk.orders.values() if o.group.tables.used[0]]
    assert logic._show(logic.shown.rows) == [], "shown already"


def test_a_market_that_stays_silent_shows_only_what_is_new(tape, lab):
    """Two partitions wait: what one of them has shown is not sent again with the other's."""
    tape.accept(1, 100, "A")
    tape.say("route_sent", 1.5, "A", route_id="r", order_qty=10.0)
    desk = lab.Desk()
    ingest = lab.T0 + 2 * SECOND
    desk.push(lab.effective(tape.batch(1, tape.orders, ingest=ingest)))
    assert len(lab.statuses(desk.wait())) == 1
    desk.push(lab.effective(tape.batch(2, tape.routes, ingest=ingest)))
    desk.wait()
    assert all(not len(logic._provisional()) for logic in desk.market.values())
