"""What alerts are called, and that they can be read again as they were written."""

import uuid

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.alerts import SEVERITIES, Alert, AlertState, Silence, alert_id_of, dedupe_key, rank
from domain.published import Severity
from tests.alert_desk import DATA, SLOW, crossing, silence

names = st.text("ab|%7C:-", max_size=6)
types = st.sampled_from([SLOW, DATA])


@given(st.tuples(names, names, types), st.tuples(names, names, types))
def test_keys_agree_only_where_desk_scope_and_type_do(one, other):
    assert (dedupe_key(*one) == dedupe_key(*other)) == (one == other)


def test_a_key_reads_as_desk_scope_and_type():
    assert dedupe_key("US", "algo:VWAP|BRK1", SLOW) == "US|algo:VWAP|BRK1|SLOW_EXECUTION"


def test_an_alert_has_one_id_for_ever():
    key = dedupe_key("US", "A1", SLOW)

    assert alert_id_of(key, 1) == "91ad8d44-699a-5c5a-af6b-f18d149ea91a"
    assert uuid.UUID(alert_id_of(key, 2)).version == 5
    assert alert_id_of(key, 1) != alert_id_of(key, 2)


def test_severities_rank_by_urgency_and_not_by_letter():
    assert [rank(severity) for severity in SEVERITIES] == [0, 1, 2, 3]
    assert max(Severity, key=rank) is Severity.CRITICAL


def test_a_silence_says_what_it_is():
    given_ = silence(0, 60)

    assert msgspec.to_builtins(given_)["type"] == "silence_set"
    assert msgspec.json.decode(msgspec.json.encode(given_), type=Silence) == given_


@pytest.mark.parametrize("codec", [msgspec.json, msgspec.msgpack])
@pytest.mark.parametrize("type_", [SLOW, DATA])
def test_crossings_and_alerts_are_read_as_they_were_written(codec, type_):
    seen = crossing(1, type_=type_)
    alert = Alert(
        alert_id="x", dedupe_key="k", ordinal=1, desk="D", scope="A1", type=type_,
        state=AlertState.OPEN, severity=Severity.LOW, rule_severity=Severity.LOW,
        started_at=1, changed_at=1, seq=1,
    )  # fmt: skip

    assert codec.decode(codec.encode(seen), type=type(seen)) == seen
    assert codec.decode(codec.encode(alert), type=Alert) == alert
