"""The meaning of time: values depend on what was stored, never on when it was read."""

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.instants import SECOND
from domain.keys import key_of
from domain.rows import HORIZON_NAMES
from domain.vocabulary import Anomaly, EventKind, Topic
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.orders.process import WAIT
from operators.orders.shown import Shown
from operators.orders.tables import reserve
from operators.pieces import STAMPED
from operators.split import route_to_orders


def busy_desk(tape, seed=3, symbols=3, orders=12, seconds=90.0):
    """A random desk: quotes and prints, orders that fill, some parents with children."""
    rng = np.random.default_rng(seed)
    for s in range(symbols):
        mid = 50.0 + 10 * s
        for t in np.sort(rng.uniform(-5, seconds, 150)):
            mid += rng.normal() * 0.01
            if rng.random() < 0.6:
                tape.quote(float(t), round(mid - 0.01, 4), round(mid + 0.01, 4), f"S{s}")
            else:
                tape.trade(float(t), round(mid, 4), float(rng.integers(1, 9) * 100), f"S{s}")
    tape.market.sort(key=lambda m: m.ts_event)
    for i in range(orders):
        start = float(rng.uniform(0, seconds / 2))
        more = {"symbol": f"S{i % symbols}", "side": "SELL" if i % 2 else "BUY"}
        if i % 4 == 3:
            more |= {"parent_order_id": "O0", "root_order_id": "O0", "symbol": "S0", "side": "BUY"}
        tape.accept(start, 1000, f"O{i}", schedule=("TWAP", start, start + 40, None), **more)
        for j, t in enumerate(np.sort(rng.uniform(start, start + 40, 6))):
            tape.fill(float(t), 100.0, 50.0 + 10 * (i % symbols), f"e{j}", order_id=f"O{i}", **more)
    tape.orders.sort(key=lambda m: m.ts_event)


def drain(lab, tape, order):
    """Final rows when batches of the inputs are read in the given order of inputs."""
    desk = lab.Desk()
    parts = {}
    whole = tape.batches()
    for batch in whole[::2]:
        parts[batch.source] = lab.cut(batch, 7)
    for source in order:
        if parts[source]:
            desk.push(parts[source].pop(0))
    for rest in parts.values():
        desk.push(*rest)
    desk.push(*whole[1::2])
    return lab.finals(desk.rows), lab.records(desk.rows)


def test_market_before_after_or_between_the_orders_gives_the_same_rows(tape, lab):
    busy_desk(tape)
    rng = np.random.default_rng(0)
    plans = [
        [0] * 7 + [1] * 7,
        [1] * 7 + [0] * 7,
        *([int(x) for x in rng.permutation([0] * 7 + [1] * 7)] for _ in range(6)),
    ]

    results = [drain(lab, tape, plan) for plan in plans]

    first_rows, first_records = results[0]
    assert len(first_rows) > 80
    for rows, records in results[1:]:
        assert rows.tobytes() == first_rows.tobytes()
        assert {k: v.tobytes() for k, v in records.items()} == {
            k: v.tobytes() for k, v in first_records.items()
        }


@pytest.mark.large
def test_a_restart_at_any_point_gives_the_same_rows(tape, lab):
    busy_desk(tape, orders=8)
    whole = tape.batches()
    pieces = [
        p for pair in zip(lab.cut(whole[0], 6), lab.cut(whole[2], 6), strict=True) for p in pair
    ]
    pieces += whole[1::2]
    undisturbed = lab.Desk()
    undisturbed.push(*pieces)

    for point in range(1, len(pieces)):
        desk = lab.Desk()
        desk.push(*pieces[:point])
        desk.restart()
        desk.push(*pieces[point:])
        assert lab.finals(desk.rows).tobytes() == lab.finals(undisturbed.rows).tobytes()


def test_a_quote_at_the_instant_of_a_fill_is_not_visible_to_it(tape, run, lab):
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    tape.quote(2, 10.9, 11.1)
    tape.fill(2, 100, 10.1, "e1")

    assert lab.record(run(tape))["effective_spread_exec_mid_bps"] == pytest.approx(200.0)


def test_the_market_sequence_decides_between_events_of_one_instant(tape, run, lab):
    tape.quote(0, 9.9, 10.1, seq=1)
    tape.accept(1, 100)
    tape.quote(2, 10.9, 11.1, seq=2)
    tape.quote(2, 11.9, 12.1, seq=3)
    tape.fill(2, 100, 11.1, "e1", market_seq=2)

    found = lab.record(run(tape))

    assert found["effective_spread_exec_mid_bps"] == pytest.approx(2 * 0.1 / 11 * 1e4)


def test_prints_at_both_edges_of_the_window_count(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    for t, size in ((0, 100), (1, 200), (2, 400), (3, 800)):
        tape.trade(t, 10.0 + t, size)
    tape.accept(0, 10)
    tape.fill(2, 10, 10.0, "e1")

    assert lab.record(run(tape))["market_qty"] == 700


def test_a_late_tick_acts_when_it_was_stored_and_an_old_quote_is_dropped(tape, lab):
    tape.quote(0, 9.9, 10.1)
    tape.quote(5, 10.9, 11.1)
    tape.quote(3, 8.9, 9.1)  # older than the symbol's own last quote
    tape.trade(4, 10.0, 500)  # late, but a print is a print: it acts at 5
    tape.accept(0.5, 100)
    tape.fill(4.5, 50, 10.1, "e1")
    tape.fill(6, 50, 11.1, "e2")
    desk = lab.Desk()
    desk.push(*tape.batches())

    found = lab.finals(desk.rows)

    assert found["market_qty"].tolist() == [0, 0, 500]
    assert found["bid"].tolist() == [9.9, 9.9, 10.9]


def late_fill(tape, t, px):
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    tape.quote(4, 10.9, 11.1)
    tape.quote(20, 11.9, 12.1)
    tape.fill(21, 50, 12.1, "e2")
    tape.fill(t, 50, px, "e1")


def test_a_late_fill_meets_the_market_of_its_own_time(tape, run, lab):
    late_fill(tape, 17, 11.1)

    rows = run(tape)
    found = lab.record(rows)

    assert found["effective_spread_exec_mid_bps"] == pytest.approx(
        2 * (0.1 + 0.1) / (11.0 + 12.0) * 1e4
    )
    assert not found["anomalies"] & Anomaly.LATE
    assert lab.last_status(rows)["restated"] == 1


def test_a_fill_later_than_allowed_meets_the_oldest_market_that_is_kept_and_is_flagged(
    tape, run, lab
):
    late_fill(tape, 3, 10.1)

    found = lab.record(run(tape))

    # 5 s behind the 21 s at which it was stored the mid was 11, not the 10 of its own time
    assert found["effective_spread_exec_mid_bps"] == pytest.approx(
        2 * (10.1 - 11.0 + 12.1 - 12.0) / (11.0 + 12.0) * 1e4
    )
    assert found["anomalies"] & Anomaly.LATE


def test_marks_lie_at_the_familys_own_phase_and_stop_with_the_input(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100, "P")
    tape.accept(1, 100, "C", parent_order_id="P", root_order_id="P")
    for t in range(1, 31):
        tape.quote(t, 9.9, 10.1)
    rows = lab.statuses(run(tape))

    marks = rows[(rows["kind"] == EventKind.MARK) & (rows["order"] == key_of("P"))]

    # The last one comes again, numbered, beside the record.
    assert len(np.unique(marks["ts"])) == 6
    assert set(np.diff(np.unique(marks["ts"]))) == {5 * SECOND}
    child = rows[(rows["kind"] == EventKind.MARK) & (rows["order"] == key_of("C"))]
    assert set(child["ts"]) <= set(marks["ts"])
    assert marks["ts"].max() <= lab.T0 + 30 * SECOND


def test_every_sixty_seconds_a_mark_takes_a_number(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for t in range(1, 200, 3):
        tape.quote(t, 9.9, 10.1)
    rows = lab.statuses(run(tape))
    marks = rows[rows["kind"] == EventKind.MARK]

    numbered = marks[marks["numbered"] == 1]

    assert len(numbered) in {3, 4}
    assert set(np.diff(numbered["ts"])) == {60 * SECOND}
    assert numbered["seq"].tolist() == list(range(2, 2 + len(numbered)))
    assert len(marks) >= 38


def test_a_closed_order_has_no_marks(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 100, 10.0, "e1", cum_qty=100.0)
    tape.quote(60, 9.9, 10.1)

    rows = lab.statuses(run(tape))

    assert rows["ts"].max() == lab.T0 + SECOND


def live(lab, **more):
    settings = MarketSettings(lab.INPUTS, **more)
    return lab.Desk(settings, OrderSettings())


def silent_market(tape, lab):
    """A desk whose market is silent behind the acceptance and the fill of an order."""
    desk = live(lab)
    tape.quote(0, 9.9, 10.1)
    quote = lab.effective(tape.batch(0, tape.market))
    tape.accept(1, 100)
    tape.fill(1.5, 40, 10.1, "e1")
    events = lab.effective(tape.batch(1, tape.orders, ingest=lab.T0 + 2 * SECOND))
    desk.push(quote, Batch(2, watermark=lab.T0 + 3 * SECOND), events)
    return desk


def two_acceptances(tape, lab):
    """Stamped rows of orders A and B, which came in at 5 s."""
    tape.accept(1, 100)
    tape.accept(2, 100, order_id="B")
    events = lab.effective(tape.batch(1, tape.orders, ingest=lab.T0 + 5 * SECOND)).events
    rows = np.zeros(2, STAMPED)
    for name in events.dtype.names:
        rows[name] = events[name]
    return rows


def test_a_silent_market_shows_a_provisional_row_and_then_the_same_final_one(tape, lab):
    desk = silent_market(tape, lab)
    assert not len(lab.statuses(desk.rows))

    shown = lab.statuses(desk.wait())

    assert shown["provisional"].tolist() == [1]
    assert shown["cum_qty"].tolist() == [40]
    assert shown["seq"].tolist() == [-1]
    assert not len(lab.statuses(desk.wait())), "shown once"

    desk.push(Batch(0, watermark=lab.T0 + 3 * SECOND), Batch(1, watermark=lab.T0 + 3 * SECOND))
    found = lab.finals(desk.rows)
    assert found["seq"].tolist() == [1, 2]
    assert found["cum_qty"].tolist() == [0, 40]
    assert found["avg_px"][1] == shown["avg_px"][0] == 10.1


def test_what_was_shown_and_waits_keeps_its_names_when_others_leave(tape, lab):
    desk = silent_market(tape, lab)
    desk.wait()
    (logic,) = [logic for logic in desk.orders.values() if len(logic.shown)]
    assert not len(logic.waiting)

    logic.watermarks = dict.fromkeys(range(16), (lab.T0, lab.T0, lab.T0))
    logic.next_eviction = lab.T0 - 1
    logic._advance(logic.waiting.rows)

    assert {"A", "e1"} <= set(logic.group.names.values())


def test_what_is_shown_next_keeps_its_names_when_others_leave(tape, lab):
    tape.accept(1, 100)
    desk = live(lab)
    desk.push(lab.effective(tape.batch(1, tape.orders, ingest=lab.T0 + 2 * SECOND)))
    (market,) = [m for m in desk.market.values() if m.notify_at() is not None]
    [piece] = market.on_notify()[0]
    (arriving,) = [p for _, p in route_to_orders([("", piece)], 16) if len(p.provisional)]
    arriving.watermarks = dict.fromkeys(range(16), (lab.T0, lab.T0, lab.T0))
    logic = OrderLogic(OrderSettings(), None)
    logic.next_eviction = lab.T0 - 1

    rows = [r for r in logic.on_batch([arriving])[0] if len(r.status)]

    assert rows[0].names[int(rows[0].status["order"][0])] == "A"


def test_what_was_shown_already_is_not_waited_for_again(tape, lab):
    rows = two_acceptances(tape, lab)
    shown = Shown()
    assert shown.waiting_since(rows) == lab.T0 + 5 * SECOND

    shown.add(rows[1:])
    assert shown.waiting_since(rows) == lab.T0 + 5 * SECOND
    shown.add(rows[:1])

    assert shown.waiting_since(rows) is None
    assert not len(shown.unseen(rows))
    family = shown.together(rows, np.array([key_of("A")], np.uint64))
    assert family["order"].tolist() == [key_of("A")], "once, and none of another family"


def test_rows_that_the_watermark_has_not_passed_come_again(tape, lab):
    rows = two_acceptances(tape, lab)
    group = OrderLogic(OrderSettings(), None).group
    group.tables = reserve(group.tables, rows)
    later = np.zeros(2, np.uint8)

    found = group.fold(rows, later, lab.T0 + 2 * SECOND, lab.T0 + 2 * SECOND)

    assert later.tolist() == [0, WAIT]
    assert found.status["order"].tolist() == [key_of("A")]


def test_provisional_rows_leave_no_trace_in_the_state(tape, lab):
    busy_desk(tape, orders=9)
    whole = tape.batches()
    plain, nervous = live(lab), live(lab)
    market, orders = lab.cut(whole[0], 5), lab.cut(whole[2], 5)
    for o in orders:
        o.events["ts_ingest"] = lab.T0
    for desk in (plain, nervous):
        for m, o in zip(market, orders, strict=True):
            desk.push(o)
            if desk is nervous:
                desk.wait()
            desk.push(m)
            if desk is nervous:
                desk.wait()
        desk.push(*whole[1::2])

    assert lab.statuses(nervous.rows)["provisional"].sum() > 5
    assert lab.finals(plain.rows).tobytes() == lab.finals(nervous.rows).tobytes()
    for k, row in lab.records(plain.rows).items():
        assert row.tobytes() == lab.records(nervous.rows)[k].tobytes()


def test_a_dead_clock_delays_the_final_row_but_not_the_provisional_one(tape, lab):
    inputs = (*lab.INPUTS, Input(3, Topic.CONTROL, 0))
    desk = lab.Desk(MarketSettings(inputs), OrderSettings())
    tape.quote(0, 9.9, 10.1)
    tape.quote(30, 9.9, 10.1)
    tape.accept(20, 100)
    desk.push(
        lab.effective(tape.batch(0, tape.market)),
        lab.effective(tape.batch(1, tape.orders, ingest=lab.T0 + 2 * SECOND)),
        Batch(1, watermark=lab.T0 + 30 * SECOND),
        Batch(2, watermark=lab.T0 + 30 * SECOND),
        Batch(3, watermark=lab.T0 + 10 * SECOND),  # the clock of this partition stopped
    )

    assert not len(lab.finals(desk.rows))
    assert lab.statuses(desk.wait())["provisional"].tolist() == [1]

    desk.push(Batch(3, watermark=lab.T0 + 29 * SECOND))
    assert lab.finals(desk.rows)["seq"].tolist() == [1]


def test_halts_and_crossed_books_are_left_out_of_the_twap(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.market.append(type(tape.market[0])(type="halted", ts_event=lab.at(10), symbol="X"))
    tape.market.append(type(tape.market[0])(type="resumed", ts_event=lab.at(20), symbol="X"))
    tape.quote(20, 10.9, 11.1)
    tape.quote(30, 12.0, 11.0)  # crossed
    tape.quote(40, 12.9, 13.1)
    tape.fill(50, 100, 13.0, "e1")

    found = lab.record(run(tape))

    assert found["twap"] == pytest.approx((10 * 10 + 11 * 10 + 13 * 10) / 30)


def test_a_crossed_market_is_a_reason_not_a_number(tape, run, lab):
    tape.quote(-1, 10.2, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 100, 10.1, "e1")

    found = lab.record(run(tape))

    assert found["arrival_mid"] == found["slippage_bps"] == "CROSSED"


def test_own_prints_are_found_by_id_and_else_by_price_size_and_venue(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.trade(0.5, 10.0, 1000)
    tape.trade(1.0, 10.1, 100, exec_id="e1", venue="V")
    tape.trade(3.5, 10.1, 200, venue="V")  # 1.5 s after our fill
    tape.trade(3.6, 10.1, 200, venue="V")  # a second one like it is somebody else's
    tape.trade(9.0, 10.1, 300, venue="V")  # too late to be ours
    tape.accept(0, 600)
    tape.fill(1, 100, 10.1, "e1", venue="V")
    tape.fill(2, 200, 10.1, "e2", venue="V")
    tape.fill(5, 300, 10.1, "e3", venue="V")
    tape.quote(20, 9.9, 10.1)

    found = lab.record(run(tape))

    assert found["own_matched_qty"] == 300


def test_markouts_look_back_by_whole_seconds_and_forward_exactly(tape, run, lab):
    for t in range(-70, 70):
        tape.quote(t + 0.5, 100 + t - 0.5, 100 + t + 0.5)
    tape.accept(-10, 100)
    tape.fill(0.7, 100, 100.0, "e1")

    found = lab.record(run(tape))

    # the newest quote before second −60 is that of −60.5, whose mid is 39
    assert found["markout_cost_m60s_bps"] == pytest.approx((100 - 39) / 100 * 1e4)
    assert found["markout_cost_m5s_bps"] == pytest.approx((100 - 94) / 100 * 1e4)
    assert found["markout_cost_0s_bps"] == pytest.approx(0)
    assert found["markout_cost_5s_bps"] == pytest.approx(-5 / 100 * 1e4)
    assert found["reversion_60s_bps"] == pytest.approx(-60 / 100 * 1e4)
    assert found["markout_cost_300s_bps"] == "UNOBSERVED"


def test_an_order_leaves_memory_an_hour_after_its_end(tape, lab):
    desk = lab.Desk()
    busy_desk(tape, orders=8)
    for i in range(8):
        child = {"parent_order_id": "O0", "root_order_id": "O0"} if i % 4 == 3 else {}
        tape.say(
            "order_cancelled", 95, f"O{i}", **{"symbol": "S0" if child else f"S{i % 3}", **child}
        )
    tape.accept(96, 100, "open", symbol="S0")
    for t in (200, 3600, 3700, 3800, 3900):
        tape.quote(t, 9.9, 10.1, "S0")
    whole = tape.batches()
    desk.push(whole[0], whole[2], *(Batch(i, watermark=lab.T0 + 3500 * SECOND) for i in (1, 2)))
    held = sum(int(o.group.tables.used[0]) for o in desk.orders.values())
    assert held == 9
    for t in (3600, 3700, 3800):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))

    assert sum(int(o.group.tables.used[0]) for o in desk.orders.values()) == 1
    gone = lab.records(desk.rows)
    assert set(gone) == {key_of(f"O{i}") for i in range(8)}
    assert sum(len(r.fills) for r in desk.rows) == 48
    names = {n for o in desk.orders.values() for n in o.group.names.values()}
    assert "open" in names
    assert "O1" not in names


def test_what_stays_is_untouched_when_others_leave(tape, lab):
    tape.quote(0, 9.9, 10.1)
    for name, end in (("done", True), ("P", False)):
        tape.accept(1, 100, name)
        tape.accept(2, 100, f"{name}.c", parent_order_id=name, root_order_id=name)
        for j in range(3):
            tape.fill(3 + j, 20, 10 + j, f"e{j}", order_id=f"{name}.c", parent_order_id=name,
                      root_order_id=name, venue=f"V{j}")  # fmt: skip
        if end:
            tape.say("order_cancelled", 9, f"{name}.c", parent_order_id=name, root_order_id=name)
            tape.say("order_cancelled", 9, name)
    late = lab.Tape()
    late.fill(4200, 10, 12.0, "z", order_id="P.c", parent_order_id="P", root_order_id="P")
    late.say("fill_busted", 4201, "P.c", exec_ref_id="e1", parent_order_id="P",
             root_order_id="P")  # fmt: skip
    results = []
    for evict_after in (3600, 10**6):
        desk = lab.Desk(orders=OrderSettings(evict_after_ns=evict_after * SECOND))
        whole = tape.batches()
        desk.push(whole[0], whole[2])
        for t in (100, 200, 3700, 3800, 4100):
            desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))
        more = lab.effective(late.batch(1, late.orders, ordinal=100), lab.T0 + 4100 * SECOND)
        desk.push(more, *(Batch(i, watermark=lab.T0 + 4300 * SECOND, ended=True) for i in range(3)))
        found = lab.records(desk.rows)
        results.append({k: found[key_of(k)].tobytes() for k in ("P", "P.c")})
        open_now = sum(int(o.group.tables.used[0]) for o in desk.orders.values())
        assert open_now == (2 if evict_after == 3600 else 4)

    assert results[0] == results[1]


def test_horizons_have_names_in_order_of_time():
    assert HORIZON_NAMES[3] == "0s"
    assert HORIZON_NAMES[-1] == "next_close"
