import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import Refused
from domain.instants import END_OF_TIME, NO_TIME
from domain.keys import key_of
from domain.reference import REFERENCE, effective_ns
from domain.reference_book import ReferenceBook
from domain.reference_check import record_of

DAY_1, DAY_2, DAY_3 = (effective_ns(f"2026-11-{d}", "XNYS") for d in (18, 19, 20))


def record(symbol: str = "IBM", **members: object):
    return record_of({"symbol": symbol, **members})


def adv(book: ReferenceBook, now: int, symbol: str = "IBM") -> float | None:
    found = book.symbol(symbol, now)
    return found.adv_qty if found else None


def test_the_newest_record_in_effect_holds():
    book = ReferenceBook(
        [
            record(adv_qty=2, effective_from="2026-11-19", calendar="XNYS"),
            record(adv_qty=1, effective_from="2026-11-18", calendar="XNYS"),
        ]
    )

    assert adv(book, DAY_1 - 1) is None
    assert adv(book, DAY_1) == 1
    assert adv(book, DAY_2 - 1) == 1
    assert adv(book, DAY_2) == 2
    assert len(book) == 2
    assert [r.adv_qty for r in book] == [1, 2]


def test_a_record_replaces_the_earlier_one_whole():
    book = ReferenceBook([record(adv_qty=1, beta=0.9), record(adv_qty=2)])

    found = book.symbol("IBM", DAY_1)

    assert found is not None
    assert found.adv_qty == 2
    assert found.beta is None


def test_a_record_changes_nothing_before_it_was_known():
    book = ReferenceBook([record(adv_qty=1)])
    book.add(record(adv_qty=2, effective_from="2026-11-18"), known=DAY_2)

    assert adv(book, DAY_2 - 1) == 1
    assert adv(book, DAY_2) == 2


def test_an_older_record_that_comes_late_does_not_push_out_a_newer():
    book = ReferenceBook([record(adv_qty=2, effective_from="2026-11-19", calendar="XNYS")])

    book.add(record(adv_qty=1, effective_from="2026-11-18", calendar="XNYS"), known=DAY_3)

    assert adv(book, DAY_3) == 2


def test_the_kernel_row_holds_the_numbers_and_the_curves():
    book = ReferenceBook(
        [
            record(
                adv_qty=10,
                sigma_daily_bps=100,
                beta=1.1,
                spread_bps=2,
                tick=0.01,
                lot=100,
                prev_close=50,
                index_symbol="SPY",
                currency="USD",
                calendar="XNYS",
                volume_curve=[0.5, 0.25, 0.25],
                volatility_curve=[1, 1],
            )
        ]
    )

    row = book.row("IBM", DAY_1)

    names = ("adv_qty", "sigma_daily_bps", "beta", "spread_bps", "tick", "lot", "prev_close")
    assert [row[n] for n in names] == [10, 100, 1.1, 2, 0.01, 100, 50]
    assert row["session_s"] == 23400
    assert row["symbol"] == key_of("IBM")
    assert row["index"] == key_of("SPY")
    assert row["volume_slots"] == 3
    assert row["volume_curve"][:4].tolist() == [0, 0.5, 0.75, 1]
    assert np.isnan(row["volume_curve"][4:]).all()
    assert row["volatility_slots"] == 2
    assert row["volatility_curve"][:2].tolist() == [1, 1]


def test_the_row_of_an_unknown_symbol_is_missing_throughout():
    book = ReferenceBook([record(effective_from="2026-11-19", calendar="XNYS", tick=0.01)])

    for row in (book.row("XYZ", DAY_1), book.row(key_of("IBM"), DAY_1)):
        assert row["symbol"] != 0
        for name in REFERENCE.names or ():
            if REFERENCE[name].base.kind == "f":
                assert np.isnan(row[name]).all()
        assert row["volume_slots"] == 0
    assert not math.isnan(book.row(key_of("IBM"), DAY_2)["tick"])


def test_a_split_doubles_the_volume_and_halves_the_close_from_its_day_on():
    book = ReferenceBook(
        [
            record(
                adv_qty=100,
                prev_close=50,
                sigma_daily_bps=100,
                calendar="XNYS",
                effective_from="2026-11-18",
                splits=[{"date": "2026-11-19", "ratio": 2}],
            )
        ]
    )

    before, after = book.row("IBM", DAY_2 - 1), book.row("IBM", DAY_2)

    assert (before["adv_qty"], before["prev_close"]) == (100, 50)
    assert (after["adv_qty"], after["prev_close"], after["sigma_daily_bps"]) == (200, 25, 100)


def test_the_table_is_sorted_by_key_and_holds_who_is_known_by_then():
    book = ReferenceBook(record(name, tick=0.01) for name in ("IBM", "BAC", "AMZN", "A/1 #ü"))
    book.add(record("LATE", tick=0.01), known=DAY_2)

    table = book.table(DAY_1)

    assert table["symbol"].tolist() == sorted(map(key_of, ("IBM", "BAC", "AMZN", "A/1 #ü")))
    assert len(book.table(DAY_2)) == 5
    assert ReferenceBook().table(DAY_1).dtype == REFERENCE


def test_it_says_when_a_row_may_next_change():
    book = ReferenceBook(
        [
            record(adv_qty=1, effective_from="2026-11-18", calendar="XNYS"),
            record(
                "BAC",
                calendar="XNYS",
                effective_from="2026-11-18",
                splits=[{"date": "2026-11-20", "ratio": 2}],
            ),
        ]
    )
    book.add(record(adv_qty=2, effective_from="2026-11-18", calendar="XNYS"), known=DAY_2)

    assert book.next_change(NO_TIME) == DAY_1
    assert book.next_change(DAY_1) == DAY_2
    assert book.next_change(DAY_2) == DAY_3
    assert book.next_change(DAY_3) == END_OF_TIME


def test_rates_are_read_forward_backward_and_through_the_dollar():
    book = ReferenceBook(
        [
            record_of({"scope": "fx:EUR/USD", "rate": 1.25}),
            record_of({"scope": "fx:USD/JPY", "rate": 160}),
        ]
    )

    assert book.rate("EUR", "USD", DAY_1) == 1.25
    assert book.rate("USD", "EUR", DAY_1) == 0.8
    assert book.rate("EUR", "JPY", DAY_1) == 200
    assert book.rate("GBP", "GBP", DAY_1) == 1
    assert math.isnan(book.rate("GBP", "USD", DAY_1))


def test_baselines_are_found_by_scope_and_metric():
    book = ReferenceBook(
        [record_of({"scope": "venue:XNAS", "baselines": {"ack_ms": {"n": 50, "median": 1.2}}})]
    )

    found = book.baseline("venue:XNAS", "ack_ms", DAY_1)

    assert found is not None
    assert found.median == 1.2
    assert book.baseline("venue:XNAS", "fill_rate", DAY_1) is None
    assert book.baseline("venue:XLON", "ack_ms", DAY_1) is None
    assert book.scope("venue:XNAS", DAY_1) is not None


def test_a_symbol_may_be_called_like_a_scope():
    book = ReferenceBook([record("fx:EUR/USD", tick=0.0001)])

    assert book.scope("fx:EUR/USD", DAY_1) is None
    assert math.isnan(book.rate("EUR", "USD", DAY_1))


def test_a_message_that_is_no_record_leaves_the_book_as_it_was():
    book = ReferenceBook()

    with pytest.raises(Refused):
        book.add_json(b'{"type":"reference"}')

    assert len(book) == 0


actions = st.lists(
    st.tuples(
        st.sampled_from(["A", "B"]),
        st.sampled_from([None, "2026-11-18", "2026-11-19", "2026-11-20"]),
        st.sampled_from([NO_TIME, DAY_1, DAY_2, DAY_3]),
    ),
    max_size=12,
)
instants = (NO_TIME, DAY_1 - 1, DAY_1, DAY_2, DAY_3, DAY_3 + 1)


def built(actions_: list[tuple[str, str | None, int]]) -> ReferenceBook:
    book = ReferenceBook()
    for n, (symbol, day, known) in enumerate(sorted(actions_, key=lambda a: a[2]), 1):
        times = {"effective_from": day} if day else {}
        book.add(record(symbol, adv_qty=n, calendar="XNYS", **times), known=known)
    return book


@given(actions)
def test_a_book_comes_back_from_its_snapshot(actions_: list[tuple[str, str | None, int]]):
    book = built(actions_)

    again = ReferenceBook.load(book.dump())

    assert again.dump() == book.dump()
    for now in instants:
        assert [adv(again, now, s) for s in "AB"] == [adv(book, now, s) for s in "AB"]


@given(actions, st.sampled_from(instants))
def test_forgetting_the_past_changes_nothing_from_then_on(
    actions_: list[tuple[str, str | None, int]], before: int
):
    book, whole = built(actions_), built(actions_)

    book.forget(before)

    for now in (t for t in instants if t >= before):
        assert [adv(book, now, s) for s in "AB"] == [adv(whole, now, s) for s in "AB"]
    assert len(book) <= len(whole)
