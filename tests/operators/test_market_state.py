"""Growth, trimming and resuming of a symbol group's tables: no row may change by it."""

import itertools

import numba
import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.columns import EVENT, MARKET
from domain.errors import RecoveryError
from domain.instants import SECOND, parse_rfc3339
from domain.keys import group_of
from domain.vocabulary import Anomaly, Topic
from operators.increments import StateStore
from operators.market.logic import MarketLogic, MarketSettings
from operators.market.state import LATER_HORIZONS, VERSION, MarketState
from operators.pieces import Arrivals


def arrived(batch):
    progress = [(batch.source, batch.watermark, batch.ended)]
    return Arrivals(group_of("X"), progress, [batch])


def same_group(n, group=3):
    """Names of n symbols that share a key group."""
    found, i = [], 0
    while len(found) < n:
        i += 1
        if group_of(f"T{i}") == group:
            found.append(f"T{i}")
    return found


def chop(batch, rng, pieces):
    """The batch in pieces of random sizes, each with the watermark after it."""
    rows = batch.market if len(batch.market) else batch.events
    edges = np.unique([0, len(rows), *rng.integers(1, len(rows), pieces - 1).tolist()])
    out = []
    for a, b in itertools.pairwise(edges.tolist()):
        part = rows[a:b].copy()
        out.append(
            Batch(
                batch.source,
                part if rows.dtype == MARKET else np.empty(0, MARKET),
                part if rows.dtype == EVENT else np.empty(0, EVENT),
                names=batch.names,
                watermark=int(part["t_eff"][-1]),
            )
        )
    return out


TICKS = 900 if numba.config.DISABLE_JIT else 3000


def fast_tape(tape, ticks=TICKS, seconds=6.0, fills=60, seed=11, symbols=("X",)):
    """Thousands of quotes and prints in a few seconds, orders trading all along."""
    rng = np.random.default_rng(seed)
    mid = 50.0
    near = {symbol: [] for symbol in symbols}
    for i, t in enumerate(np.sort(rng.uniform(0, seconds, ticks)).round(4).tolist()):
        mid += 0.01 * rng.normal()
        symbol = symbols[i % len(symbols)]
        if i % 3:
            tape.quote(t, round(mid - 0.01, 3), round(mid + 0.01, 3), symbol)
        else:
            printed = (t, round(mid, 3), 100.0 * (1 + i % 4))
            tape.trade(*printed, symbol, venue="V")
            if t > 0.1:
                near[symbol].append(printed)
    for k in range(6):
        tape.accept(0.01 * k, 10_000, f"O{k}", symbol=symbols[k % len(symbols)])
    for i, t in enumerate(np.sort(rng.uniform(0.1, seconds, fills)).round(4).tolist()):
        # Half of the fills look like a print of the tape and so may find their own.
        k = i % 6
        printed = near[symbols[k % len(symbols)]]
        when, px, qty = (t, 50.0, 100.0 * (1 + i % 4)) if i % 2 else printed[i % len(printed)]
        tape.fill(when, qty, px, f"e{i}", order_id=f"O{k}", symbol=symbols[k % len(symbols)],
                  venue="V")  # fmt: skip
    tape.orders.sort(key=lambda m: parse_rfc3339(m.ts_event))


def read(lab, whole, plan, rng, settings, pieces=8, *, restart=False):
    """(final rows, records, fills) of the tape read in the order that `plan` gives."""
    desk = lab.Desk(settings)
    desk.push(whole[5])  # no routes: only the market and the orders hold each other up
    parts = {0: chop(whole[0], rng, pieces), 1: chop(whole[2], rng, pieces)}
    for source in plan:
        if parts[source]:
            desk.push(parts[source].pop(0))
            if restart:
                desk.restart()
    desk.push(*parts[0], *parts[1], whole[1], whole[3])
    fills = np.sort(np.concatenate([r.fills for r in desk.rows]), order=["order", "pos"])
    return (
        lab.finals(desk.rows).tobytes(),
        {k: v.tobytes() for k, v in lab.records(desk.rows).items()},
        fills.tobytes(),
    )


@pytest.mark.large
@pytest.mark.parametrize("lateness_s", [0, 1, 5])
def test_thousands_of_ticks_in_seconds_give_the_same_rows_however_they_are_read(
    tape, lab, lateness_s
):
    fast_tape(tape)
    if lateness_s:  # events of one second stored in disorder: late, but no more than allowed
        chance = np.random.default_rng(7).permutation(len(tape.orders))
        mixed = [tape.orders[i] for i in chance]
        tape.orders = sorted(mixed, key=lambda m: parse_rfc3339(m.ts_event) // SECOND)
    whole = tape.batches()
    rng = np.random.default_rng(lateness_s)
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=lateness_s * SECOND)
    plans = [
        [0] * 40 + [1] * 40,
        [1] * 40 + [0] * 40,
        [0, 1] * 40,
        *(rng.permutation([0] * 30 + [1] * 30).tolist() for _ in range(3)),
    ]

    results = [read(lab, whole, plan, rng, settings, int(rng.integers(3, 30))) for plan in plans]

    assert len(results[0][0]) > 50_000
    for other in results[1:]:
        assert other == results[0]


def test_a_restart_among_trimmed_ticks_changes_no_row(tape, lab):
    fast_tape(tape, ticks=1500, seconds=80.0)
    whole = tape.batches()
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=SECOND)
    straight = read(lab, whole, [0, 1] * 12, np.random.default_rng(1), settings, 12)

    for plan in ([0, 1] * 12, [0] * 12 + [1] * 12, [1] * 12 + [0] * 12):
        resumed = read(lab, whole, plan, np.random.default_rng(2), settings, 12, restart=True)
        assert resumed == straight


def test_an_event_later_than_allowed_gives_the_same_rows_however_it_is_read(tape, lab):
    fast_tape(tape, ticks=1500, seconds=30.0)
    tape.fill(2.0, 100, 50.0, "late", order_id="O0")
    whole = tape.batches()
    rng = np.random.default_rng(6)
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=SECOND)

    results = [
        read(lab, whole, plan, rng, settings, 60) for plan in ([0] * 60 + [1] * 60, [0, 1] * 60)
    ]

    assert results[0] == results[1]


def test_ticks_are_forgotten_once_no_event_can_ask_for_them(tape, lab):
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=SECOND)
    desk = lab.Desk(settings)
    for i in range(3000):
        tape.quote(i * 0.02, 9.9, 10.1, bid_size=1.0)
    rng = np.random.default_rng(0)
    for piece in chop(tape.batches()[0], rng, 60):
        desk.push(piece, *(Batch(i, watermark=piece.watermark) for i in (1, 2)))

    states = [logic.state for logic in desk.market.values() if logic.state.n_symbols]

    assert len(states) == 1
    assert states[0].ticks.shape[1] <= 512
    assert states[0].symbols[0]["lost"] == 1


def test_an_event_older_than_every_kept_tick_is_flagged_late(tape, lab):
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=SECOND)
    desk = lab.Desk(settings)
    for i in range(1500):
        tape.quote(i * 0.02, 9.9 + i * 0.001, 10.1 + i * 0.001)
    for piece in chop(tape.batches()[0], np.random.default_rng(0), 40):
        desk.push(piece, *(Batch(i, watermark=piece.watermark) for i in (1, 2)))
    late = lab.Tape()
    late.accept(1, 100)
    late.fill(2, 100, 10.0, "e1")
    batch = lab.effective(late.batch(1, late.orders), lab.T0 + 29 * SECOND)
    desk.push(batch, *(Batch(i, watermark=lab.T0 + 40 * SECOND, ended=True) for i in range(3)))

    found = lab.record(desk.rows)

    assert found["anomalies"] & Anomaly.LATE
    assert found["arrival_mid"] > 10.5, "the oldest market still known, not none"


def test_many_symbols_orders_and_fills_of_one_group_find_room(tape, lab):
    symbols = same_group(40)
    rng = np.random.default_rng(4)
    for t in np.sort(rng.uniform(0, 3, 1200)).round(4).tolist():
        symbol = symbols[int(rng.integers(40))]
        tape.quote(t, 9.9, 10.1, symbol)
    for i in range(100):
        tape.accept(0.001 * i, 1000, f"O{i}", symbol=symbols[i % 40])
    for i in range(300):
        tape.fill(0.2 + 0.009 * i, 10, 10.0, f"e{i}", order_id=f"O{i % 100}",
                  symbol=symbols[i % 100 % 40])  # fmt: skip
    whole = tape.batches()
    settings = MarketSettings(lab.INPUTS)
    straight = read(lab, whole, [0, 1], rng, settings, 1)

    assert read(lab, whole, [0] * 9 + [1] * 9, rng, settings, 9) == straight
    assert read(lab, whole, [1, 0] * 9, rng, settings, 9) == straight
    assert read(lab, whole, [1, 0] * 3, rng, settings, 3, restart=True) == straight
    assert len(straight[1]) == 100


def test_more_than_one_symbol_may_outgrow_its_ticks_and_prints(tape, lab):
    symbols = same_group(2)
    fast_tape(tape, ticks=1600, symbols=symbols)
    for t in np.linspace(0.5, 5.5, 400).round(4).tolist():
        tape.trade(t, 50.0, 100.0, symbols[0], venue="V", exec_id=f"x{t}")
    tape.market.sort(key=lambda m: m.ts_event)
    whole = tape.batches()
    rng = np.random.default_rng(8)
    settings = MarketSettings(lab.INPUTS, allowed_lateness_ns=SECOND)
    straight = read(lab, whole, [0, 1], rng, settings, 1)

    for plan in ([0] * 9 + [1] * 9, [0, 1] * 9, [1] * 9 + [0] * 9):
        assert read(lab, whole, plan, rng, settings, 9) == straight
    assert read(lab, whole, [0] * 4 + [1] * 4, rng, settings, 4, restart=True) == straight


@pytest.mark.large
def test_fills_whose_horizons_have_passed_make_room_for_new_ones(tape, lab):
    settings = MarketSettings(lab.INPUTS, horizons=LATER_HORIZONS[:2])
    for i in range(120):
        tape.quote(i * 0.5, 9.9 + 0.001 * i, 10.1 + 0.001 * i)
    tape.accept(0.1, 10_000)
    for i in range(420):
        tape.fill(0.2 + 0.13 * i, 10, 10.0, f"e{i}")
    whole = tape.batches()
    rng = np.random.default_rng(3)
    straight = read(lab, whole, [0, 1], rng, settings, 1)

    desk = lab.Desk(settings)
    for market, orders in zip(lab.cut(whole[0], 30), lab.cut(whole[2], 30), strict=True):
        desk.push(market, orders, Batch(2, watermark=orders.watermark))
    room = max(len(logic.state.followed) for logic in desk.market.values())
    assert room <= 512
    assert read(lab, whole, [0, 1] * 30, rng, settings, 30) == straight
    assert read(lab, whole, [1, 0] * 6, rng, settings, 6, restart=True) == straight


def test_a_snapshot_of_another_version_or_of_other_horizons_is_refused_in_words():
    store = StateStore(None)
    packed = MarketState().pack(store, "market-0")
    with pytest.raises(RecoveryError, match=rf"has version 99 .* reads version {VERSION}"):
        MarketState().unpack((99, *packed[1:]), store)
    with pytest.raises(RecoveryError, match="with horizons"):
        MarketState(LATER_HORIZONS[:3]).unpack(packed, store)


def test_orders_of_unknown_size_are_marked_until_they_fall_silent(tape, lab):
    settings = MarketSettings(lab.INPUTS, forget_idle_ns=30 * SECOND)
    tape.fill(1, 10, 10.0, "e1")
    tape.accept(1, 100, "B")
    for t in range(0, 100, 2):
        tape.quote(t, 9.9, 10.1)
    desk = lab.Desk(settings)
    desk.push(*tape.batches())

    rows = lab.statuses(desk.rows)
    newest = {
        int(key): int(rows["ts"][rows["order"] == key].max()) - lab.T0
        for key in np.unique(rows["order"])
    }

    assert sorted(ns // SECOND for ns in newest.values())[0] <= 98
    left = [logic.state.n_tracked for logic in desk.market.values()]
    assert sum(left) == 1, "only the order whose size is known is still tracked"


def test_a_stage_without_market_partitions_lets_orders_through(tape, lab):
    inputs = lab.INPUTS[1:]
    logic = MarketLogic(MarketSettings(inputs), None)
    tape.accept(1, 100)
    batch = lab.effective(tape.batch(1, tape.orders))

    (out,), gone = logic.on_batch([arrived(batch)])

    assert not gone
    assert len(out.events) == 1
    assert np.isnan(out.events["bid"][0])


def test_a_symbol_has_one_row_however_often_it_is_asked_for():
    state = MarketState()
    assert [state.slot_of(key) for key in (5, 6, 5)] == [0, 1, 0]
    assert state.n_symbols == 2


def test_a_print_that_names_our_execution_shortly_after_the_fill_is_ours(tape, run, lab):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    tape.fill(1, 100, 10.1, "e1")
    tape.trade(2, 10.1, 60, exec_id="e1")
    tape.trade(3, 10.1, 900, eligible=False)
    tape.quote(20, 9.9, 10.1)

    found = lab.record(run(tape))

    assert found["own_matched_qty"] == 60


def test_fills_of_two_partitions_are_followed_in_order_of_time(tape, lab):
    inputs = (*lab.INPUTS, Input(3, Topic.ORDERS, 1))
    tape.quote(-1, 9.9, 10.1)
    for t in range(1, 90):
        tape.quote(t, 9.9 + 0.01 * t, 10.1 + 0.01 * t)
    other = lab.Tape()
    for i in range(40):
        (tape if i % 3 else other).fill(1 + 0.5 * i, 10, 10.0, f"e{i}", order_id=f"O{i % 3}")
    whole, theirs = tape.batches(), other.batches()[2]
    theirs.source = 3
    theirs.events["source"] = 3
    results = []
    for first, second in ((whole[2], theirs), (theirs, whole[2])):
        desk = lab.Desk(MarketSettings(inputs))
        desk.push(whole[5], first, whole[0], second)
        desk.push(whole[1], whole[3], Batch(3, watermark=theirs.watermark, ended=True))
        records = {k: v.tobytes() for k, v in lab.records(desk.rows).items()}
        results.append((lab.finals(desk.rows).tobytes(), records))

    assert results[0] == results[1]
    assert lab.record(desk.rows, "O0")["markout_cost_60s_bps"] != "UNOBSERVED"


def test_what_comes_without_details_keeps_those_that_came_before(tape, lab):
    tape.accept(1, 100, broker="B")
    tape.say("order_suspended", 2)
    first, second = lab.cut(lab.effective(tape.batch(1, tape.orders)), 2)
    logic = MarketLogic(MarketSettings(lab.INPUTS), None)

    (out,), _ = logic.on_batch([arrived(first), arrived(second)])

    assert len(out.details) == 1
