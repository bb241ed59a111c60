import csv
import json

import pytest

LINE = "8=FIX.4.4|9=000|35={kind}|49=B|56=C|34={n}|52=20261120-14:30:0{n}|{rest}|10=000|\n"


def report(n: int, rest: str) -> str:
    return LINE.format(kind="8", n=n, rest=f"37=B1|11=C1|55=AMZN|54=1|38=300|{rest}")


@pytest.mark.parametrize(
    ("name", "orders", "executed", "fills"),
    [
        ("fix42_new_cancel.log", 602, 0, 0),
        ("fix44_multi_hop.log", 5, 5, 5),
        ("dirty_bad_checksums.log", 3, 2, 2),
        ("one_exec_id_five_fills.txt", 1, 1, 5),
    ],
)
def test_each_log_gives_its_orders_and_fills(
    execmon, data, tmp_path, name, orders, executed, fills
):
    out = tmp_path / "orders.ndjson"

    found = execmon("replay", "fix", data / "fix" / name, "--json", "--orders", out).json

    assert (found["orders"], found["orders_executed"], found["fills"]) == (orders, executed, fills)
    assert found["differences"] == len(found["difference_list"])
    assert len(out.read_text().splitlines()) == orders


def test_one_execution_id_for_five_fills_gives_exactly_the_expected_executions(
    execmon, data, tmp_path
):
    fix, out = data / "fix", tmp_path / "fills.ndjson"

    found = execmon(
        "replay", "fix", fix / "one_exec_id_five_fills.txt", "--json", "--fills", out
    ).json

    with (fix / "one_exec_id_five_fills_expected.csv").open() as file:
        expected = [
            (float(row["Transaction Quantity"]), float(row["Transaction Price"]),
             row["Transaction Side"].strip().upper(), row["Transaction Time"][-8:])
            for row in csv.DictReader(file)
        ]  # fmt: skip
    fills = [json.loads(line) for line in out.read_text().splitlines()]
    assert [
        (f["last_qty"], f["last_px"], f["side"], f["ts_event"][11:19]) for f in fills
    ] == expected
    assert found["filled_qty"] == 100
    assert len({fill["exec_id"] for fill in fills}) == 1
    assert [f["cum_qty"] for f in fills] == [20, 40, 60, 80, 100]


def test_every_wrong_checksum_is_counted_and_refused_only_when_asked(execmon, data):
    log = data / "fix" / "dirty_bad_checksums.log"

    counted = execmon("replay", "fix", log, "--json").json
    strict = execmon("replay", "fix", log, "--json", "--strict").json

    assert counted["bad_checksums"] == counted["messages"] == 84
    assert counted["dead_letters"] == 0
    assert strict["dead_letters"] == 84
    assert strict["orders"] == 0


def test_a_difference_from_tags_14_and_6_is_listed_and_counted(execmon, tmp_path):
    log = tmp_path / "one.log"
    log.write_text(
        report(1, "150=F|39=1|17=E1|32=100|31=10.0|14=100|151=200|6=10.0|60=20261120-14:30:01")
        + report(2, "150=F|39=1|17=E2|32=100|31=11.0|14=200|151=100|6=10.4|60=20261120-14:30:02")
    )

    found = execmon("replay", "fix", log, "--json").json

    assert found["differences"] == 1
    [difference] = found["difference_list"]
    assert difference["field"] == "avg_px"
    assert difference["tag"] == 6
    assert difference["ours"] == 10.5
    assert difference["reported"] == 10.4


def test_a_last_report_that_says_our_own_numbers_is_no_difference(execmon, tmp_path):
    log = tmp_path / "one.log"
    log.write_text(
        report(1, "150=F|39=1|17=E1|32=100|31=10.0|14=100|151=200|6=10.0|60=20261120-14:30:01")
    )

    assert execmon("replay", "fix", log, "--json").json["differences"] == 0


def test_several_logs_are_read_together(execmon, data):
    logs = [data / "fix" / n for n in ("fix44_multi_hop.log", "one_exec_id_five_fills.txt")]

    found = execmon("replay", "fix", *logs, "--json").json

    assert found["orders"] == 6
    assert found["versions"] == {"FIX.4.4": 55}


def test_differences_are_shown_to_people(execmon, data):
    shown = execmon("replay", "fix", data / "fix" / "fix44_multi_hop.log")

    assert shown.code == 0
    assert "Differences from tags 14 and 6" in shown.out
    assert "10.4911" in shown.out
