import json
import os
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from cli.reference import app
from domain.reference_files import read_records

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
needs_data = pytest.mark.skipif(
    not (DATA / "equity_tape").is_dir(), reason=f"no sample data in {DATA} (EXECMON_TEST_DATA)"
)
GOOD = '{"symbol":"IBM","adv_qty":4e6,"tick":0.01,"volume_curve":[0.5,0.2,0.3]}\n'
BAD = '{"symbol":"BAC","adv_qty":-1}\n'


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


@pytest.fixture
def file(tmp_path: Path):
    def write(text: str, name: str = "day.ndjson") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


def test_a_right_file_is_checked_without_a_bus(file: Any):
    result = run("load", file(GOOD), "--check", "--json")

    assert result.exit_code == 0
    assert json.loads(result.stdout) == {
        "file": str(file(GOOD)), "records": 1, "published": 0, "problems": [],
    }  # fmt: skip


def test_a_wrong_record_is_named_by_its_line_and_nothing_is_published(file: Any):
    path = file(GOOD + BAD)

    result = run("load", path)

    assert result.exit_code == 3
    assert f"{path}: line 2: adv_qty must be positive, was -1 (symbol BAC)" in result.stderr
    assert (
        "1 records were refused; correct them, or publish the rest with --skip-bad" in result.stderr
    )
    assert result.stdout == "1 records are right, 0 published\n"


def test_of_many_wrong_records_the_first_are_listed(file: Any):
    result = run("load", file(BAD * 30), "--check", "--json")

    assert result.exit_code == 3
    assert "and 10 more" in result.stderr
    assert len(json.loads(result.stdout)["problems"]) == 30


@pytest.mark.parametrize(
    ("text", "name", "words"),
    [
        ("", "day.ndjson", "holds no record"),
        ("[", "day.json", "not JSON"),
        (GOOD, "day.xlsx", "reference files end in"),
    ],
)
def test_a_file_that_cannot_be_read_ends_with_three(file: Any, text: str, name: str, words: str):
    result = run("load", file(text, name))

    assert result.exit_code == 3
    assert words in result.stderr


def test_a_missing_file_is_said_to_be_missing(tmp_path: Path):
    result = run("load", tmp_path / "none.json")

    assert result.exit_code == 3
    assert f"cannot read {tmp_path / 'none.json'}: No such file or directory" in result.stderr


def test_a_file_can_be_asked_what_holds_at_a_time(file: Any):
    path = file(
        '{"symbol":"IBM","effective_from":"2026-11-19","adv_qty":1}\n'
        '{"symbol":"IBM","effective_from":"2026-11-20","adv_qty":2}\n'
    )

    first = run("show", "IBM", "--file", path, "--at", "2026-11-19", "--json")
    second = run("show", "IBM", "--file", path, "--at", "2026-11-20T15:00:00Z", "--json")

    assert json.loads(first.stdout)["adv_qty"] == 1
    assert json.loads(second.stdout)["adv_qty"] == 2


def test_a_record_is_shown_with_units_and_its_curve_as_bars(file: Any):
    result = run("show", "IBM", "--file", file(GOOD))

    assert result.exit_code == 0
    assert "4,000,000" in result.stdout
    assert "▂" in result.stdout or "█" in result.stdout
    assert "shares of the session" in result.stdout


def test_a_scope_is_shown_like_a_symbol(file: Any):
    result = run("show", "fx:EUR/USD", "--file", file('{"scope":"fx:EUR/USD","rate":1.25}'))

    assert "1.25" in result.stdout


def test_what_is_not_there_or_not_yet_ends_with_three(file: Any):
    path = file('{"symbol":"IBM","effective_from":"2030-01-01"}')

    unknown = run("show", "BAC", "--file", path)
    later = run("show", "IBM", "--file", path)
    wrong = run("show", "IBM", "--file", path, "--at", "noon")

    assert (unknown.exit_code, later.exit_code, wrong.exit_code) == (3, 3, 3)
    assert "holds no record of BAC in effect at" in unknown.stderr
    assert "the first from 2030-01-01" in later.stderr
    assert "--at: expected a day" in wrong.stderr


BARS = "date,close,volume\n" + "".join(f"2026-10-{d:02d},{100 + d % 3},{d}\n" for d in range(1, 31))


def test_a_record_is_derived_from_daily_bars_into_a_file_that_loads(file: Any, tmp_path: Path):
    out = tmp_path / "out.ndjson"

    result = run(
        "derive", "ABC", "--daily", file(BARS, "bars.csv"), "--days", 10, "--set", "tick=0.01",
        "--set", "currency=USD", "--split", "2026-12-01:2", "--out", out,
    )  # fmt: skip

    assert result.exit_code == 0, result.stderr
    (record,) = read_records(out.read_bytes(), ".ndjson").records
    assert record.adv_qty == 25.5
    assert record.effective_from == "2026-11-02"
    assert (record.tick, record.currency) == (0.01, "USD")
    assert record.splits[0].date == "2026-12-01"
    assert f"added ABC to {out}" in result.stderr


def test_a_derived_record_is_printed_where_no_file_is_named(file: Any):
    bars = file(BARS, "bars.csv")

    assert "adv_qty" in run("derive", "ABC", "--daily", bars).stdout
    assert json.loads(run("derive", "ABC", "--daily", bars, "--json").stdout)["symbol"] == "ABC"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["--split", "7"], 2, "a split is DATE:RATIO"),
        (["--split", "2026-01-01:x"], 2, "a split is DATE:RATIO"),
        (["--effective", "today"], 2, "expected a day such as 2026-11-20"),
        (["--set", "tick"], 2, "--set takes MEMBER=VALUE"),
        (["--set", "tick=-1"], 3, "tick must be positive"),
        (["--calendar", "XNYC"], 2, "no calendar is called 'XNYC'"),
        (["--day", "2026-11-20"], 2, "say --tape FOLDER too"),
        (["--tape", "nowhere"], 3, "no such folder: nowhere"),
        (["--daily", "nowhere.csv"], 3, "nowhere.csv"),
        (["--out", "/nowhere/x.ndjson"], 2, "cannot write /nowhere/x.ndjson"),
    ],
)
def test_a_wrong_option_is_refused_in_words(file: Any, arguments: list[str], code: int, words: str):
    bars = [] if "--daily" in arguments else ["--daily", file(BARS, "bars.csv")]

    result = run("derive", "ABC", *bars, *arguments)

    assert result.exit_code == code
    assert words in result.stderr


def test_nothing_to_derive_from_ends_with_three():
    result = run("derive", "ABC")

    assert result.exit_code == 3
    assert "no daily bar and no day of the market to derive from" in result.stderr


def events(day: str, prices: list[float]) -> str:
    lines = ""
    for minute, price in enumerate(prices):
        stamp = f"{day}T15:{minute:02d}:00Z"
        bid, ask = price - 0.01, price + 0.01
        lines += json.dumps(
            {"type": "quote", "symbol": "ABC", "bid": bid, "ask": ask, "ts_event": stamp}
        )
        lines += "\n" + json.dumps(
            {"type": "trade", "symbol": "ABC", "price": price, "size": 10, "ts_event": stamp}
        )
        lines += "\n"
    return lines


def test_files_of_market_events_give_a_day_for_each_session_in_them(file: Any):
    path = file(
        events("2026-11-18", [10, 11, 10]) + events("2026-11-19", [10, 10, 12]) + "nonsense\n"
    )

    result = run("derive", "ABC", "--market", path, "--slots", 2, "--json")

    assert result.exit_code == 0, result.stderr
    record = json.loads(result.stdout)
    assert (record["days"], record["effective_from"], record["adv_qty"]) == (2, "2026-11-20", 30)
    assert record["prev_close"] == 12
    assert record["volume_curve"] == [1, 0]
    assert "1 events refused" in result.stderr


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("none.ndjson", "no such file"),
        ("day.ndjson", "holds no market event of XYZ"),
        ("a.xls", ".xls"),
    ],
)
def test_a_file_without_the_symbol_market_is_refused(
    file: Any, tmp_path: Path, name: str, words: str
):
    file(events("2026-11-18", [10]), "day.ndjson")
    file("", "a.xls")

    result = run("derive", "XYZ", "--market", tmp_path / name)

    assert result.exit_code == 3
    assert words in result.stderr


@needs_data
def test_the_sample_tape_gives_bars_before_the_day_and_curves_if_asked_to_look_ahead():
    tape = DATA / "equity_tape"

    honest = run("derive", "IBM", "--tape", tape, "--effective", "2013-10-07", "--json")
    ahead = run(
        "derive", "IBM", "--tape", tape, "--effective", "2013-10-07", "--look-ahead", "--json"
    )
    refused = run(
        "derive", "IBM", "--tape", tape, "--day", "2013-10-07", "--effective", "2013-10-07"
    )

    before, with_curves = json.loads(honest.stdout), json.loads(ahead.stdout)
    assert before["prev_close"] == 184.1
    assert "volume_curve" not in before
    assert len(with_curves["volume_curve"]) == len(with_curves["volatility_curve"]) == 13
    assert with_curves["adv_qty"] == before["adv_qty"]
    assert with_curves["volume_curve"][-1] > with_curves["volume_curve"][6]
    assert with_curves["volatility_curve"][0] > with_curves["volatility_curve"][6]
    assert 0 < with_curves["spread_bps"] < 10
    assert "curves look ahead: 2013-10-07 is not before 2013-10-07" in ahead.stderr
    assert refused.exit_code == 3
    assert "could not have been known then" in refused.stderr


@needs_data
def test_a_lobster_session_gives_a_record_for_the_next_day():
    result = run(
        "derive", "AMZN", "--lobster", DATA / "lobster_amzn", "--calendar", "XNAS", "--json"
    )

    record = json.loads(result.stdout)
    assert record["effective_from"] == "2012-06-22"
    assert record["calendar"] == "XNYS"
    assert record["adv_qty"] == 810_755
    assert sum(record["volume_curve"]) == pytest.approx(1)
