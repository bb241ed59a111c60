import io
from datetime import date, datetime

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.errors import InputError
from domain.reference_check import to_wire
from domain.reference_files import read_records

RECORDS = [
    {
        "symbol": "IBM",
        "adv_qty": 4e6,
        "volume_curve": [0.5, 0.25, 0.25],
        "calendar": "XNYS",
        "effective_from": "2013-10-07",
        "splits": [{"date": "2013-06-09", "ratio": 2.0}],
    },
    {"scope": "fx:EUR/USD", "rate": 1.1},
    {"scope": "venue:XNAS", "baselines": {"ack_ms": {"n": 50, "median": 1.2}}},
]
JSON = msgspec.json.encode(RECORDS)
NDJSON = b"\n".join(msgspec.json.encode(r) for r in RECORDS) + b"\n\n"
CSV = (
    "\ufeffsymbol,scope,adv_qty,volume_curve,calendar,effective_from,splits,rate,baselines\r\n"
    "IBM,,4e6,0.5 0.25;0.25,XNYS,2013-10-07,2013-06-09:2,,\r\n"
    "\r\n,fx:EUR/USD,,,,,,1.1,\r\n"
    ',venue:XNAS,,,,,,,"{""ack_ms"": {""n"": 50, ""median"": 1.2}}"\r\n'
).encode()
TOML = b"""
[[reference]]
symbol = "IBM"
adv_qty = 4e6
volume_curve = [0.5, 0.25, 0.25]
calendar = "XNYS"
effective_from = 2013-10-07
splits = [{date = 2013-06-09, ratio = 2}]
[[reference]]
scope = "fx:EUR/USD"
rate = 1.1
[[reference]]
scope = "venue:XNAS"
baselines.ack_ms = {n = 50, median = 1.2}
"""


def parquet(rows: list[dict[str, object]]) -> bytes:
    out = io.BytesIO()
    pl.DataFrame(rows, infer_schema_length=None).write_parquet(out)
    return out.getvalue()


def wired(body: bytes, suffix: str) -> list[dict[str, object]]:
    loaded = read_records(body, suffix)
    assert loaded.problems == []
    return [to_wire(r) for r in loaded.records]


@pytest.mark.parametrize(
    ("body", "suffix"),
    [
        (JSON, ".json"),
        (NDJSON, ".ndjson"),
        (NDJSON, ".jsonl"),
        (CSV, ".csv"),
        (TOML, ".toml"),
        (parquet(RECORDS), ".parquet"),
        (JSON, ".JSON"),
    ],
)
def test_every_format_gives_the_same_records(body: bytes, suffix: str):
    assert wired(body, suffix) == [{"type": "reference", **r} for r in RECORDS]


def test_one_object_is_a_file_of_one_record():
    assert wired(b'{"symbol":"IBM","tick":0.01}', ".json")[0]["tick"] == 0.01


def test_days_and_times_of_parquet_and_toml_are_taken_as_they_are():
    days = parquet([{"symbol": "IBM", "effective_from": date(2026, 11, 20)}])
    times = parquet([{"symbol": "IBM", "effective_from": datetime(2026, 11, 20, 14, 30)}])
    toml = b'[[reference]]\nsymbol = "IBM"\neffective_from = 2026-11-20T09:30:00-05:00'

    assert wired(days, ".parquet")[0]["effective_from"] == "2026-11-20"
    assert wired(times, ".parquet")[0]["effective_from"] == "2026-11-20T14:30:00Z"
    assert wired(toml, ".toml")[0]["effective_from"] == "2026-11-20T09:30:00-05:00"


@pytest.mark.parametrize(
    ("body", "suffix", "where", "words"),
    [
        (b'{"symbol":"A"}\n\n{"symbol":"B","lot":-1}', ".ndjson", "line 3", "lot must be positive"),
        (b'{"symbol":"A"}\n{"symbol', ".ndjson", "line 2", "not a JSON object"),
        (b'{"symbol":"A"}\n7', ".ndjson", "line 2", "a record is an object with members, was 7"),
        (b'[{"symbol":"A"},{}]', ".json", "record 2", "needs either symbol or scope"),
        (b"symbol,tick\nA,0.1\nB,x", ".csv", "line 3", "tick: expected a number, got 'x'"),
        (b"symbol,tick\nA,0.1\nB,nan", ".csv", "line 3", "tick must be finite"),
        (b"symbol,tick\nA,0.1\nB", ".csv", "line 3", "has 1 cells, the first line names 2"),
        (b"symbol,volume_curve\nA,\nB,0.1 x", ".csv", "line 3", "volume_curve: expected a number"),
        (b"symbol,splits\nA,\nB,2014", ".csv", "line 3", "expected a day"),
        (b"symbol,days\nA,\nB,x", ".csv", "line 3", "Expected `int | null`"),
        (b"symbol,baselines\nA,\nB,{", ".csv", "line 3", "baselines: "),
        (b'[[reference]]\nsymbol="A"\n[[reference]]\n', ".toml", "record 2", "needs either"),
        (
            parquet([{"symbol": "A", "lot": 1}, {"symbol": "B", "lot": 0}]),
            ".parquet",
            "row 2",
            "lot",
        ),
        (
            b'[{"symbol":"A"},{"symbol":"B","advqty":1}]',
            ".json",
            "record 2",
            "did you mean adv_qty?",
        ),
        (b'[{"symbol":"A"},{"symbol":"B","zzz":1}]', ".json", "record 2", "called 'zzz'"),
    ],
)
def test_a_bad_record_is_named_by_where_it_stands_and_the_others_are_kept(
    body: bytes, suffix: str, where: str, words: str
):
    if suffix == ".csv" and b"splits" in body:
        body = body.replace(
            b"symbol,splits\nA,\nB,2014", b"symbol,splits,effective_from\nA,,\nB,2014,2026-01-01"
        )

    loaded = read_records(body, suffix)

    assert [r.symbol for r in loaded.records] == ["A"]
    assert [p.where for p in loaded.problems] == [where]
    assert words in loaded.problems[0].words


@pytest.mark.parametrize(
    ("body", "suffix", "words"),
    [
        (b"[", ".json", "not JSON"),
        (b"a = ", ".toml", "not TOML"),
        (b"\xff", ".toml", "not TOML"),
        (b"symbol = 1", ".toml", r"holds \[\[reference\]\] tables"),
        (b"[[reference]]\n[x]\n", ".toml", "and nothing else"),
        (b"\xff\xff", ".csv", "not UTF-8 text"),
        (b"", ".csv", "one of them is symbol or scope"),
        (b"a,b\n1,2", ".csv", "one of them is symbol or scope"),
        (b'symbol,x\n"' + b"a" * 140_000 + b'"\n', ".csv", "not a CSV file: line 2"),
        (b"PAR0", ".parquet", "not a Parquet file"),
        (b"{}", ".xlsx", "reference files end in .csv, .json"),
        (b"{}", "", "this one ends in nothing"),
    ],
)
def test_a_file_that_is_not_what_it_is_called_is_refused(body: bytes, suffix: str, words: str):
    with pytest.raises(InputError, match=words):
        read_records(body, suffix)


@given(st.binary(max_size=300), st.sampled_from([".json", ".ndjson", ".csv", ".toml"]))
def test_garbage_never_does_worse_than_be_refused(body: bytes, suffix: str):
    try:
        loaded = read_records(b"symbol\n" + body if suffix == ".csv" else body, suffix)
    except InputError:
        return

    assert all(problem.where and problem.words for problem in loaded.problems)
