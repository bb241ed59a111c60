import os
from collections import Counter
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from domain.columns import MARKET, blank
from domain.errors import ConfigurationError
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.keys import key_of
from domain.vocabulary import MarketKind, Topic, TradeFlag
from domain.wire import RowBuilder
from sources.simulator.desk_file import EXAMPLE_DESK, DeskFile, load_desk
from sources.simulator.spec import DeskSpec, ParentSpec
from sources.simulator.tape import trade_tape
from sources.tape import TapeReader

OPEN = parse_rfc3339("2013-10-07T13:30:00Z")
DATA = Path(os.environ.get("EXECMON_TEST_DATA", "../shared/data")) / "equity_tape"


def tape(rows=6_000, seed=1, symbols=("AAA", "BBB")):
    """A made-up tape: a quote or a print every half second or so."""
    rng = np.random.Generator(np.random.PCG64(seed))
    out = blank(MARKET, rows)
    out["ts_event"] = OPEN + np.sort(rng.integers(0, 1800 * 1000, rows)) * 1_000_000
    out["symbol"] = rng.choice(np.array([key_of(s) for s in symbols], np.uint64), rows)
    out["seq"] = np.arange(rows)
    mid = 10_000 + np.cumsum(rng.integers(-1, 2, rows))
    trades = rng.random(rows) < 0.4
    out["kind"] = np.where(trades, MarketKind.TRADE, MarketKind.QUOTE)
    out["flags"] = np.where(trades, TradeFlag.ELIGIBLE, 0)
    side = rng.choice([-1, 1], rows)
    for name, value in (("bid", mid - 1), ("ask", mid + 1)):
        out[name] = np.where(trades, np.nan, value / 100)
        out[f"{name}_size"] = np.where(trades, np.nan, rng.integers(1, 9, rows) * 100)
    out["price"] = np.where(trades, np.round((mid + side) / 100, 2), np.nan)
    out["size"] = np.where(trades, rng.integers(1, 20, rows) * 100, np.nan)
    return out


def desk(*parents: ParentSpec) -> DeskFile:
    return DeskFile(parents=parents, desk=DeskSpec(open_parents=0, bust_rate=0, correct_rate=0))


def order(**changes):
    fields = {
        "order_id": "P-1", "symbol": "AAA", "side": "BUY", "quantity": 20_050,
        "algorithm": "TWAP", "start_ns": OPEN + 60 * SECOND, "end_ns": OPEN + 1200 * SECOND,
    }  # fmt: skip
    return ParentSpec(**{**fields, **changes})


def fills_of(run):
    return [m for t, m in run.orders if t is Topic.ORDERS and m.type == "order_filled"]


@pytest.mark.parametrize("algorithm", ["TWAP", "VWAP", "POV", "IS"])
@pytest.mark.parametrize("side", ["BUY", "SELL"])
def test_the_desks_fills_are_own_prints_on_the_tape(algorithm, side):
    rows = tape()
    parent = order(algorithm=algorithm, side=side, participation=0.1)

    run = trade_tape([rows[:1000], rows[1000:]], desk(parent), OPEN)

    fills = fills_of(run)
    own = run.market[run.market["exec"] != 0]
    assert fills
    assert [run.names[k] for k in own["exec"].tolist()] == [f.exec_id for f in fills]
    assert own["price"].tolist() == [f.last_px for f in fills]
    assert own["size"].tolist() == [f.last_qty for f in fills]
    assert own["ts_event"].tolist() == [parse_rfc3339(f.ts_event) for f in fills]
    assert set(own["flags"].tolist()) == {int(TradeFlag.ELIGIBLE)}
    assert set(own["symbol"].tolist()) == {key_of("AAA")}
    assert sum(f.last_qty for f in fills) <= parent.quantity


def test_the_tape_is_otherwise_as_it_was():
    rows = tape()

    run = trade_tape([rows], desk(order()), OPEN)

    rest = run.market[run.market["exec"] == 0].copy()
    rest["seq"] = rows["seq"]
    assert rest.tobytes() == rows.tobytes()
    assert run.market["seq"].tolist() == list(range(len(run.market)))
    assert np.all(np.diff(run.market["ts_event"]) >= 0)


def test_odd_lots_are_worked_to_the_last_share():
    run = trade_tape([tape()], desk(order()), OPEN)

    assert sum(f.last_qty for f in fills_of(run)) == 20_050


def test_fills_happen_at_the_touch_of_the_tape():
    run = trade_tape([tape()], desk(order()), OPEN)

    quotes = run.market[
        (run.market["symbol"] == key_of("AAA")) & (run.market["kind"] == MarketKind.QUOTE)
    ]
    kinds = Counter()
    for fill in fills_of(run):
        last = quotes[np.searchsorted(quotes["seq"], fill.market_seq) - 1]
        kinds[fill.liquidity] += 1
        if fill.liquidity == "REMOVED":
            assert fill.last_px == pytest.approx(last["ask"])
    assert kinds["REMOVED"]
    assert kinds["ADDED"]


def test_fills_can_be_put_at_the_mid():
    run = trade_tape([tape()], desk(order()), OPEN, fill_at="mid")

    quotes = run.market[
        (run.market["symbol"] == key_of("AAA")) & (run.market["kind"] == MarketKind.QUOTE)
    ]
    taken = [f for f in fills_of(run) if f.liquidity == "REMOVED"]
    assert taken
    for fill in taken:
        last = quotes[np.searchsorted(quotes["seq"], fill.market_seq) - 1]
        assert fill.last_px == pytest.approx((last["bid"] + last["ask"]) / 2)


def test_order_events_name_the_row_they_followed():
    run = trade_tape([tape()], desk(order()), OPEN)

    symbols = run.market["symbol"].tolist()
    times = run.market["ts_event"].tolist()
    for _, m in run.orders:
        assert symbols[m.market_seq] == key_of("AAA")
        assert times[m.market_seq] <= parse_rfc3339(m.ts_event)


def test_the_events_are_accepted_and_in_order_of_time():
    run = trade_tape([tape()], desk(order(), order(order_id="B", symbol="BBB", side="SELL")), OPEN)

    builder = RowBuilder(None)
    times = []
    for _, message in run.orders:
        builder.add_order(message, ts=NO_TIME)
        times.append(parse_rfc3339(message.ts_event))
    assert times == sorted(times)
    assert len(builder.build().events) == len(run.orders)


def test_the_same_seed_trades_the_same():
    one, two = (trade_tape([tape()], desk(order()), OPEN, seed=4) for _ in range(2))
    other = trade_tape([tape()], desk(order()), OPEN, seed=5)

    assert one.market.tobytes() == two.market.tobytes()
    assert one.orders == two.orders
    assert other.orders != one.orders


def test_a_limit_is_kept_and_an_unreached_order_expires():
    run = trade_tape([tape()], desk(order(limit=1.0)), OPEN)

    assert fills_of(run) == []
    assert [m.type for _, m in run.orders if not m.parent_order_id] == [
        "order_accepted", "order_expired",
    ]  # fmt: skip


def test_an_order_longer_than_the_tape_is_done_for_the_day():
    run = trade_tape([tape()], desk(order(quantity=10**7, end_ns=OPEN + 20_000 * SECOND)), OPEN)

    kinds = [m.type for _, m in run.orders if not m.parent_order_id]
    assert kinds[-2:] == ["order_done_for_day", "order_expired"]
    last = int(run.market["ts_event"][-1])
    assert max(parse_rfc3339(f.ts_event) for f in fills_of(run)) <= last


def test_nothing_trades_while_the_tape_is_halted():
    rows = tape()
    at = {int(np.searchsorted(rows["ts_event"], OPEN + s * SECOND)): k for s, k in
          ((300, MarketKind.HALTED), (600, MarketKind.RESUMED))}  # fmt: skip
    for row, kind in at.items():
        rows[row] = blank(MARKET, 1)[0]
        rows["kind"][row], rows["symbol"][row] = kind, key_of("AAA")
        rows["ts_event"][row] = rows["ts_event"][row - 1]
    quiet = (rows["ts_event"] >= OPEN + 300 * SECOND) & (rows["ts_event"] < OPEN + 600 * SECOND)
    keep = ~(quiet & (rows["symbol"] == key_of("AAA")) & (rows["kind"] != MarketKind.HALTED))

    run = trade_tape([rows[keep]], desk(order()), OPEN)

    times = [(parse_rfc3339(f.ts_event) - OPEN) / SECOND for f in fills_of(run)]
    assert min(times) < 300
    assert max(times) > 600
    assert not [t for t in times if 301 < t < 599]


def test_a_print_dated_back_happens_where_it_stands():
    rows = tape()
    rows["ts_event"][3000] = rows["ts_event"][3000] - 100 * SECOND

    run = trade_tape([rows], desk(order()), OPEN)

    times = [parse_rfc3339(m.ts_event) for _, m in run.orders]
    assert times == sorted(times)
    assert len(run.market) == len(rows) + len(fills_of(run))


def test_an_order_in_a_symbol_that_is_not_on_the_tape_is_refused():
    with pytest.raises(ConfigurationError, match="the tape has nothing of ZZZ"):
        trade_tape([tape()], desk(order(symbol="ZZZ")), OPEN)
    with pytest.raises(ConfigurationError, match="the tape has nothing of AAA"):
        trade_tape([], desk(order()), OPEN)


@pytest.mark.skipif(not DATA.exists(), reason=f"no real tape under {DATA}")
def test_the_example_desk_trades_a_real_day():
    day = date(2013, 10, 7)
    reader = TapeReader(DATA, ("IBM", "BAC"), day)
    orders = load_desk(EXAMPLE_DESK, day)

    run = trade_tape([reader.rows], orders, reader.session.open_ns)

    done = Counter()
    for fill in fills_of(run):
        done[fill.parent_order_id] += fill.last_qty
    for parent in orders.parents:
        share = done[parent.order_id] / parent.quantity
        assert 0.85 < share <= 1, parent.order_id
    assert len(run.market) == len(reader.rows) + len(fills_of(run))
    assert {run.names[k] for k in run.market["exec"].tolist() if k} == {
        f.exec_id for f in fills_of(run)
    }
