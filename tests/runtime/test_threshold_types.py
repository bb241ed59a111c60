import pytest

from domain.errors import ConfigurationError
from domain.flags import SHOWN, Flag
from domain.published import Severity
from runtime.settings import load_settings
from runtime.threshold_types import version_of


def configured(text):
    return load_settings(env={"EXECMON_ALERT_THRESHOLDS": text}).alert_thresholds


def test_thresholds_in_one_line_say_whose_they_are():
    first, second = configured(
        "desk=US-CASH SLOW_EXECUTION=0.25; symbol=AMZN HIGH_COST=3 SLIPPAGE=40"
    )
    assert (first.desk, first.asset_class, first.symbol) == ("US-CASH", None, None)
    assert first.thresholds == {"SLOW_EXECUTION": 0.25}
    assert second.symbol == "AMZN"
    assert second.thresholds == {"HIGH_COST": 3.0, "SLIPPAGE": 40.0}
    assert str(second) == "symbol=AMZN HIGH_COST=3 SLIPPAGE=40"


def test_thresholds_in_a_file_are_tables(tmp_path):
    file = tmp_path / "execmon.toml"
    file.write_text('[[alert_thresholds]]\nasset_class = "FX"\nHIGH_COST = 3\n')
    (entry,) = load_settings(env={}, config=file).alert_thresholds
    assert entry.asset_class == "FX"
    assert entry.thresholds == {"HIGH_COST": 3.0}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("desk=A HIGH_COST=99", "HIGH_COST must be 1 to 10"),
        ("desk=A COST=1", "no threshold is called 'COST'"),
        ("VENUE_ISSUE=1", "it is about a venue"),
        ("desk=A", "sets no threshold"),
        ("asset_class=SHARES HIGH_COST=3", "asset_class must be one of"),
        ("HIGH_COST", "expected desk="),
        ("HIGH_COST=much", "HIGH_COST must be a number"),
    ],
)
def test_what_is_wrong_with_a_threshold_is_said(text, words):
    with pytest.raises(ConfigurationError, match=words):
        configured(text)


def test_an_entry_of_a_file_that_is_no_table_is_refused(tmp_path):
    file = tmp_path / "execmon.toml"
    file.write_text("alert_thresholds = [3]\n")
    with pytest.raises(ConfigurationError, match="expected a table"):
        load_settings(env={}, config=file)


def test_the_version_changes_with_what_is_configured_alone():
    one = configured("desk=A HIGH_COST=3")
    assert version_of(one) == version_of(configured("desk=A HIGH_COST=3.0"))
    assert version_of(one) != version_of(configured("desk=A HIGH_COST=3.5"))
    assert version_of(()) != version_of(one)
    assert version_of((), {**SHOWN, Flag.OVERFILL: Severity.HIGH}) != version_of(())
    assert version_of((), dict(SHOWN)) == version_of(())
