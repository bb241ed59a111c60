import pytest

from domain import vocabulary as v
from domain.errors import (
    BusError,
    ConfigurationError,
    ExecmonError,
    InputError,
    ReconciliationError,
    RecoveryError,
    Refused,
    ServerError,
)
from domain.reasons import DeadLetterReason, Reason
from domain.rows import FillStatus, MarketFlag

GOLDEN = {
    v.EventKind: {
        "ORDER_ACCEPTED": 1, "ORDER_PENDING_CANCEL": 2, "ORDER_PENDING_REPLACE": 3,
        "ORDER_REPLACED": 4, "ORDER_CANCELLED": 5, "CANCEL_REJECTED": 6, "ORDER_REJECTED": 7,
        "ORDER_EXPIRED": 8, "ORDER_DONE_FOR_DAY": 9, "ORDER_SUSPENDED": 10, "ORDER_RESUMED": 11,
        "ORDER_FILLED": 12, "FILL_BUSTED": 13, "FILL_CORRECTED": 14, "ROUTE_SENT": 20,
        "ROUTE_ACKNOWLEDGED": 21, "ROUTE_REJECTED": 22, "ROUTE_TIMED_OUT": 23,
        "ROUTE_CANCELLED": 24, "MARK": 40, "OWN_PRINT": 41,
    },
    v.MarketKind: {"QUOTE": 1, "TRADE": 2, "AUCTION": 4, "HALTED": 8, "RESUMED": 16},
    v.TradeFlag: {
        "ELIGIBLE": 1, "OPENING": 2, "CLOSING": 4, "OUT_OF_SEQUENCE": 8, "EXTENDED_HOURS": 16,
        "SUSPICIOUS": 32,
    },
    v.OrderState: {
        "UNKNOWN": 0, "NEW": 1, "PARTIALLY_FILLED": 2, "FILLED": 3, "CANCELLED": 4, "REPLACED": 5,
        "REJECTED": 6, "EXPIRED": 7, "DONE_FOR_DAY": 8, "SUSPENDED": 9, "PENDING_CANCEL": 10,
        "PENDING_REPLACE": 11,
    },
    v.OrderType: {
        "UNKNOWN": 0, "MARKET": 1, "LIMIT": 2, "STOP": 3, "STOP_LIMIT": 4, "MARKET_ON_CLOSE": 5,
        "LIMIT_ON_CLOSE": 6, "PEGGED": 7,
    },
    v.TimeInForce: {
        "UNKNOWN": 0, "DAY": 1, "GTC": 2, "OPG": 3, "IOC": 4, "FOK": 5, "GTX": 6, "GTD": 7,
        "CLS": 8,
    },
    v.Liquidity: {"UNKNOWN": 0, "ADDED": 1, "REMOVED": 2, "ROUTED": 3, "AUCTION": 4},
    v.AssetClass: {
        "UNKNOWN": 0, "EQUITY": 1, "FUTURE": 2, "OPTION": 3, "FX": 4, "CRYPTO": 5, "BOND": 6,
    },
    v.Schedule: {
        "NONE": 0, "TWAP": 1, "VWAP": 2, "POV": 3, "IS": 4, "CLOSE": 5, "CUSTOM": 6,
    },
    v.RejectReason: {
        "NONE": 0, "BROKER": 1, "UNKNOWN_SYMBOL": 2, "EXCHANGE_CLOSED": 3,
        "ORDER_EXCEEDS_LIMIT": 4, "TOO_LATE_TO_ENTER": 5, "UNKNOWN_ORDER": 6,
        "DUPLICATE_ORDER": 7, "STALE_ORDER": 9, "UNSUPPORTED": 12, "INCORRECT_QUANTITY": 14,
        "PRICE_EXCEEDS_BAND": 17, "OTHER": 100,
    },
    v.Anomaly: {
        "EXEC_ID_REUSED": 1, "CUM_QTY_FELL": 2, "OVERFILL": 4, "STATE_VIOLATION": 8, "LATE": 16,
        "NEVER_ACCEPTED": 32, "RESTATED": 64, "UNKNOWN_EXEC": 128, "AVG_PX_DIFFERS": 256,
        "CUM_QTY_DIFFERS": 512, "FILL_AFTER_CLOSE": 1024,
    },
    Reason: {
        "NONE": 0, "NO_FILL": 1, "NO_QUOTE": 2, "STALE_QUOTE": 3, "CROSSED": 4, "LOCKED": 5,
        "NOT_REACHED": 6, "PENDING": 7, "UNOBSERVED": 8, "ALL_OWN": 9, "NO_SCHEDULE": 10,
        "TOO_EARLY": 11, "NO_DECISION": 12, "PARTIAL_TOTAL": 13, "NON_POSITIVE_BENCHMARK": 14,
        "NO_ARRIVAL": 15, "NO_TRADE": 16, "NO_ROUTE": 17, "NO_REFERENCE": 18, "NO_INDEX": 19,
        "NO_LIMIT": 20, "NO_SYMBOL": 21, "ZERO_QTY": 22, "HALTED": 23, "LATE": 24, "TOO_FEW": 25,
    },
    DeadLetterReason: {
        "UNREADABLE": 1, "UNKNOWN_TYPE": 2, "MISSING_FIELD": 3, "WRONG_TYPE": 4,
        "OUT_OF_RANGE": 5, "BAD_ID": 6, "BAD_SIDE": 7, "BAD_TIME": 8, "FUTURE": 9,
        "WRONG_TOPIC": 10, "BAD_CHECKSUM": 11,
    },
}  # fmt: skip


@pytest.mark.parametrize("enum", GOLDEN, ids=lambda e: e.__name__)
def test_numbers_that_are_stored_never_change(enum):
    """Members may be added behind these; the ones that were written stay what they were."""
    found = {member.name: int(member) for member in enum}
    assert {name: found[name] for name in GOLDEN[enum]} == GOLDEN[enum]
    assert len(set(found.values())) == len(found)


def test_bits_and_codes_of_rows_never_change():
    assert (FillStatus.COUNTED, FillStatus.REPEATED, FillStatus.BUSTED, FillStatus.CORRECTED) == (
        1, 2, 3, 4,
    )  # fmt: skip
    flags = (MarketFlag.PRE_OPEN, MarketFlag.HALTED, MarketFlag.STALE, MarketFlag.LATE,
             MarketFlag.CLOSED, MarketFlag.OPEN_IS_PRINT)  # fmt: skip
    assert flags == (1, 2, 4, 8, 16, 32)


def test_stored_numbers_fit_their_columns():
    for enum in (v.EventKind, v.MarketKind, v.TradeFlag, v.OrderState, v.RejectReason, Reason):
        assert max(enum) < 256


def test_the_topics_of_the_bus_have_their_names():
    assert [str(t) for t in v.Topic][:9] == [
        "orders", "routes", "market-data", "reference", "control", "execution-updates",
        "execution-events", "execution-alerts", "dead-letter",
    ]  # fmt: skip
    assert tuple(v.Topic)[:5] == v.INPUT_TOPICS


def test_a_purchase_is_plus_one_and_every_sale_minus_one():
    assert {s.name: s.sign for s in v.Side} == {
        "BUY": 1, "BUY_MINUS": 1, "SELL": -1, "SELL_PLUS": -1, "SELL_SHORT": -1,
        "SELL_SHORT_EXEMPT": -1,
    }  # fmt: skip
    assert [v.SIDES[i] for i in range(6)] == list(v.Side)
    assert {code: str(side) for code, side in v.SIDE_OF_FIX.items()} == {
        "1": "BUY", "2": "SELL", "3": "BUY_MINUS", "4": "SELL_PLUS", "5": "SELL_SHORT",
        "6": "SELL_SHORT_EXEMPT",
    }  # fmt: skip


def test_an_order_is_closed_when_no_execution_is_expected():
    closed = {s.name for s in v.OrderState if s.is_closed}
    assert closed == {"FILLED", "CANCELLED", "REJECTED", "EXPIRED"}


def test_event_types_of_the_bus_leave_internal_kinds_out():
    assert "mark" not in {**v.ORDER_EVENT_TYPES, **v.ROUTE_EVENT_TYPES}
    assert len(v.ORDER_EVENT_TYPES) == 14
    assert list(v.ROUTE_EVENT_TYPES) == [
        "route_sent", "route_acknowledged", "route_rejected", "route_timed_out", "route_cancelled",
    ]  # fmt: skip
    assert list(v.MARKET_EVENT_TYPES) == ["quote", "trade", "auction", "halted", "resumed"]


def test_exit_codes_tell_who_can_act():
    codes = {
        ExecmonError: 1, ConfigurationError: 2, InputError: 3, Refused: 3, BusError: 4,
        ServerError: 4, RecoveryError: 5, ReconciliationError: 6,
    }  # fmt: skip
    for kind, code in codes.items():
        assert issubclass(kind, ExecmonError)
        assert kind.exit_code == code
