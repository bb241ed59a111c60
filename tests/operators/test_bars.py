"""Bars of a second of the symbols that somebody trades."""

import numpy as np
import pytest

from domain.batch import Batch
from domain.instants import NO_TIME, SECOND
from domain.keys import key_of
from domain.rows import BAR
from operators.market.bars import Bars
from operators.market.logic import MarketLogic, MarketSettings
from operators.market.state import MarketState
from operators.pieces import Arrivals
from operators.split import groups_fed, split_batches


class BarDesk:
    """The market stage of every group with bars on, stepped by hand."""

    def __init__(self, lab, **more):
        self.lab = lab
        self.settings = MarketSettings(lab.INPUTS, bars=True, **more)
        self.logics = {}
        self.out = []

    def push(self, *batches):
        for batch in batches:
            for key, piece in split_batches([batch], groups_fed(self.settings.inputs, 16), 16):
                logic = self.logics.setdefault(key, MarketLogic(self.settings, None))
                self.out += logic.on_batch([piece])[0]

    def restart(self):
        self.logics = {k: MarketLogic(self.settings, v.snapshot()) for k, v in self.logics.items()}

    def bars(self):
        """(symbol, second, trades, open, high, low, close, volume, vwap), by symbol and time."""
        found = []
        for piece in self.out:
            for bar in piece.bars:
                name = piece.names[-1][int(bar["symbol"])]
                second = (int(bar["ts"]) - self.lab.T0) / SECOND
                prices = (bar[n].item() for n in ("open", "high", "low", "close", "volume", "vwap"))
                found.append((name, second, int(bar["trades"]), *prices))
        return sorted(found)

    def rows(self):
        found = np.concatenate([piece.bars for piece in self.out])
        return found[np.lexsort((found["ts"], found["symbol"]))].tobytes()


def arrived(group, batch):
    return Arrivals(group, [(batch.source, batch.watermark, batch.ended)], [batch])


@pytest.fixture
def traded(tape):
    tape.quote(-1, 9.9, 10.1)
    tape.trade(-0.5, 9.0, 100)
    tape.accept(1.5, 100)
    for t, price, size in ((1.0, 10.0, 100), (1.25, 10.4, 200), (1.5, 9.8, 100), (1.999, 10.0, 100),
                           (3.0, 10.1, 50)):  # fmt: skip
        tape.trade(t, price, size)
    tape.quote(3.5, 10.0, 10.2)
    tape.trade(4.5, 10.2, 70)
    tape.say("order_cancelled", 3.25)
    return tape


def test_a_bar_holds_what_was_traded_in_its_second(traded, lab):
    desk = BarDesk(lab)
    desk.push(*traded.batches())

    assert desk.bars() == [
        ("X", 1.0, 4, 10.0, 10.4, 9.8, 10.0, 500.0, pytest.approx(5060 / 500)),
        ("X", 3.0, 1, 10.1, 10.1, 10.1, 10.1, 50.0, pytest.approx(10.1)),
    ]
    last = [bar for piece in desk.out for bar in piece.bars][-1]
    assert (last["bid"], last["ask"]) == (10.0, 10.2), "the last quote in it"


def test_a_bar_is_given_once_every_input_is_past_its_end(traded, lab):
    desk = BarDesk(lab)
    market, market_end, orders, orders_end, *routes = traded.batches()
    desk.push(market, orders)
    assert not desk.bars()

    desk.push(Batch(2, watermark=lab.T0 + 2 * SECOND - 1))
    assert not desk.bars()
    desk.push(Batch(2, watermark=lab.T0 + 2 * SECOND))
    assert [bar[1] for bar in desk.bars()] == [1.0]
    desk.push(market_end, orders_end, *routes)
    assert [bar[1] for bar in desk.bars()] == [1.0, 3.0]


def test_only_prints_that_count_are_in_a_bar(tape, lab):
    tape.accept(0, 100)
    tape.quote(0.5, 9.9, 10.1)
    tape.trade(0.6, 99.0, 1000, conditions=["AVERAGE_PRICE"])
    tape.trade(2.5, 10.0, 100)
    desk = BarDesk(lab)
    desk.push(*tape.batches())

    assert [bar[:2] for bar in desk.bars()] == [("X", 2.0)]


def test_a_late_tick_is_in_the_bar_of_the_time_it_became_known(tape, lab):
    tape.accept(0, 100)
    tape.trade(1.2, 10.0, 100)
    tape.trade(2.2, 11.0, 100)
    tape.trade(1.3, 12.0, 100)
    desk = BarDesk(lab)
    desk.push(*tape.batches())

    assert [(bar[1], bar[2], bar[6]) for bar in desk.bars()] == [(1.0, 1, 10.0), (2.0, 2, 12.0)]


def test_a_symbol_has_bars_while_one_of_its_orders_is_open(tape, lab):
    for t in range(40):
        for symbol in ("X", "Y", "Z"):
            tape.trade(t + 0.5, 10.0, 100, symbol)
    tape.accept(2, 100)
    tape.accept(4, 50, "B")
    tape.fill(6, 50, 10.0, "e", order_id="B", leaves_qty=0.0)
    tape.fill(5, 100, 10.0, "e", leaves_qty=0.0)
    tape.accept(20, 100, "P", symbol="Y")
    tape.accept(21, 100, "C", parent_order_id="P", root_order_id="P", symbol="Y")
    tape.fill(23, 100, 10.0, "e", order_id="C", symbol="Y", parent_order_id="P",
              root_order_id="P")  # fmt: skip
    tape.accept(30, 100, "D")
    tape.orders.sort(key=lambda m: m.ts_event)
    desk = BarDesk(lab)
    desk.push(*tape.batches())

    found = [(name, int(second)) for name, second, *_ in desk.bars()]
    assert found == [
        *(("X", s) for s in (*range(2, 7), *range(30, 40))),
        *(("Y", s) for s in range(20, 24)),
    ]


def test_an_order_whose_size_was_never_said_counts_until_it_was_silent_for_long(tape, lab):
    for t in range(20):
        tape.trade(t + 0.5, 10.0, 100)
    tape.fill(2, 50, 10.0, "e")
    tape.quote(40, 9.9, 10.1)
    whole = tape.batches()
    found = []
    for pieces in (1, 12):
        desk = BarDesk(lab, forget_idle_ns=8 * SECOND, mark_interval_ns=SECOND)
        desk.push(whole[2], *lab.cut(whole[0], pieces), *whole[4:], whole[3], whole[1])
        found.append([int(bar[1]) for bar in desk.bars()])

    assert found == [list(range(2, 11))] * 2


@pytest.mark.parametrize(
    ("pieces", "market_first", "restart"),
    [(1, True, False), (7, True, True), (7, False, False), (20, False, True), (20, True, False)],
)
def test_bars_do_not_depend_on_how_the_inputs_are_read(tape, lab, pieces, market_first, restart):
    rng = np.random.default_rng(5)
    symbols = [f"S{i}" for i in range(8)]
    for t in np.sort(rng.uniform(0, 30, 800)):
        symbol = symbols[rng.integers(8)]
        if rng.random() < 0.3:
            tape.quote(float(t), 9.9, 10.1, symbol)
        else:
            tape.trade(float(t), round(float(rng.normal(10, 0.1)), 2), 100.0, symbol)
    for i in range(16):
        start = float(rng.uniform(0, 25))
        more = {"symbol": symbols[rng.integers(8)]}
        tape.accept(start, 100, f"O{i}", **more)
        tape.say("order_cancelled", start + float(rng.uniform(0, 6)), f"O{i}", **more)
    tape.orders.sort(key=lambda m: m.ts_event)
    whole = tape.batches()
    straight = BarDesk(lab)
    straight.push(*whole)

    desk = BarDesk(lab)
    cut = [lab.cut(whole[0], pieces), lab.cut(whole[2], pieces)]
    if market_first:
        turns = [*cut[0], *cut[1]]
    else:
        turns = [part for pair in zip(*cut, strict=True) for part in pair[::-1]]
    for batch in turns:
        desk.push(batch)
        if restart:
            desk.restart()
    desk.push(*whole[4:], whole[1], whole[3])

    assert 20 < len(straight.bars()) < 240
    assert desk.rows() == straight.rows()


@pytest.mark.large
def test_a_silence_of_days_is_passed_over_at_once(tape, lab):
    tape.accept(0, 100)
    tape.trade(0.5, 10.0, 100)
    tape.trade(5 * 86_400, 11.0, 100)
    desk = BarDesk(lab)
    desk.push(*tape.batches())

    assert [bar[1] for bar in desk.bars()] == [0.0, 5 * 86_400.0]


def test_a_snapshot_of_a_run_without_bars_is_taken_up(traded, lab):
    plain = MarketLogic(MarketSettings(lab.INPUTS), None)
    whole = traded.batches()
    split = split_batches([whole[0]], groups_fed(lab.INPUTS, 16), 16)
    group = next(piece.group for _, piece in split if piece.batches)
    plain.on_batch([arrived(group, whole[0]), arrived(group, Batch(1, watermark=lab.T0))])

    later = MarketLogic(MarketSettings(lab.INPUTS, bars=True), plain.snapshot())
    pieces = later.on_batch([arrived(group, batch) for batch in whole[1:]])[0]

    assert sum(len(piece.bars) for piece in pieces) == 0, "the prices were not kept"


def test_before_anything_is_known_there_is_no_bar():
    bars = Bars(SECOND)
    state = MarketState(keep_prices=True)
    assert not len(bars.cut(NO_TIME, state))
    assert bars.cut(5 * SECOND, state).dtype == BAR
    assert bars.keep_from(9 * SECOND) == 5 * SECOND
    bars.learn([key_of("X"), key_of("Y")], {key_of("X"): "X"})
    assert bars.names == {key_of("X"): "X"}


@pytest.mark.parametrize("pieces", [1, 16])
def test_no_bar_is_lost_where_many_end_at_once_or_ticks_make_room(tape, lab, pieces):
    tape.quote(-1, 9.9, 10.1)
    tape.accept(0, 100)
    for i in range(400):
        tape.trade(0.2 * i + 0.1, 10.0 + i / 1000, 10)
    market, market_end, orders, orders_end, routes, routes_end = tape.batches()
    desk = BarDesk(lab, allowed_lateness_ns=SECOND)

    desk.push(routes, routes_end, orders, orders_end)
    desk.push(*lab.cut(market, pieces), market_end)

    found = desk.bars()
    assert [bar[1] for bar in found] == list(range(80))
    assert all(bar[2] == 5 for bar in found)
    assert [bar[3] for bar in found] == pytest.approx([10.0 + i / 200 for i in range(80)])
