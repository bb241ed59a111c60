"""Silent feeds and old quotes: flags of the market that an event or a mark met."""

import json
from itertools import groupby, pairwise

import numpy as np
import pytest

from domain.batch import Batch, Input
from domain.columns import MARKET, blank
from domain.errors import RecoveryError
from domain.instants import NO_TIME, SECOND
from domain.keys import key_of
from domain.rows import MarketFlag
from domain.vocabulary import AssetClass, EventKind, Topic
from operators.feed import VERSION, Feed, silence_at, silent_since, spoken
from operators.market.logic import MarketSettings


def rows_at(*seconds):
    rows = blank(MARKET, len(seconds))
    rows["t_eff"] = [round(s * SECOND) for s in seconds]
    return rows


def seconds(table):
    return [[round(ns / SECOND, 3) for ns in row] for row in table.tolist()]


def ends(feed):
    """First and newest word, then the ends of each silence that is kept."""
    return seconds(feed.table[:, :2])


def test_a_batch_tells_its_first_and_last_time_and_the_gaps_between():
    assert seconds(spoken(rows_at(1))) == [[1, 1]]
    assert seconds(spoken(rows_at(1, 1.5, 2.5))) == [[1, 2.5]]
    assert seconds(spoken(rows_at(1, 2, 4, 4.5, 30))) == [[1, 30], [2, 4], [4.5, 30]]


def test_silences_are_the_same_however_the_rows_are_cut():
    rng = np.random.default_rng(4)
    rows = rows_at(*np.cumsum(rng.exponential(3.0, 60)))
    whole = Feed()
    whole.take(spoken(rows))

    for _ in range(20):
        feed = Feed()
        edges = np.unique([0, 60, *rng.integers(1, 60, 7)])
        for a, b in pairwise(edges):
            feed.take(spoken(rows[a:b]))
            feed = Feed(kept=feed.dump())
        assert feed.dump() == whole.dump()
    assert len(whole.table) > 5


def test_a_feed_is_silent_from_when_it_spoke_last():
    feed = Feed()
    seven = 7 * SECOND
    assert silent_since(feed.table, seven) == seven, "never spoke"
    feed.take(spoken(rows_at(1, 2, 10, 30)))

    for t, since in ((0.5, 0.5), (1.5, 1.5), (2, 2), (2.5, 2), (9, 2), (10, 10), (29, 10),
                     (30, 30), (99, 30)):  # fmt: skip
        assert silent_since(feed.table, round(t * SECOND)) == round(since * SECOND)


def test_silences_that_nobody_asks_for_any_more_are_forgotten():
    feed = Feed()
    feed.forget(0)
    feed.take(spoken(rows_at(1, 10, 30)))
    feed.forget(29 * SECOND)
    assert ends(feed) == [[1, 30], [1, 10], [10, 30]]
    feed.forget(31 * SECOND)

    assert ends(feed) == [[1, 30], [10, 30]]
    again = Feed(kept=feed.dump())
    again.take(spoken(rows_at(40)))
    assert ends(again) == [[1, 40], [10, 30], [30, 40]]


def test_silences_of_another_version_are_refused_in_words():
    for kept in (Feed().table[:, :2].tobytes(), (VERSION + 1, *Feed().dump()[1:])):
        with pytest.raises(RecoveryError, match="of a feed's silences has version"):
            Feed(kept=kept)


SILENT, UNSTEADY = MarketFlag.SILENT, MarketFlag.UNSTEADY


def at(feed, seconds, opened=None):
    since = NO_TIME if opened is None else round(opened * SECOND)
    return silence_at(feed.table, round(seconds * SECOND), since)


def dense(until, begin=0.0):
    return np.arange(begin, until, 0.25).tolist()


def heard(*times, cuts=()):
    feed = Feed()
    for part in np.split(rows_at(*times), cuts):
        feed.take(spoken(part))
    return feed


def test_a_dense_feed_is_silent_after_five_seconds_and_well_after_a_steady_minute():
    feed = heard(*dense(300), *dense(420, 320))
    stops, back = 299.75, 320

    assert at(Feed(), 1) == 0, "never spoke"
    assert [at(feed, t) for t in (100, stops, stops + 5, stops + 5.1, back - 0.1)] == [
        0, 0, 0, SILENT, SILENT,
    ]  # fmt: skip
    assert [at(feed, t) for t in (back, back + 59, back + 61)] == [UNSTEADY, UNSTEADY, 0]


def test_what_is_said_of_an_instant_is_the_same_before_and_after_the_feed_speaks_again():
    times = dense(300)
    before, after = heard(*times), heard(*times, *dense(420, 320), cuts=(700, 1_210))

    for t in (299, 304.7, 304.8, 319.9):
        assert at(before, t) == at(after, t)


def test_a_feed_that_stops_again_before_it_was_steady_stays_in_trouble():
    feed = heard(*dense(300), *dense(330, 320), *dense(480, 375))

    found = [at(feed, t) for t in np.arange(306, 434, 1.0)]

    assert 0 not in found
    assert [key for key, _ in groupby(found)] == [SILENT, UNSTEADY] * 2
    assert at(feed, 436) == 0


def test_a_silence_from_before_the_open_counts_from_there():
    feed = heard(*dense(300), *dense(420, 320))

    assert at(feed, 318, opened=315) == 0
    assert at(feed, 325, opened=315) == 0, "five seconds are none"
    assert at(feed, 319.9, opened=312) == SILENT
    assert at(feed, 500, opened=497) == 0
    assert at(feed, 530, opened=497) == SILENT


def test_an_odd_silence_is_kept_until_nobody_asks_for_the_time_after_it():
    feed = heard(*dense(300), *dense(320, 310), *dense(362, 326), 372)
    feed.forget(330 * SECOND)
    assert ends(feed)[1:] == [[299.75, 310], [361.75, 372]]

    feed.forget(371 * SECOND)
    assert ends(feed)[1:] == [[299.75, 310], [361.75, 372]]
    assert at(feed, 371) == UNSTEADY, "it was before it stopped once more"

    feed.forget(373 * SECOND)
    assert ends(feed)[1:] == [[361.75, 372]]


def test_sparse_feeds_that_are_well_are_not_silent_however_long_their_gaps_are():
    rng = np.random.default_rng(7)
    for mean_s in (0.5, 2.0, 6.0, 20.0):
        times = np.cumsum(rng.exponential(mean_s, round(20_000 / mean_s)))
        feed = heard(*times)

        silences = feed.table[1:]
        assert len(silences) > 0 or mean_s < 1.0
        assert not np.any(silences[:, 1] - silences[:, 0] > silences[:, 2])
        last_s = times[-1]
        assert at(feed, last_s + 8 * mean_s) == 0
        assert at(feed, last_s + 35 * mean_s + 5) == SILENT


def test_a_feed_that_is_not_watched_is_never_silent_but_has_a_beginning():
    feed = Feed(watched=False)
    feed.take(spoken(rows_at(3, 30)))
    feed.take(spoken(rows_at(90)))

    assert at(feed, 70) == 0
    assert len(feed.table) == 1
    assert feed.table[0, 0] == 3 * SECOND
    assert silent_since(feed.table, 70 * SECOND) == 70 * SECOND


def flags(lab, desk_rows, bit=MarketFlag.STALE):
    """{seconds: whether the flag is set} of the rows that events gave."""
    rows = lab.statuses(desk_rows)
    rows = rows[rows["kind"] != EventKind.MARK]
    at = (rows["ts"] - lab.T0) / SECOND
    return dict(zip(at.tolist(), (rows["market_flags"] & bit != 0).tolist(), strict=True))


def quiet_tape(tape):
    tape.quote(0, 9.9, 10.1)
    tape.quote(4, 9.9, 10.1, "Y")
    tape.accept(3, 100)
    for t in (8.5, 9.5, 19.9, 20, 21):
        tape.fill(t, 10, 10.0, f"e{t}")
    tape.quote(20, 9.9, 10.1, "Y")
    tape.quote(30, 9.9, 10.1)


def test_an_event_that_meets_a_silent_feed_is_flagged(tape, run, lab):
    quiet_tape(tape)

    found = flags(lab, run(tape))

    assert found == {3: False, 8.5: False, 9.5: True, 19.9: True, 20: False, 21: False}


def test_an_event_tells_a_feed_that_stopped_from_one_that_says_little(tape, run, lab):
    for t in range(0, 400, 8):
        tape.quote(t, 9.9, 10.1)
    tape.accept(1, 100)
    for t in (250, 255.5, 398, 800):
        tape.fill(t, 10, 10.0, f"e{t}")
    tape.quote(900, 9.9, 10.1)

    rows = run(tape)

    assert list(flags(lab, rows).values()) == [False, False, True, True, True]
    assert list(flags(lab, rows, SILENT).values()) == [False, False, False, False, True]


def test_the_flag_does_not_depend_on_how_the_inputs_are_read(tape, lab):
    quiet_tape(tape)
    whole = tape.batches()
    outcomes = []
    for plan in ([0, 1] * 4, [0] * 4 + [1] * 4, [1] * 4 + [0] * 4):
        for restart in (False, True):
            desk = lab.Desk()
            parts = {0: lab.cut(whole[0], 4), 1: lab.cut(whole[2], 4)}
            desk.push(whole[5])
            for source in plan:
                desk.push(parts[source].pop(0))
                if restart:
                    desk.restart()
            desk.push(whole[1], whole[3])
            outcomes.append(lab.finals(desk.rows).tobytes())

    assert len(set(outcomes)) == 1


def test_clock_messages_are_no_word_of_the_feed(tape, lab):
    tape.quote(0, 9.9, 10.1)
    tape.accept(1, 100)
    tape.fill(9, 10, 10.0, "e1")
    market, orders = (
        lab.effective(tape.batch(0, tape.market)), lab.effective(tape.batch(1, tape.orders)),
    )  # fmt: skip
    desk = lab.Desk()
    desk.push(market, orders)
    for t in (2, 4, 6, 8, 10):
        desk.push(*(Batch(i, watermark=lab.T0 + t * SECOND) for i in range(3)))

    assert flags(lab, desk.rows) == {1: False, 9: True}


def test_a_whole_file_is_never_silent(tape, run, lab):
    quiet_tape(tape)

    settings = MarketSettings(lab.INPUTS, watches_feed=False)

    assert not any(flags(lab, run(tape, market=settings)).values())


def test_the_silence_of_a_night_is_none_and_counts_from_the_open(tape, run, lab):
    opened = (1_700_663_400 * SECOND - lab.T0) / SECOND  # 2023-11-22, 14:30
    tape.quote(opened - 600, 9.9, 10.1)
    tape.accept(opened - 60, 100)
    for t in (opened - 30, opened + 4, opened + 6):
        tape.fill(t, 10, 10.0, f"e{t}")
    tape.quote(opened + 60, 9.9, 10.1)

    found = flags(lab, run(tape, market=MarketSettings(lab.INPUTS, default_calendar="XNYS")))

    assert list(found.values()) == [False, False, False, True]


def old_quotes(tape):
    for t in range(0, 2000, 4):
        tape.quote(t, 9.9, 10.1, "other")
    tape.quote(0, 9.9, 10.1)
    tape.market.sort(key=lambda m: m.ts_event)
    tape.accept(1, 100)
    for t in (59, 62, 899, 902):
        tape.fill(t, 10, 10.0, f"e{t}")


def test_a_quote_is_stale_when_it_is_older_than_its_class_allows(tape, lab):
    old_quotes(tape)
    inputs = (*lab.INPUTS, Input(3, Topic.REFERENCE, 0))
    equity = {1: False, 59: False, 62: False, 899: False, 902: True}
    currency = {1: False, 59: False, 62: True, 899: True, 902: True}
    for asset_class, expected in (("EQUITY", equity), ("FX", currency), (None, equity)):
        record = {"type": "reference", "symbol": "X", "asset_class": asset_class}
        raw = json.dumps({k: v for k, v in record.items() if v}).encode()
        for market_first in (False, True):
            desk = lab.Desk(MarketSettings(inputs))
            whole = tape.batches()
            records = [raw, b'{"type":"reference","scope":"fx:EUR/USD","rate":1.1}']
            reference = Batch(3, references=records,
                              watermark=lab.T0, ended=True)  # fmt: skip
            first = [whole[0], reference] if market_first else [reference, whole[0]]
            desk.push(*first)
            desk.restart()
            desk.push(whole[1], *whole[2:])
            found = flags(lab, desk.rows)
            assert found == expected


def test_the_age_that_a_quote_may_have_is_a_setting(tape, run, lab):
    old_quotes(tape)
    settings = MarketSettings(
        lab.INPUTS, quote_age_limits_ns={AssetClass.UNKNOWN: 60 * SECOND, AssetClass.FX: 1}
    )

    assert [*flags(lab, run(tape, market=settings)).values()] == [False, False, True, True, True]


def test_a_symbol_without_a_quote_has_none_that_is_old(tape, run, lab):
    tape.trade(0, 10.0, 100)
    for t in range(1, 2000, 4):
        tape.quote(t, 9.9, 10.1, "other")
    tape.accept(1500, 100)

    assert flags(lab, run(tape)) == {1500: False}


@pytest.mark.parametrize("known", [True, False])
def test_the_volume_of_a_session_is_known_where_its_feed_began_before_it(tape, lab, known):
    opened = (1_700_663_400 * SECOND - lab.T0) / SECOND
    if known:
        tape.quote(opened - 10, 9.9, 10.1, "other")
    tape.trade(opened + 1, 10.0, 300)
    tape.accept(opened + 0.5, 100)
    tape.fill(opened + 2, 10, 10.0, "e1")
    desk = lab.Desk(MarketSettings(lab.INPUTS, default_calendar="XNYS"))
    desk.push(*tape.batches())

    (logic,) = [o for o in desk.orders.values() if o.group.tables.used[0]]
    order = logic.group.tables.orders[0]
    assert order["order"] == key_of("A")
    if known:
        assert order["now_day_vol"] == 300
    else:
        assert np.isnan(order["now_day_vol"])
    assert order["now_ts"] > NO_TIME
