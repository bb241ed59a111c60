"""Replays in this process: figures of real data, files, and every way to ask wrongly."""

import json

import numpy as np
import polars as pl
import pytest

from cli.replay.totals import ExactSum
from domain.rows import FILL, ORDER_METRICS


@pytest.fixture(scope="session")
def events(tmp_path_factory):
    """Two simulated minutes, as NDJSON."""
    from cli.main import run

    path = tmp_path_factory.mktemp("simulated") / "events.ndjson"
    assert run(["simulate", "--out", str(path), "--minutes", "2", "--events-per-s", "60"]) == 0
    return path


def test_the_lobster_session_gives_the_known_figures(execmon, data, tmp_path):
    orders, fills = tmp_path / "orders.parquet", tmp_path / "fills.csv"

    found = execmon(
        "replay", "lobster", data / "lobster_amzn", "--json", "--orders", orders, "--fills", fills
    ).json

    assert found["events"] == 57_515
    assert found["orders"] == 34_545
    assert found["orders_executed"] == 6_993
    assert found["orders_without_arrival"] == 2_444
    assert found["fills"] == 8_974
    assert found["filled_qty"] == 613_248
    assert found["dead_letters"] == 0
    assert found["effective_spread_exec_mid_bps"] == pytest.approx(-4.224671504, abs=5e-10)
    assert found["effective_spread_receipt_mid_bps"] == pytest.approx(-2.081952562, abs=5e-10)
    assert found["wall_s"] > 0
    assert found["events_per_s"] == pytest.approx(57_515 / found["wall_s"])
    written = pl.read_parquet(orders)
    assert written.height == written["order_id"].n_unique() == 34_545
    assert not written["order_id"].str.starts_with("#").any()
    unseen = written.filter(pl.col("cum_qty") > 0, pl.col("arrival_mid").is_null())
    assert unseen.height == 2_444
    assert set(unseen["reasons"].struct.field("slippage_bps")) == {"NO_ARRIVAL"}
    executed = pl.read_csv(fills)
    assert executed.height == 8_974
    assert executed["last_qty"].sum() == 613_248


def test_a_session_is_summed_up_for_people_too(execmon, data):
    shown = execmon("replay", "lobster", data / "lobster_amzn", "--symbol", "AMZN", "--date",
                    "2012-06-21", "--workers", "2")  # fmt: skip

    assert shown.code == 0
    assert "34,545" in shown.out
    assert "-4.2247" in shown.out


def test_a_replay_gives_the_same_bytes_with_one_worker_and_with_two(execmon, events, tmp_path):
    for workers in (1, 2):
        found = execmon("replay", "ndjson", events, "--json", "--workers", workers,
                        "--orders", tmp_path / f"orders{workers}.ndjson",
                        "--fills", tmp_path / f"fills{workers}.ndjson")  # fmt: skip
        assert found.code == 0

    for name in ("orders", "fills"):
        one, two = ((tmp_path / f"{name}{n}.ndjson").read_bytes() for n in (1, 2))
        assert one == two


def test_every_order_of_a_file_is_written_once_under_its_own_name(execmon, events, tmp_path):
    out = tmp_path / "orders.ndjson"

    found = execmon("replay", "ndjson", events, "--json", "--orders", out).json

    accepted = {
        event["order_id"]
        for event in map(json.loads, events.read_text().splitlines())
        if event["type"] == "order_accepted"
    }
    records = [json.loads(line) for line in out.read_text().splitlines()]
    assert {record["order_id"] for record in records} == accepted
    assert len(records) == found["orders"] == len(accepted)
    for record in records:
        for name in ORDER_METRICS:
            assert (record[name] is None) == (name in record["reasons"])


def columns(events) -> pl.DataFrame:
    found = []
    for line in events.read_text().splitlines():
        event = json.loads(line)
        if event.pop("topic") in {"orders", "routes", "market-data"}:
            event |= event.pop("algo_params", {})
            event.pop("conditions", None)
            found.append(event)
    return pl.DataFrame(found, infer_schema_length=None)


@pytest.mark.parametrize("format_", ["csv", "parquet"])
def test_columns_give_what_the_same_events_as_json_give(execmon, events, tmp_path, format_):
    path = tmp_path / f"events.{format_}"
    frame = columns(events)
    frame.write_csv(path) if format_ == "csv" else frame.write_parquet(path)
    plain = tmp_path / "plain.ndjson"
    plain.write_text(
        "".join(line + "\n" for line in events.read_text().splitlines()
                if '"topic":"reference"' not in line)
    )  # fmt: skip

    fills = [tmp_path / "a.ndjson", tmp_path / "b.ndjson"]
    found = execmon("replay", format_, path, "--json", "--fills", fills[0]).json
    expected = execmon("replay", "ndjson", plain, "--json", "--fills", fills[1]).json

    changing = {"format", "files", "wall_s", "events_per_s"}
    assert {k: v for k, v in found.items() if k not in changing} == {
        k: v for k, v in expected.items() if k not in changing
    }
    assert fills[0].read_bytes() == fills[1].read_bytes()


def test_orders_and_market_may_lie_in_two_files(execmon, events, tmp_path):
    lines = events.read_text().splitlines()
    market, orders = tmp_path / "market.ndjson", tmp_path / "orders.ndjson"
    market.write_text("".join(line + "\n" for line in lines if '"market-data"' in line))
    orders.write_text("".join(line + "\n" for line in lines if '"market-data"' not in line))

    apart = execmon("replay", "ndjson", orders, market, "--json").json

    together = execmon("replay", "ndjson", events, "--json").json
    for name in ("orders", "fills", "filled_qty", "effective_spread_exec_mid_bps", "states"):
        assert apart[name] == together[name]


def test_marks_can_be_turned_off(execmon, events):
    with_marks = execmon("replay", "ndjson", events, "--json", "--marks", "10").json
    without = execmon("replay", "ndjson", events, "--json", "--marks", "0").json

    assert with_marks["status_rows"] > without["status_rows"]
    assert with_marks["fills"] == without["fills"]


def test_refused_lines_are_counted_and_written_with_their_reason(execmon, tmp_path):
    path, dead = tmp_path / "events.ndjson", tmp_path / "dead.ndjson"
    path.write_bytes(
        b'{"type":"order_accepted","order_id":"A/1 #\xc3\xbc","symbol":"AMZN","side":"BUY",'
        b'"order_qty":100,"ts_event":"2026-11-20T14:30:00Z"}\n'
        b'{"type":"order_filled","order_id":"A/1 #\xc3\xbc","symbol":"AMZN","last_qty":-3,'
        b'"last_px":10,"ts_event":"2026-11-20T14:30:01Z"}\n'
        b"\xff\xfe garbage\n"
    )

    found = execmon("replay", "ndjson", path, "--json", "--dead-letters", dead).json

    assert found["orders"] == 1
    assert found["fills"] == 0
    assert found["dead_letters"] == 2
    first, second = sorted(map(json.loads, dead.read_text().splitlines()),
                           key=lambda d: d["position"])  # fmt: skip
    assert first["position"] == "events.ndjson:2"
    assert first["reason"] == "OUT_OF_RANGE"
    assert "last_qty must be positive, was -3" in first["words"]
    assert second["reason"] == "UNREADABLE"
    assert "message_base64" in second


def test_reference_data_gives_what_it_is_needed_for(execmon, events, tmp_path):
    reference = tmp_path / "reference.ndjson"
    lines = events.read_text().splitlines()
    reference.write_text("".join(line + "\n" for line in lines if '"topic":"reference"' in line))
    plain = tmp_path / "plain.ndjson"
    plain.write_text("".join(line + "\n" for line in lines if '"topic":"reference"' not in line))

    known = {}
    for name, more in (("with", ["--reference", reference]), ("without", [])):
        out = tmp_path / f"{name}.parquet"
        assert execmon("replay", "ndjson", plain, "--orders", out, *more).code == 0
        known[name] = pl.read_parquet(out)["risk_bps"].drop_nulls().len()

    assert known["without"] == 0
    assert known["with"] > 0


def test_a_wrong_reference_file_stops_the_replay(execmon, events, tmp_path):
    reference = tmp_path / "reference.ndjson"
    reference.write_text('{"type":"reference","symbol":"AMZN","adv_qty":-1}\n')

    refused = execmon("replay", "ndjson", events, "--reference", reference)

    assert refused.code == 3
    assert "adv_qty" in refused.err


WRONG = [
    (["lobster", "nowhere"], 3, "nowhere is not a folder with LOBSTER files"),
    (["lobster", "."], 3, "holds no LOBSTER session"),
    (["ndjson", "nowhere.ndjson"], 3, "nowhere.ndjson is not a file"),
    (["csv", "nowhere.csv"], 3, "nowhere.csv is not a file"),
    (["parquet", "nowhere.parquet"], 3, "nowhere.parquet is not a file"),
    (["fix", "nowhere.log"], 3, "nowhere.log is not a file"),
    (["lobster", ".", "--date", "21.6.2012"], 2, "must be a day such as 2013-10-07"),
    (["lobster", ".", "--orders", "orders.xlsx"], 2, "must end in .ndjson, .jsonl, .csv or"),
    (["lobster", ".", "--fills", "no/such/folder/fills.csv"], 2, "does not exist; make it first"),
    (["lobster", ".", "--dead-letters", "no/such/d.ndjson"], 2, "does not exist"),
    (["lobster", ".", "--orders", "a.csv", "--fills", "a.csv"], 2, "must be different files"),
    (["lobster", ".", "--workers", "0"], 2, "--workers must be from 1 to 16, was 0"),
    (["lobster", ".", "--marks", "-1"], 2, "--marks must be 0 (none) or more, was -1"),
    (["lobster", ".", "--calendar", "XXXX"], 2, "XXXX"),
    (["tape", ".", "--symbols", "IBM", "--date", "2013-10-06"], 3, "not a trading day"),
    (["tape", ".", "--symbols", "IBM", "--date", "2013-10-07"], 3, "ibm_20131007_trade"),
    (["tape", ".", "--symbols", ",", "--date", "2013-10-07"], 2, "at least one symbol"),
    (["tape", ".", "--symbols", "IBM", "--date", "2013-10-07", "--fill-at", "bid"], 2, "--fill-at"),
    (["tape", ".", "--symbols", "ZZZ", "--date", "2013-10-07"], 2, "no order in ZZZ"),
    (["tape", ".", "--symbols", "IBM", "--date", "2013-10-07", "--desk", "no.toml"], 2, "no.toml"),
    (["ndjson"], 2, "Missing argument"),
]


@pytest.mark.parametrize(("arguments", "code", "words"), WRONG, ids=lambda v: str(v)[:40])
def test_what_cannot_be_replayed_is_refused_before_the_work(
    execmon, tmp_path, monkeypatch, arguments, code, words
):
    monkeypatch.chdir(tmp_path)

    refused = execmon("replay", *arguments)

    assert refused.code == code
    assert words in refused.err
    assert refused.out == ""
    assert list(tmp_path.iterdir()) == []


def test_a_reference_file_that_is_not_there_stops_the_replay(execmon, events):
    refused = execmon("replay", "ndjson", events, "--reference", "nowhere.json")

    assert refused.code == 3
    assert "cannot read nowhere.json" in refused.err


def test_two_files_with_market_data_are_refused_in_words(execmon, events):
    refused = execmon("replay", "ndjson", events, events)

    assert refused.code == 2
    assert "market data from one reader" in refused.err


def test_sums_do_not_depend_on_the_order_of_their_terms():
    terms = np.random.default_rng(7).normal(0, 1e6, 1000) * 10.0 ** np.arange(-10, 10).repeat(50)
    forward, backward = ExactSum(), ExactSum()

    for term in terms:
        forward.add(np.array([term, np.nan]))
    backward.add(terms[::-1].copy())

    assert forward.value == backward.value


def test_a_parents_own_reports_are_not_counted_beside_its_childrens():
    from cli.replay.totals import Totals
    from domain.columns import blank
    from domain.rows import ORDER, FillStatus, Rows

    orders, fills = blank(ORDER, 2), blank(FILL, 2)
    orders["order"], orders["has_children"] = (1, 2), (1, 0)
    fills["order"], fills["status"] = (1, 2), FillStatus.COUNTED
    fills["last_qty"], fills["last_px"], fills["side"] = 100, 10.0, 1
    totals = Totals()

    totals.add(Rows(orders=orders, fills=fills))

    assert totals.summary()["fills"] == 1
    assert totals.summary()["filled_qty"] == 100
