import pytest

from domain.errors import Refused
from sources.far_future import last_day, refuse_far_future


def test_the_last_day_is_a_year_after_the_middle_of_the_first_times():
    good = ["2026-11-20T14:30:00Z"] * 4

    assert last_day(["2099-01-01T00:00:00Z", *good, "1970-01-01T00:00:00Z"]) == "2027-11-21"
    assert last_day(["whenever", "", *good]) == "2027-11-21"


def test_a_file_without_times_has_no_last_day():
    assert last_day([]) is None
    assert last_day(["whenever", "9999-12-31T00:00:00Z"]) is None


@pytest.mark.parametrize("ts_event", ["2027-11-21T23:59:59Z", "whenever", None, 5])
def test_what_is_not_after_the_last_day_is_left_to_others(ts_event):
    assert refuse_far_future(ts_event, "2027-11-21") is None


def test_what_is_after_the_last_day_is_refused_in_words():
    with pytest.raises(Refused, match=r"2027-11-22T00:00:00Z, more than 366 days after"):
        refuse_far_future("2027-11-22T00:00:00Z", "2027-11-21")
