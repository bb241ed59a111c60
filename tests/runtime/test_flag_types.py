import pytest

from domain.errors import ConfigurationError
from domain.flags import SHOWN, Flag
from domain.published import Severity
from runtime.settings import load_settings


def configured(text):
    return load_settings(env={"EXECMON_ALERT_FLAGS": text}).alert_flags


def test_unless_told_otherwise_those_of_cohorts_are_shown_and_those_of_orders_no_alerts():
    assert load_settings(env={}).alert_flags == configured("") == SHOWN
    assert set(SHOWN.values()) == {Severity.LOW}


def test_a_flag_is_promoted_or_put_out_by_its_name():
    found = configured("OVERFILL=HIGH, PAGE_HINKLEY=OFF, STATE_VIOLATION=OFF")

    assert found[Flag.OVERFILL] is Severity.HIGH
    assert found[Flag.EWMA_DRIFT] is Severity.LOW
    assert not {Flag.PAGE_HINKLEY, Flag.STATE_VIOLATION} & set(found)


def test_in_a_file_they_are_a_table(tmp_path):
    file = tmp_path / "execmon.toml"
    file.write_text('[alert_flags]\nMODIFIED_Z = "MEDIUM"\n')

    assert load_settings(env={}, config=file).alert_flags[Flag.MODIFIED_Z] is Severity.MEDIUM


def test_they_are_shown_with_those_that_are_off():
    settings = load_settings(env={"EXECMON_ALERT_FLAGS": "OVERFILL=HIGH,MODIFIED_Z=OFF"})

    dumped = settings.model_dump()["alert_flags"]
    assert (dumped["OVERFILL"], dumped["MODIFIED_Z"]) == ("HIGH", "OFF")
    [shown] = [value for name, value, _ in settings.rows() if name == "alert_flags"]
    assert shown == "EWMA_DRIFT=LOW,PAGE_HINKLEY=LOW,OVERFILL=HIGH"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("STALE=HIGH", "no flag is called 'STALE'; there are OVERFILL"),
        ("OVERFILL=BAD", "OVERFILL must be OFF, LOW, MEDIUM, HIGH, CRITICAL, was 'BAD'"),
        ("OVERFILL", "OVERFILL must be OFF"),
    ],
)
def test_what_is_wrong_is_said(text, words):
    with pytest.raises(ConfigurationError, match=words):
        configured(text)


def test_what_is_no_table_is_refused(tmp_path):
    file = tmp_path / "execmon.toml"
    file.write_text("alert_flags = 3\n")
    with pytest.raises(ConfigurationError, match="expected FLAG=SEVERITY"):
        load_settings(env={}, config=file)
