import math

import pytest

from domain.errors import InputError, Refused
from domain.events import AlgoParams, MarketMessage, OrderMessage
from domain.reasons import DeadLetterReason as Why
from domain.validate import check_id, check_market, check_order, known, side_of
from domain.vocabulary import ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, Liquidity, Side

KINDS = {**ORDER_EVENT_TYPES, **ROUTE_EVENT_TYPES}


def order(type_="order_accepted", **more):
    fields = {"order_id": "A", "symbol": "X", "side": "BUY", "order_qty": 10.0, **more}
    return OrderMessage(type=type_, ts_event="-", **fields)


def fill(**more):
    return order("order_filled", **{"last_qty": 1.0, "last_px": 2.0, "exec_id": "e1", **more})


def market(type_="quote", **more):
    base = {"quote": {"bid": 1.0, "ask": 2.0}, "halted": {}}.get(type_, {"price": 1.0, "size": 2.0})
    return MarketMessage(type=type_, ts_event="-", **{"symbol": "X", **base, **more})


def check(message):
    if isinstance(message, OrderMessage):
        check_order(message, KINDS[message.type])
    else:
        check_market(message)


@pytest.mark.parametrize(
    "text", ["A", "A/1 #ü", "x" * 100, "日本", "a\u200bb", "…", "👍" * 100, "\u00a0", " ", "\\0"]
)
def test_ids_may_hold_anything_but_control_characters(text):
    check_id("order_id", text, needed=True)
    check(order(order_id=text, symbol=text, venue=text, cl_ord_id=text))


@pytest.mark.parametrize(
    ("text", "why", "words"),
    [
        ("A\0B", Why.BAD_ID, "order_id must not contain control characters: 'A\\x00B'"),
        ("A\n", Why.BAD_ID, "control characters"),
        ("\x7f", Why.BAD_ID, "control characters"),
        ("\x85", Why.BAD_ID, "control characters"),
        ("x" * 101, Why.BAD_ID, "order_id may have at most 100 characters, has 101"),
        ("\ud800", Why.BAD_ID, "order_id is not valid Unicode"),
        ("", Why.MISSING_FIELD, "order_id is missing or empty"),
        (None, Why.MISSING_FIELD, "order_id is missing or empty"),
    ],
)
def test_an_id_that_cannot_be_kept_is_refused_in_words(text, why, words):
    with pytest.raises(Refused) as refused:
        check_id("order_id", text, needed=True)
    assert refused.value.reason is why
    assert words in refused.value.words
    assert str(refused.value) == refused.value.words
    assert isinstance(refused.value, InputError)


@pytest.mark.parametrize(
    "field",
    ["parent_order_id", "root_order_id", "cl_ord_id", "exec_id", "exec_ref_id", "route_id",
     "venue", "broker", "algo", "strategy", "trader", "desk", "client", "currency"],
)  # fmt: skip
def test_every_name_of_an_order_event_is_checked_and_may_be_left_out(field):
    check(order(**{field: ""}))
    with pytest.raises(Refused, match=f"{field} must not contain control characters"):
        check(order(**{field: "a\tb"}))


ACCEPTABLE = [
    order(), order(order_qty=0.0), fill(last_px=-37.63), fill(fee=-1.0), fill(exec_id=None),
    order("order_replaced"), order("order_cancelled", order_qty=None, side=None),
    order("fill_busted", exec_id="e1"), order("fill_busted", exec_ref_id="e1"),
    order("fill_corrected", exec_ref_id="e", last_qty=1.0, last_px=0.0),
    order("route_sent"), order("route_acknowledged", order_qty=None),
    order(algo_params=AlgoParams(participation=1.0)), order(algo_params=AlgoParams()),
    order(reject_reason=0), order(reject_reason=255), order(seq=0, market_seq=(1 << 62) - 1),
    market(), market(bid=None), market(ask=None), market(bid=-1.0, bid_size=0.0),
    market("trade"), market("trade", price=-1.0), market("auction"), market("halted"),
    market("auction", auction="opening"), market("auction", auction="closing"),
    market("trade", auction="who knows"),
]  # fmt: skip


@pytest.mark.parametrize("message", ACCEPTABLE)
def test_what_a_desk_may_send_is_taken(message):
    check(message)


INF, NAN = math.inf, math.nan
REFUSED = [
    (order(symbol=None), Why.MISSING_FIELD, "symbol is missing or empty"),
    (order(side="LONG"), Why.BAD_SIDE, "side must be one of BUY, BUY_MINUS"),
    (order(side=None), Why.BAD_SIDE, "side must be one of BUY, BUY_MINUS"),
    (order(side=None), Why.BAD_SIDE, "(order A)"),
    (order(order_qty=None), Why.MISSING_FIELD, "order_qty is missing (order A)"),
    (order("order_replaced", order_qty=None), Why.MISSING_FIELD, "order_qty is missing"),
    (order("route_sent", order_qty=None), Why.MISSING_FIELD, "order_qty is missing"),
    (order(order_qty=-1.0), Why.OUT_OF_RANGE, "order_qty must not be negative, was -1"),
    (order(order_qty=NAN), Why.OUT_OF_RANGE, "order_qty must be finite, was nan"),
    (order(cum_qty=-1.0), Why.OUT_OF_RANGE, "cum_qty must not be negative"),
    (order(leaves_qty=INF), Why.OUT_OF_RANGE, "leaves_qty must be finite, was inf"),
    (order(displayed_qty=-2.0), Why.OUT_OF_RANGE, "displayed_qty must not be negative"),
    (order(limit_px=NAN), Why.OUT_OF_RANGE, "limit_px must be finite"),
    (order(avg_px=INF), Why.OUT_OF_RANGE, "avg_px must be finite"),
    (order(fee=-INF), Why.OUT_OF_RANGE, "fee must be finite, was -inf"),
    (order(decision_px=NAN), Why.OUT_OF_RANGE, "decision_px must be finite"),
    (fill(last_qty=None), Why.MISSING_FIELD, "last_qty is missing (order A, exec e1)"),
    (fill(last_qty=0.0), Why.OUT_OF_RANGE, "last_qty must be positive, was 0 (order A, exec e1)"),
    (fill(last_qty=0.0, exec_id=None), Why.OUT_OF_RANGE, "(order A, exec -)"),
    (fill(last_qty=-1.5), Why.OUT_OF_RANGE, "last_qty must be positive, was -1.5"),
    (fill(last_px=None), Why.MISSING_FIELD, "last_px is missing"),
    (fill(last_px=NAN), Why.OUT_OF_RANGE, "last_px must be finite"),
    (order("fill_busted"), Why.MISSING_FIELD, "exec_ref_id must name the execution (order A)"),
    (order("fill_corrected", last_qty=1.0, last_px=1.0), Why.MISSING_FIELD, "exec_ref_id must"),
    (order("fill_corrected", exec_id="e"), Why.MISSING_FIELD, "last_qty is missing"),
    (order(algo_params=AlgoParams(participation=0.0)), Why.OUT_OF_RANGE,
     "algo_params.participation must be above 0 and at most 1, was 0.0 (order A)"),
    (order(algo_params=AlgoParams(kappa_t=-1.0)), Why.OUT_OF_RANGE,
     "algo_params.kappa_t must not be negative, was -1 (order A)"),
    (order(algo_params=AlgoParams(participation=1.1)), Why.OUT_OF_RANGE, "at most 1, was 1.1"),
    (order(algo_params=AlgoParams(participation=NAN)), Why.OUT_OF_RANGE, "at most 1, was nan"),
    (order(reject_reason=-1), Why.OUT_OF_RANGE, "reject_reason must be 0–255, was -1"),
    (order(reject_reason=256), Why.OUT_OF_RANGE, "reject_reason must be 0–255, was 256"),
    (order(seq=-1), Why.OUT_OF_RANGE, "seq must be 0 or more, was -1"),
    (order(market_seq=1 << 62), Why.OUT_OF_RANGE, "market_seq must be"),
    (market(symbol=""), Why.MISSING_FIELD, "symbol is missing or empty"),
    (market(venue="\0"), Why.BAD_ID, "venue must not"),
    (market(exec_id="\0"), Why.BAD_ID, "exec_id must not"),
    (market(bid=None, ask=None), Why.MISSING_FIELD, "a quote needs bid or ask (symbol X)"),
    (market(bid=NAN), Why.OUT_OF_RANGE, "bid must be finite"),
    (market(ask=INF), Why.OUT_OF_RANGE, "ask must be finite"),
    (market(bid_size=-1.0), Why.OUT_OF_RANGE, "bid_size must not be negative, was -1 (symbol X)"),
    (market(ask_size=-1.0), Why.OUT_OF_RANGE, "ask_size must not be negative"),
    (market("trade", price=None), Why.MISSING_FIELD, "price is missing (symbol X)"),
    (market("auction", price=NAN), Why.OUT_OF_RANGE, "price must be finite"),
    (market("trade", size=None), Why.MISSING_FIELD, "size is missing"),
    (market("trade", size=0.0), Why.OUT_OF_RANGE, "size must be positive, was 0"),
    (market("auction", auction="noon"), Why.OUT_OF_RANGE, "auction must be opening or closing"),
    (market("halted", seq=-1), Why.OUT_OF_RANGE, "seq must be 0 or more"),
    (market("gossip"), Why.UNKNOWN_TYPE, "no market event is called 'gossip'"),
]  # fmt: skip


@pytest.mark.parametrize(("message", "why", "words"), REFUSED)
def test_a_refusal_names_the_field_the_value_and_the_order(message, why, words):
    with pytest.raises(Refused) as refused:
        check(message)
    assert refused.value.reason is why
    assert words in refused.value.words


def test_an_unknown_word_is_refused_with_the_list_of_known_ones():
    assert known(Liquidity, "liquidity", "ADDED") is Liquidity.ADDED
    assert known(Liquidity, "liquidity", None) is known(Liquidity, "liquidity", "") is Liquidity(0)
    with pytest.raises(Refused, match="one of UNKNOWN, ADDED, REMOVED, ROUTED, AUCTION, was 'x'"):
        known(Liquidity, "liquidity", "x")


def test_a_side_may_be_unsaid_but_not_unknown():
    assert side_of(None) is side_of("") is None
    assert side_of("SELL_SHORT") is Side.SELL_SHORT
    with pytest.raises(Refused, match="was '1'"):
        side_of("1")
