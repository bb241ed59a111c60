from datetime import date

import pytest

from domain.errors import ConfigurationError
from domain.instants import parse_rfc3339
from sources.simulator.desk_file import EXAMPLE_DESK, load_desk

DAY = date(2013, 10, 7)
GOOD = {
    "symbol": '"IBM"',
    "side": '"BUY"',
    "quantity": "40_000",
    "algorithm": '"VWAP"',
    "start": '"10:00"',
    "end": '"12:00:30"',
}


def write(tmp_path, *, before="", **changes):
    members = {**GOOD, **changes}
    lines = [f"{name} = {value}" for name, value in members.items() if value is not None]
    path = tmp_path / "desk.toml"
    path.write_text(before + "\n[[parent]]\n" + "\n".join(lines) + "\n")
    return path


def test_times_are_exchange_time_of_the_day(tmp_path):
    parent = load_desk(write(tmp_path), DAY).parents[0]

    assert parent.start_ns == parse_rfc3339("2013-10-07T14:00:00Z")
    assert parent.end_ns == parse_rfc3339("2013-10-07T16:00:30Z")
    assert (parent.symbol, parent.side, parent.quantity) == ("IBM", "BUY", 40_000)


def test_winter_time_and_other_zones_are_known(tmp_path):
    winter = load_desk(write(tmp_path), date(2013, 12, 2)).parents[0]
    london = load_desk(write(tmp_path), DAY, "Europe/London").parents[0]

    assert winter.start_ns == parse_rfc3339("2013-12-02T15:00:00Z")
    assert london.start_ns == parse_rfc3339("2013-10-07T09:00:00Z")


def test_times_may_be_written_without_quotes(tmp_path):
    parent = load_desk(write(tmp_path, start="10:15:00"), DAY).parents[0]

    assert parent.start_ns == parse_rfc3339("2013-10-07T14:15:00Z")


def test_the_desk_busts_nothing_unless_it_is_told_to(tmp_path):
    assert load_desk(write(tmp_path), DAY).desk.bust_rate == 0

    told = load_desk(write(tmp_path, before="[desk]\nbust_rate = 0.5\n"), DAY).desk
    assert told.bust_rate == 0.5
    assert told.correct_rate == 0


def test_the_example_that_ships_can_be_read():
    desk = load_desk(EXAMPLE_DESK, DAY)

    assert {p.symbol for p in desk.parents} == {"IBM", "BAC"}
    assert {p.algorithm for p in desk.parents} == {"TWAP", "VWAP", "POV", "IS"}


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"side": '"LONG"'}, "side must be one of BUY, .* was 'LONG'"),
        ({"quantity": "0"}, "quantity must be positive, was 0"),
        ({"quantity": '"many"'}, "Expected `int`"),
        ({"algorithm": '"SNIPER"'}, "Invalid enum value 'SNIPER'"),
        ({"algorithm": '"POV"'}, "a POV order needs its participation"),
        ({"participation": "1.5"}, "participation must be between 0 and 1, was 1.5"),
        ({"start": '"noon"'}, "start must be exchange time such as 10:30 .* was 'noon'"),
        ({"start": '"10:00Z"'}, "start is exchange time and has no zone"),
        ({"end": '"09:00"'}, "end must be after start"),
        ({"limit": "-1.0"}, "limit must be positive, was -1.0"),
        ({"urgency": '"panic"'}, "Invalid enum value 'panic'"),
        ({"colour": '"red"'}, "unknown field `colour`"),
        ({"symbol": None}, "missing required field `symbol`"),
        ({"before": "[desk]\nspeed = 3\n"}, "unknown field `speed`"),
        ({"before": "desk = 3\n"}, "Expected `object`"),
        ({"before": "= 3\n"}, "Invalid statement"),
    ],
)
def test_what_cannot_be_worked_is_refused_in_words(tmp_path, changes, words):
    with pytest.raises(ConfigurationError, match=words):
        load_desk(write(tmp_path, **changes), DAY)


def test_a_file_without_orders_or_with_one_id_twice_is_refused(tmp_path):
    empty = tmp_path / "empty.toml"
    empty.write_text("")
    with pytest.raises(ConfigurationError, match="at least one"):
        load_desk(empty, DAY)

    twice = write(tmp_path, order_id='"A"')
    twice.write_text(twice.read_text() * 2)
    with pytest.raises(ConfigurationError, match="order_id 'A' is given twice"):
        load_desk(twice, DAY)

    with pytest.raises(ConfigurationError, match="cannot read"):
        load_desk(tmp_path / "missing.toml", DAY)
