import math

import msgspec
import pytest

from domain.errors import Refused
from domain.instants import NO_TIME, parse_rfc3339
from domain.reasons import DeadLetterReason
from domain.reference import MAX_SLOTS, ReferenceKind, ReferenceRecord, effective_ns
from domain.reference_check import decode_reference, record_of, to_wire
from domain.vocabulary import Topic
from domain.wire import RowBuilder, encode

IBM = {
    "symbol": "IBM",
    "adv_qty": 4_000_000,
    "sigma_daily_bps": 120.5,
    "beta": 0.9,
    "index_symbol": "SPY",
    "spread_bps": 2.1,
    "volume_curve": [0.5, 0.2, 0.3],
    "volatility_curve": [1.0, 1.0, 1.0],
    "tick": 0.01,
    "lot": 100,
    "currency": "USD",
    "calendar": "XNYS",
    "asset_class": "EQUITY",
    "prev_close": 184.1,
    "splits": [{"date": "2013-06-09", "ratio": 2}],
    "effective_from": "2013-10-07",
}

FINDING = {"severity": "MEDIUM", "words": "dear", "n": 9, "expected": 0.0, "actual": 1.0,
           "threshold": 0.0, "z": 3.0}  # fmt: skip


def refused(**members: object) -> Refused:
    with pytest.raises(Refused) as caught:
        record_of({"symbol": "IBM", **members})
    return caught.value


def test_a_record_comes_back_from_the_wire_as_it_went():
    record = record_of(IBM)

    again = decode_reference(encode(to_wire(record)))

    assert again == record
    assert again.kind is ReferenceKind.SYMBOL
    assert again.key == "IBM"


def test_absent_members_are_left_out_of_the_message():
    raw = encode(to_wire(record_of({"symbol": "IBM", "tick": 0.01})))

    assert msgspec.json.decode(raw) == {"type": "reference", "symbol": "IBM", "tick": 0.01}


def test_a_newer_sender_may_add_members():
    assert decode_reference(b'{"type":"reference","symbol":"A","colour":"red"}').symbol == "A"


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b'{"type":"reference"', DeadLetterReason.UNREADABLE),
        (b"\xff\xfe", DeadLetterReason.UNREADABLE),
        (b'{"symbol":"IBM"}', DeadLetterReason.MISSING_FIELD),
        (b'{"type":"quote","symbol":"IBM"}', DeadLetterReason.WRONG_TYPE),
        (b'{"type":"reference","symbol":"IBM","adv_qty":"many"}', DeadLetterReason.WRONG_TYPE),
        (b'{"type":"reference"}', DeadLetterReason.MISSING_FIELD),
        (b'{"type":"reference","symbol":"IBM","scope":"venue:X"}', DeadLetterReason.MISSING_FIELD),
        (b'{"type":"reference","symbol":"I\\u0000M"}', DeadLetterReason.BAD_ID),
        (b'{"type":"reference","symbol":""}', DeadLetterReason.MISSING_FIELD),
    ],
)
def test_a_message_that_is_no_record_is_refused(raw: bytes, reason: DeadLetterReason):
    with pytest.raises(Refused) as caught:
        decode_reference(raw)

    assert caught.value.reason is reason


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"adv_qty": 0}, "adv_qty must be positive, was 0 (symbol IBM)"),
        ({"lot": -1}, "lot must be positive, was -1 (symbol IBM)"),
        ({"days": 0}, "days must be positive, was 0 (symbol IBM)"),
        ({"beta": math.inf}, "beta must be finite, was inf (symbol IBM)"),
        ({"spread_bps": -0.1}, "spread_bps must not be negative, was -0.1 (symbol IBM)"),
        ({"volume_curve": [0.5, 0.6]}, "volume_curve must sum to 1, sums to 1.1 (symbol IBM)"),
        ({"volume_curve": [1.5, -0.5]}, "volume_curve must hold numbers of 0 or more, has -0.5"),
        ({"volatility_curve": [2.0]}, "volatility_curve must have mean square 1, has 4"),
        ({"volume_curve": [1 / 49] * 49}, "volume_curve may cut a session into at most 48 parts"),
        ({"calendar": "XNYC"}, "calendar: no calendar is called 'XNYC'"),
        ({"asset_class": "STOCK"}, "asset_class must be one of UNKNOWN, EQUITY"),
        ({"currency": "U" * 101}, "currency may have at most 100 characters, has 101"),
        ({"splits": [{"date": "2014-06-09", "ratio": 7}]}, "effective_from must say which splits"),
        (
            {"effective_from": "2026-01-01", "splits": [{"date": "2014-06-09", "ratio": 0}]},
            "splits.ratio must be positive, was 0",
        ),
    ],
)
def test_a_number_that_cannot_be_right_is_refused_in_words(members: dict[str, object], words: str):
    assert words in refused(**members).words


@pytest.mark.parametrize(
    "text", ["2026-13-01", "yesterday", "2026-11-20T25:00:00Z", "2026-11-20T10:00"]
)
def test_a_time_that_does_not_exist_is_refused(text: str):
    error = refused(effective_from=text)

    assert error.reason is DeadLetterReason.BAD_TIME
    assert "2026-11-20T14:30:00" in error.words or "no such time" in error.words


def test_curves_are_scaled_to_one_exactly():
    record = record_of(
        {"symbol": "A", "volume_curve": [0.3333, 0.3333, 0.3333], "volatility_curve": [1.0002] * 3}
    )

    assert sum(record.volume_curve) == pytest.approx(1, abs=1e-15)
    assert record.volatility_curve == pytest.approx([1, 1, 1], abs=1e-15)


def test_a_curve_may_have_a_part_for_every_half_hour_of_a_day():
    record = record_of({"symbol": "BTC", "volume_curve": [1 / MAX_SLOTS] * MAX_SLOTS})

    assert len(record.volume_curve) == MAX_SLOTS


@pytest.mark.parametrize(
    ("members", "kind"),
    [
        ({"scope": "venue:XNAS", "baselines": {"ack_ms": {"n": 50, "median": 1.2}}}, "venue"),
        ({"scope": "cohort:VWAP/B1", "baselines": {"slippage_bps": {"n": 30}}}, "cohort"),
        ({"scope": "fx:EUR/USD", "rate": 1.1}, "fx"),
        (
            {
                "scope": "model:expected_cost",
                "coefficients": {"eta": 0.142},
                "standard_errors": {"eta": 0.01},
                "ranges": {"participation": [0.0, 0.3]},
                "n": 900,
            },
            "model",
        ),
    ],
)
def test_venues_cohorts_currencies_and_models_have_records_too(
    members: dict[str, object], kind: str
):
    record = record_of(members)

    assert record.kind == kind
    assert record.key == members["scope"]
    assert decode_reference(encode(to_wire(record))) == record


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"scope": "planet:MARS"}, "scope must be one of venue:…, cohort:…, fx:…, model:…"),
        ({"scope": "venue"}, "scope must be one of"),
        ({"scope": "symbol:IBM"}, "scope must be one of"),
        ({"scope": "fx:EURUSD", "rate": 1.1}, "a currency pair is written fx:EUR/USD"),
        ({"scope": "fx:EUR/USD"}, "rate is missing (scope fx:EUR/USD)"),
        ({"scope": "venue:X"}, "baselines is missing"),
        ({"scope": "model:m"}, "coefficients is missing"),
        ({"scope": "model:m", "coefficients": {"a": math.inf}}, "coefficients must hold finite"),
        (
            {"scope": "model:m", "coefficients": {"a": 1}, "standard_errors": {"b": 1}},
            "standard_errors names no coefficient: b",
        ),
        (
            {"scope": "model:m", "coefficients": {"a": 1}, "ranges": {"q": [2, 1]}},
            "ranges.q must be [least, greatest], was [2, 1]",
        ),
        ({"scope": "venue:X", "baselines": {"a": {"n": 0}}}, "baselines.a.n must be positive"),
        (
            {"scope": "venue:X", "baselines": {"a": {"n": 1, "mean": math.inf}}},
            "baselines.a must hold finite",
        ),
        (
            {"scope": "venue:X", "baselines": {"a": {"n": 3, "quantiles": [1, 3, 2]}}},
            "baselines.a.quantiles must not fall",
        ),
        ({"symbol": "X", "finding": FINDING}, "a finding is of a venue:… or a cohort:…"),
        (
            {"scope": "venue:X", "baselines": {"a": {"n": 1}}, "finding": {**FINDING, "n": 0}},
            "finding.n must be positive, was 0",
        ),
        (
            {
                "scope": "venue:X",
                "baselines": {"a": {"n": 1}},
                "finding": {**FINDING, "z": math.inf},
            },
            "finding must hold finite numbers",
        ),
    ],
)
def test_a_scope_says_what_its_kind_is_there_for(members: dict[str, object], words: str):
    with pytest.raises(Refused) as caught:
        record_of(members)

    assert words in caught.value.words


def test_a_day_begins_at_midnight_where_the_exchange_is():
    assert effective_ns("2013-10-07", "XNYS") == parse_rfc3339("2013-10-07T00:00:00-04:00")
    assert effective_ns("2013-10-07") == parse_rfc3339("2013-10-07T00:00:00Z")
    assert effective_ns("2013-10-07T12:00:00Z", "XNYS") == parse_rfc3339("2013-10-07T12:00:00Z")
    assert record_of({"symbol": "A"}).effective_ns == NO_TIME


def test_only_splits_after_the_record_took_effect_change_its_shares():
    record = record_of(
        {
            "symbol": "AAPL",
            "effective_from": "2014-06-09",
            "splits": [
                {"date": "2014-06-09", "ratio": 7},
                {"date": "2020-08-31", "ratio": 4},
                {"date": "2030-01-01", "ratio": 0.5},
            ],
        }
    )

    assert record.split_ratio(effective_ns("2014-06-10")) == 1
    assert record.split_ratio(effective_ns("2020-08-30")) == 1
    assert record.split_ratio(effective_ns("2020-08-31")) == 4
    assert record.split_ratio(effective_ns("2031-01-01")) == 2


def test_members_are_absent_by_default():
    record = ReferenceRecord(type="reference", symbol="A")

    assert record.adv_qty is None
    assert record.volume_curve == []


def test_a_wrong_record_on_the_bus_becomes_a_dead_letter_and_the_next_is_taken():
    builder = RowBuilder(Topic.REFERENCE)
    wrong, right = (b'{"type":"reference","symbol":"A","lot":%d}' % lot for lot in (-1, 1))

    for n, raw in enumerate((wrong, right)):
        builder.add_json(raw, position=str(n), partition=0, ts=0, ingest=0)
    batch = builder.build()

    assert [(d.position, d.words) for d in batch.dead] == [
        ("0", "lot must be positive, was -1 (symbol A)")
    ]
    assert batch.references == [right]
