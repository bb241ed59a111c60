from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain import instants
from domain.instants import NO_TIME, SECOND, format_rfc3339, parse_rfc3339

YEAR_1824 = int(datetime(1824, 1, 1, tzinfo=UTC).timestamp()) * SECOND
YEAR_2116 = int(datetime(2116, 1, 1, tzinfo=UTC).timestamp()) * SECOND
INSTANTS = st.integers(YEAR_1824, YEAR_2116)


@given(INSTANTS)
def test_every_nanosecond_survives_being_written_and_read(ns):
    assert parse_rfc3339(format_rfc3339(ns)) == ns


@given(INSTANTS, st.integers(0, 23), st.integers(0, 59), st.sampled_from("+-"))
def test_an_offset_names_the_same_instant(ns, hours, minutes, sign):
    shift = (hours * 3600 + minutes * 60) * SECOND * (1 if sign == "+" else -1)
    local = format_rfc3339(ns + shift).removesuffix("Z")
    assert parse_rfc3339(f"{local}{sign}{hours:02}:{minutes:02}") == ns


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01t00:00:01z", SECOND),
        ("1970-01-01 00:00:01.5Z", 1_500_000_000),
        ("1970-01-01T00:00:00.123456789Z", 123_456_789),
        ("1970-01-01T00:00:00.1234567899Z", 123_456_789),
        ("1970-01-01T01:00:00+01:00", 0),
        ("1969-12-31T19:00:00-05:00", 0),
        ("1969-12-31T23:59:60Z", 0),
        ("1969-12-31T23:59:59.999999999Z", -1),
    ],
)
def test_times_are_read_as_rfc_3339_has_them(text, ns):
    assert parse_rfc3339(text) == ns


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "expected a time such as"),
        ("yesterday", "expected a time such as"),
        ("2026-11-20T14:30:00", "expected a time such as"),
        ("2026-11-20T14:30Z", "expected a time such as"),
        ("2026-11-20T14:30:00.Z", "expected a time such as"),
        ("2026-11-20T14:30:00Z\n", "expected a time such as"),
        ("2026-11-20T١٤:30:00Z", "expected a time such as"),
        ("2026-11-20T24:00:00Z", "no such time of day"),
        ("2026-11-20T23:60:00Z", "no such time of day"),
        ("2026-11-20T23:59:61Z", "no such time of day"),
        ("2026-11-20T14:30:00+24:00", "no such offset"),
        ("2026-11-20T14:30:00-01:60", "no such offset"),
        ("2026-02-30T14:30:00Z", "day"),
        ("0000-01-01T14:30:00Z", "year"),
    ],
)
def test_what_is_not_a_time_is_refused_in_words(text, words):
    with pytest.raises(ValueError, match=words):
        parse_rfc3339(text)


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "1970-01-01T00:00:00Z"),
        (500_000_000, "1970-01-01T00:00:00.500Z"),
        (1_000, "1970-01-01T00:00:00.000001Z"),
        (1, "1970-01-01T00:00:00.000000001Z"),
        (-1, "1969-12-31T23:59:59.999999999Z"),
    ],
)
def test_a_time_is_written_with_as_many_digits_as_it_needs(ns, text):
    assert format_rfc3339(ns) == text


def test_the_memory_of_days_is_bounded():
    instants._days.clear()
    for day in range(4200):
        parse_rfc3339(format_rfc3339(day * 86_400 * SECOND))
    assert len(instants._days) < 4200
    assert parse_rfc3339("1970-01-02T00:00:00Z") == 86_400 * SECOND


def test_an_unknown_time_sorts_before_every_other():
    assert NO_TIME == -(2**63)
    assert instants.END_OF_TIME == 2**63 - 1
