import numpy as np

from domain.batch import Batch, DeadLetter, Input
from domain.columns import DETAIL, DETAIL_NAMES, EVENT, EVENT_NUMBERS, HAS_DETAIL, MARKET, blank
from domain.instants import NO_TIME
from domain.reasons import DeadLetterReason
from domain.vocabulary import Anomaly, Topic

GOLDEN = {
    "MARKET": (
        MARKET,
        "kind:u1 flags:u1 group:u1 source:u1 reserved:u4 symbol:u8 venue:u8 exec:u8 ts_event:i8 "
        "t_eff:i8 seq:i8 bid:f8 ask:f8 bid_size:f8 ask_size:f8 price:f8 size:f8",
    ),
    "EVENT": (
        EVENT,
        "kind:u1 side:i1 liquidity:u1 reason:u1 market_group:u1 order_group:u1 source:u1 "
        "side_code:u1 flags:u4 phase:u4 order:u8 root:u8 parent:u8 symbol:u8 venue:u8 exec:u8 "
        "exec_ref:u8 ts_event:i8 t_eff:i8 ts_ingest:i8 seq:i8 market_seq:i8 pos:i8 order_qty:f8 "
        "limit_px:f8 last_qty:f8 last_px:f8 cum_qty:f8 leaves_qty:f8 fee:f8 reported_avg_px:f8",
    ),
    "DETAIL": (
        DETAIL,
        "order:u8 pos:i8 source:u1 ord_type:u1 time_in_force:u1 asset_class:u1 schedule:u1 "
        "order_group:u1 reserved:u1 cl_ord:u8 broker:u8 algo:u8 strategy:u8 trader:u8 desk:u8 "
        "client:u8 currency:u8 decision_ts:i8 start_ts:i8 end_ts:i8 decision_px:f8 "
        "participation:f8 kappa_t:f8 profile:u8",
    ),
}


def test_the_columns_of_a_batch_are_a_storage_format():
    for dtype, golden in GOLDEN.values():
        assert " ".join(f"{n}:{dtype[n].base.str[1:]}" for n in dtype.names) == golden


def test_rows_have_no_holes_and_lie_on_eight_bytes():
    for dtype, _ in GOLDEN.values():
        assert sum(dtype[name].itemsize for name in dtype.names) == dtype.itemsize
        assert dtype.itemsize % 8 == 0
        for name in dtype.names:
            assert dtype.fields[name][1] % dtype[name].base.itemsize == 0


def test_a_blank_row_is_missing_everywhere_not_zero():
    for dtype, _ in GOLDEN.values():
        (row,) = blank(dtype, 1)
        for name in dtype.names:
            kind = dtype[name].base.kind
            if kind == "f":
                assert np.isnan(row[name])
            elif name in {"ts_event", "t_eff", "ts_ingest", "decision_ts", "start_ts", "end_ts"}:
                assert row[name] == NO_TIME
            elif name in {"seq", "market_seq"}:
                assert row[name] == -1
            else:
                assert not np.any(row[name])
    assert blank(EVENT, 0).shape == (0,)
    assert blank(np.dtype("f8"), 2).shape == (2,)


def test_lists_of_fields_name_real_columns():
    assert set(DETAIL_NAMES) <= set(DETAIL.names)
    assert set(EVENT_NUMBERS) == {n for n in EVENT.names if EVENT[n].kind == "f"}


def test_the_detail_bit_is_no_anomaly():
    assert not any(HAS_DETAIL & bit for bit in Anomaly)
    assert np.uint32(HAS_DETAIL) == HAS_DETAIL


def test_an_empty_batch_holds_empty_rows_of_each_kind():
    first, second = Batch(0), Batch(1)
    assert (first.market.dtype, first.events.dtype, first.details.dtype) == (MARKET, EVENT, DETAIL)
    assert (len(first.market), first.watermark, first.ended) == (0, NO_TIME, False)
    first.names[1] = "IBM"
    assert second.names == {}


def test_inputs_and_dead_letters_are_values():
    assert Input(0, Topic.ORDERS, 1) == Input(0, Topic.ORDERS, 1)
    letter = DeadLetter("orders", 1, "5-0", DeadLetterReason.BAD_ID, "words", b"{", 7)
    assert {letter, letter} == {letter}
