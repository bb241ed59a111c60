import csv
import json
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.batch import Batch
from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.keys import key_of
from domain.reasons import DeadLetterReason
from domain.vocabulary import MarketKind, Topic, TradeFlag
from sources.columnar import CsvReader, ParquetReader
from sources.ndjson import NdjsonReader
from sources.reader import Cursor, batches

T0 = 1_795_185_000_000_000_000
NUMBERS = {"order_qty", "last_qty", "last_px", "cum_qty", "leaves_qty", "limit_px", "fee",
           "avg_px", "decision_px", "bid", "ask", "bid_size", "ask_size", "price", "size",
           "participation", "kappa_t"}  # fmt: skip
WHOLE = {"seq", "market_seq", "reject_reason"}

names = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), min_size=1,
                max_size=12).map(str.strip).filter(bool)  # fmt: skip
times = st.integers(0, 10**12).map(lambda ns: format_rfc3339(T0 + ns))
positive = st.floats(0.01, 1e6)
maybe = {
    "seq": st.integers(0, 10**6),
    "market_seq": st.integers(0, 10**6),
    "venue": names,
    "fee": st.floats(-10, 10),
    "parent_order_id": names,
    "root_order_id": names,
    "cum_qty": positive,
    "leaves_qty": positive,
    "avg_px": positive,
}
said_once = {
    "broker": names,
    "desk": names,
    "currency": st.sampled_from(["USD", "EUR"]),
    "ord_type": st.sampled_from(["LIMIT", "MARKET"]),
    "time_in_force": st.sampled_from(["DAY", "IOC"]),
    "asset_class": st.sampled_from(["EQUITY", "FX"]),
    "algo": st.sampled_from(["VWAP", "TWAP", "SNIPER"]),
    "decision_ts": times,
    "decision_px": positive,
    "participation": st.floats(0.01, 1),
    "urgency": st.sampled_from(["low", "MEDIUM", "High", "panic"]),
    "kappa_t": st.floats(0, 9),
    "profile": st.lists(st.integers(0, 5), min_size=1, max_size=6)
    .filter(any)
    .map(lambda parts: [part / sum(parts) for part in parts]),
}
sides = st.sampled_from(["BUY", "SELL", "SELL_SHORT"])
base = {"order_id": names, "symbol": names, "ts_event": times}
accepted = st.fixed_dictionaries(
    {"type": st.just("order_accepted"), **base, "side": sides, "order_qty": positive},
    optional={**maybe, **said_once, "limit_px": positive},
)
filled = st.fixed_dictionaries(
    {"type": st.just("order_filled"), **base, "last_qty": positive, "last_px": positive},
    optional={**maybe, "exec_id": names, "side": sides,
              "liquidity": st.sampled_from(["ADDED", "REMOVED"])},
)  # fmt: skip
other = st.fixed_dictionaries(
    {"type": st.sampled_from(["order_cancelled", "order_rejected", "order_suspended"]), **base},
    optional={**maybe, "reject_reason": st.integers(0, 255)},
)
routed = st.fixed_dictionaries(
    {"type": st.sampled_from(["route_sent", "route_acknowledged"]), **base,
     "route_id": names, "order_qty": positive},
    optional=maybe,
)  # fmt: skip
quoted = st.fixed_dictionaries(
    {"type": st.just("quote"), "symbol": names, "ts_event": times, "bid": positive},
    optional={"ask": positive, "bid_size": positive, "seq": st.integers(0, 9)},
)
printed = st.fixed_dictionaries(
    {"type": st.just("trade"), "symbol": names, "ts_event": times, "price": positive,
     "size": positive},
    optional={"venue": names, "exec_id": names, "eligible": st.booleans(),
              "conditions": st.lists(st.sampled_from(
                  ["OPENING", "CLOSING", "AVERAGE_PRICE", "SUSPICIOUS", "OUT_OF_SEQUENCE", "ODD"]
              ), min_size=1)},
)  # fmt: skip
auctioned = st.fixed_dictionaries(
    {"type": st.just("auction"), "symbol": names, "ts_event": times, "price": positive,
     "size": positive},
    optional={"auction": st.sampled_from(["opening", "closing"])},
)  # fmt: skip
refused = st.one_of(
    filled.map(lambda e: {**e, "last_qty": -3.0}),
    accepted.map(lambda e: {**e, "side": "SIDEWAYS"}),
    accepted.map(lambda e: {**e, "order_id": "x" * 101}),
    filled.map(lambda e: {**e, "order_id": "a\u0001b"}),
    other.map(lambda e: {**e, "ts_event": "yesterday"}),
    other.map(lambda e: {k: v for k, v in e.items() if k != "symbol"}),
    accepted.map(lambda e: {**e, "participation": 1.5}),
    accepted.map(lambda e: {**e, "kappa_t": -1.0}),
    accepted.map(lambda e: {**e, "profile": [0.5, 0.4]}),
    quoted.map(lambda e: {**e, "bid_size": -1.0}),
    printed.map(lambda e: {**e, "size": 0.0}),
)
ALGO_PARAMS = ("participation", "urgency", "kappa_t", "profile")
event = st.one_of(accepted, filled, other, routed, quoted, printed, auctioned, refused)


def as_json(record: dict) -> bytes:
    record = dict(record)
    params = {name: record.pop(name) for name in ALGO_PARAMS if name in record}
    if params:
        record["algo_params"] = params
    return json.dumps(record).encode()


def write(records: list[dict], folder: Path) -> tuple[Path, Path, Path]:
    """The same records as NDJSON, CSV and Parquet."""
    lines, table, columns = folder / "e.ndjson", folder / "e.csv", folder / "e.parquet"
    lines.write_bytes(b"\n".join(map(as_json, records)))
    header = sorted({name for r in records for name in r})
    with table.open("w", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(header)
        for record in records:
            rows.writerow([_cell(record.get(name)) for name in header])
    arrays = {name: pa.array([r.get(name) for r in records], _type(name)) for name in header}
    pq.write_table(pa.table(arrays), columns, row_group_size=7)
    return lines, table, columns


def _cell(value: object) -> object:
    if value is None:
        return ""
    if isinstance(value, list):
        return ";".join(map(str, value))
    return repr(value) if isinstance(value, float) else str(value)


def _type(name: str) -> pa.DataType:
    if name in NUMBERS:
        return pa.float64()
    if name in {"conditions", "profile"}:
        return pa.list_(pa.string() if name == "conditions" else pa.float64())
    return pa.bool_() if name == "eligible" else pa.int64() if name in WHOLE else pa.string()


def joined(reader: object, topic: Topic) -> Batch:
    parts = list(batches(reader, topic, 3))
    whole = Batch(source=3)
    whole.market = np.concatenate([whole.market, *(b.market for b in parts)])
    whole.events = np.concatenate([whole.events, *(b.events for b in parts)])
    whole.details = np.concatenate([whole.details, *(b.details for b in parts)])
    for part in parts:
        whole.names.update(part.names)
        whole.dead += part.dead
    return whole


def keys_in(batch: Batch) -> set[int]:
    """Every key of a name in the rows."""
    found: set[int] = set()
    for rows in (batch.market, batch.events, batch.details):
        for name in rows.dtype.names or ():
            if rows.dtype[name] == np.uint64:
                found.update(rows[name].tolist())
    return found - {0}


def same(one: np.ndarray, other: np.ndarray) -> None:
    assert len(one) == len(other)
    for name in one.dtype.names or ():
        np.testing.assert_array_equal(one[name], other[name], err_msg=name)


@settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
@given(records=st.lists(event, min_size=1, max_size=30))
def test_the_same_events_give_the_same_rows_in_every_format(
    records: list[dict], tmp_path_factory: pytest.TempPathFactory
) -> None:
    lines, table, columns = write(records, tmp_path_factory.mktemp("formats"))
    truth = NdjsonReader(lines)

    for reader in (CsvReader(table, exec_names=True), ParquetReader(columns, exec_names=True)):
        dead = 0
        for topic in truth.topics:
            expected = joined(truth, topic)
            dead += len(expected.dead)
            if topic not in reader.topics:
                assert not len(expected.market) + len(expected.events)
                continue
            got = joined(reader, topic)
            same(expected.market, got.market)
            same(expected.events, got.events)
            same(expected.details, got.details)
            used = keys_in(got)
            assert {k: got.names[k] for k in used} == {k: expected.names[k] for k in used}
            dead -= len(got.dead)
            assert sorted((d.reason, d.words) for d in got.dead) == sorted(
                (d.reason, d.words) for d in expected.dead
            )
        assert dead == 0


def ticks(n: int) -> pa.Table:
    return pa.table({
        "symbol": pa.array(["IBM", "BAC"] * (n // 2)).dictionary_encode(),
        "ts_event": pa.array(range(T0, T0 + n)),
        "seq": pa.array(range(n)),
        "bid": [100.0 + i for i in range(n)],
        "ask": [101.0 + i for i in range(n)],
        "price": [None if i % 3 else 100.5 for i in range(n)],
        "size": [None if i % 3 else 10.0 for i in range(n)],
    })  # fmt: skip


def test_a_tick_is_a_quote_and_the_print_that_followed_it(tmp_path: Path) -> None:
    path = tmp_path / "ticks.parquet"
    pq.write_table(ticks(6), path)

    reader = ParquetReader(path)
    rows = joined(reader, Topic.MARKET_DATA).market

    assert reader.topics == (Topic.MARKET_DATA,)
    both = MarketKind.QUOTE | MarketKind.TRADE
    assert rows["kind"].tolist() == [both, 1, 1, both, 1, 1]
    assert rows["flags"].tolist() == [TradeFlag.ELIGIBLE, 0, 0, TradeFlag.ELIGIBLE, 0, 0]
    assert rows["symbol"].tolist() == [key_of("IBM"), key_of("BAC")] * 3
    assert rows["bid"].tolist() == [100.0 + i for i in range(6)]
    assert rows["t_eff"].tolist() == list(range(T0, T0 + 6))


@pytest.mark.parametrize(
    "column",
    [
        pa.array([T0, T0 + 1], pa.int64()),
        pa.array([T0, T0 + 1], pa.timestamp("ns")),
        pa.array([T0, T0 + 1], pa.timestamp("ns", "America/New_York")),
        pa.array([b"2026-11-20T14:30:00Z", b"2026-11-20T14:30:00.000000001Z"]),
        pa.array([format_rfc3339(T0), format_rfc3339(T0 + 1)]),
        pa.array([str(T0), str(T0 + 1)]),
    ],
)
def test_times_are_ns_timestamps_or_text(tmp_path: Path, column: pa.Array) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"symbol": ["A", "B"], "ts_event": column, "bid": [1.0, 2.0]}), path)

    assert joined(ParquetReader(path), Topic.MARKET_DATA).market["ts_event"].tolist() == [
        T0, T0 + 1,
    ]  # fmt: skip


@pytest.mark.parametrize("zone", [None, "UTC", "Asia/Tokyo"])
@pytest.mark.parametrize("unit", ["s", "ms", "us"])
def test_one_time_out_of_range_leaves_the_others_theirs(
    tmp_path: Path, unit: str, zone: str | None
) -> None:
    path = tmp_path / "t.parquet"
    per_second = {"s": 1, "ms": 1_000, "us": 1_000_000}[unit]
    stamps = [(T0 // 10**9 + i) * per_second for i in range(3)]
    stamps.insert(1, 10_413_792_000 * per_second)
    times = pa.array([*stamps, None]).cast(pa.timestamp(unit, zone))
    table = pa.table({"symbol": ["A"] * 5, "ts_event": times, "bid": [1.0, 2.0, 3.0, 4.0, 5.0]})
    pq.write_table(table, path)

    batch = joined(ParquetReader(path), Topic.MARKET_DATA)

    assert batch.market["ts_event"].tolist() == [T0 + i * 10**9 for i in range(3)]
    assert [d.position for d in batch.dead] == ["t.parquet: row 2", "t.parquet: row 5"]
    assert {d.reason for d in batch.dead} == {DeadLetterReason.BAD_TIME}


def bad_text(texts: list[str], kind: pa.DataType) -> pa.Array:
    """Texts of which the second is not UTF-8."""
    raw = [t.encode() for t in texts]
    raw[1] = raw[1][:-1] + b"\xff"
    binary = pa.array(raw, pa.binary())
    return binary if kind == pa.binary() else binary.view(pa.string())


@pytest.mark.parametrize("kind", [pa.string(), pa.binary()], ids=str)
@pytest.mark.parametrize(
    "name", ["type", "order_id", "symbol", "exec_id", "side", "last_qty", "ts_event", "venue"]
)
def test_a_text_that_is_not_utf8_is_refused_alone(
    tmp_path: Path, name: str, kind: pa.DataType
) -> None:
    path = tmp_path / "t.parquet"
    columns: dict[str, list[str]] = {
        "type": ["order_filled"] * 3, "order_id": ["A", "B", "C"], "symbol": ["IBM"] * 3,
        "exec_id": ["E1", "E2", "E3"], "side": ["BUY"] * 3, "last_qty": ["5"] * 3,
        "last_px": ["9"] * 3, "ts_event": [format_rfc3339(T0)] * 3, "venue": ["XNAS"] * 3,
    }  # fmt: skip
    table = pa.table({**columns, name: bad_text(columns[name], kind)})
    pq.write_table(table, path, row_group_size=2)

    reader = ParquetReader(path, exec_names=True)
    batch = joined(reader, Topic.ORDERS)

    assert [batch.names[k] for k in batch.events["order"].tolist()] == ["A", "C"]
    assert batch.events["last_qty"].tolist() == [5.0, 5.0]
    assert [d.position for d in batch.dead] == ["t.parquet: row 2"]
    assert reader.late_names.get(key_of("E3")) == "E3"


def test_conditions_that_are_not_utf8_are_none_that_is_known(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    conditions = pa.ListArray.from_arrays([0, 1, 2], bad_text(["OPENING", "ODD"], pa.string()))
    table = pa.table({
        "symbol": ["A", "A"], "ts_event": [T0, T0 + 1], "price": [1.0, 2.0], "size": [1.0, 1.0],
        "conditions": conditions,
    })  # fmt: skip
    pq.write_table(table, path)

    flags = joined(ParquetReader(path), Topic.MARKET_DATA).market["flags"].tolist()

    assert flags == [TradeFlag.ELIGIBLE | TradeFlag.OPENING, TradeFlag.ELIGIBLE]


def test_a_row_of_events_needs_a_type(tmp_path: Path) -> None:
    records = [
        {"type": "quote", "symbol": "S", "ts_event": format_rfc3339(T0), "bid": 1.0},
        {"symbol": "S", "ts_event": format_rfc3339(T0), "bid": 2.0},
    ]
    _, table, columns = write(records, tmp_path)

    for reader in (CsvReader(table), ParquetReader(columns)):
        batch = joined(reader, Topic.MARKET_DATA)
        assert batch.market["bid"].tolist() == [1.0]
        assert [d.reason for d in batch.dead] == [DeadLetterReason.UNKNOWN_TYPE]


@pytest.mark.parametrize("where", [0, 1, 50, 119])
@pytest.mark.parametrize("ahead_s", [3600, 2_300_000_000])
def test_a_leap_ahead_is_refused_alone_in_every_format(
    tmp_path: Path, where: int, ahead_s: int
) -> None:
    records: list[dict] = [
        {"type": "quote", "symbol": "S", "ts_event": format_rfc3339(T0 + i * 10**9), "bid": 1.0 + i}
        for i in range(150)
    ]
    leap = T0 + (where + ahead_s) * 10**9
    records.insert(where, {**records[0], "ts_event": format_rfc3339(leap), "bid": 0.5})
    lines, table, columns = write(records, tmp_path)

    for reader in (NdjsonReader(lines), CsvReader(table), ParquetReader(columns, batch_rows=40)):
        batch = joined(reader, Topic.MARKET_DATA)
        assert batch.market["bid"].tolist() == [1.0 + i for i in range(150)]
        assert batch.market["t_eff"].tolist() == batch.market["ts_event"].tolist()
        [letter] = batch.dead
        assert letter.reason is DeadLetterReason.FUTURE
        assert letter.words.startswith(f"ts_event is {format_rfc3339(leap)}, ")


def test_damage_of_the_whole_file_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(ticks(2_000), path, compression="none")
    whole = path.read_bytes()
    damaged = {
        "is not a Parquet file": [b"", whole[:-20], whole[: len(whole) // 2]],
        "is damaged": [whole[:200] + bytes(2_000) + whole[2_200:]],
    }

    for words, contents in damaged.items():
        for content in contents:
            path.write_bytes(content)
            with pytest.raises(InputError, match=words):
                joined(ParquetReader(path), ParquetReader(path).topics[0])


def test_a_tick_that_cannot_be_taken_is_refused_with_its_row(tmp_path: Path) -> None:
    table = ticks(6).set_column(3, "bid", pa.array([1.0, float("inf"), 3.0, None, 5.0, 6.0]))
    table = table.set_column(5, "price", pa.array([1.0, None, None, None, None, 7.0]))
    path = tmp_path / "ticks.parquet"
    pq.write_table(table, path)

    batch = joined(ParquetReader(path), Topic.MARKET_DATA)

    assert batch.market["seq"].tolist() == [0, 2, 4]
    assert [(d.position, d.reason) for d in batch.dead] == [
        ("ticks.parquet: row 2", DeadLetterReason.OUT_OF_RANGE),
        ("ticks.parquet: row 4", DeadLetterReason.MISSING_FIELD),
        ("ticks.parquet: row 6", DeadLetterReason.MISSING_FIELD),
    ]
    assert "bid must be finite" in batch.dead[0].words
    assert json.loads(batch.dead[1].message)["symbol"] == "BAC"


def test_whole_numbers_serve_as_ids_and_are_named_late(tmp_path: Path) -> None:
    path = tmp_path / "fills.parquet"
    n = 40
    table = pa.table({
        "type": ["order_filled"] * n, "order_id": ["A1"] * n, "symbol": ["IBM"] * n,
        "ts_event": range(T0, T0 + n), "last_qty": [1.0] * n, "last_px": [2.0] * n,
        "exec_id": pa.array([None if i == 3 else i for i in range(n)], pa.int64()),
    })  # fmt: skip
    pq.write_table(table, path, row_group_size=16)

    reader = ParquetReader(path)
    batch = joined(reader, Topic.ORDERS)

    expected = [0 if i == 3 else key_of(str(i)) for i in range(n)]
    assert batch.events["exec"].tolist() == expected
    assert key_of("7") not in batch.names
    assert reader.late_names.get(key_of("7")) == "7"
    assert reader.late_names.get(key_of("3")) is None
    assert reader.late_names.get(0) is None


@pytest.mark.parametrize("kind", ["parquet", "csv", "ndjson"])
def test_reading_on_from_any_batch_gives_the_rest(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.columnar.csvfile.BATCH_LINES", 3)
    monkeypatch.setattr("sources.ndjson.BATCH_LINES", 3)
    records = [
        {"type": "order_filled", "order_id": f"A{i % 3}", "symbol": "IBM", "seq": i,
         "ts_event": format_rfc3339(T0 - i), "last_qty": float(i - 1), "last_px": 1.0}
        for i in range(20)
    ]  # fmt: skip
    lines, table, columns = write(records, tmp_path)
    reader = {
        "parquet": ParquetReader(columns, batch_rows=3),
        "csv": CsvReader(table),
        "ndjson": NdjsonReader(lines),
    }[kind]

    parts = list(reader.read(Topic.ORDERS, 0, Cursor()))

    assert len(parts) >= 7
    assert sum(len(b.events) for _, b in parts) == 18
    none = parts[0][1].events[:0]
    for i, (cursor, _) in enumerate(parts):
        rest = [b.events for _, b in reader.read(Topic.ORDERS, 0, cursor)]
        expected = [b.events for _, b in parts[i + 1 :]]
        same(np.concatenate([none, *expected]), np.concatenate([none, *rest]))


def test_a_line_with_another_number_of_fields_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    stamp = format_rfc3339(T0).encode()
    path.write_bytes(
        b"\xef\xbb\xbfsymbol,ts_event,bid\r\nIBM," + stamp + b",1\r\n\r\nIBM,1\r\n"
        b"IBM,\xff,1\r\n" + b'"IBM,' + stamp + b',1\r\n"A,B",' + stamp + b",abc\r\n"
        b'"A,B",' + stamp + b",2"
    )

    batch = joined(CsvReader(path), Topic.MARKET_DATA)

    assert batch.market["bid"].tolist() == [1.0, 2.0]
    assert batch.names[int(batch.market["symbol"][1])] == "A,B"
    assert [d.position for d in batch.dead] == ["t.csv:4", "t.csv:5", "t.csv:6", "t.csv:7"]
    assert "expected 3 fields" in batch.dead[0].words
    assert batch.dead[3].reason is DeadLetterReason.WRONG_TYPE
    assert batch.dead[3].message.startswith(b'"A,B"')


def test_a_file_that_holds_neither_events_nor_ticks_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("a,b\n1,2\n")
    (tmp_path / "c.csv").write_text("")
    (tmp_path / "d.parquet").write_text("nothing")

    for reader in (
        ParquetReader(tmp_path / "a.parquet"),
        CsvReader(tmp_path / "b.csv"),
        CsvReader(tmp_path / "c.csv"),
        CsvReader(tmp_path / "none.csv"),
        ParquetReader(tmp_path / "d.parquet"),
        ParquetReader(tmp_path / "none.parquet"),
    ):
        with pytest.raises(InputError, match=r"csv|parquet"):
            _ = reader.topics


def test_an_unknown_type_is_refused_once(tmp_path: Path) -> None:
    records = [
        {"type": "order_felled", "order_id": "A", "symbol": "S", "ts_event": format_rfc3339(T0)},
        {"type": "quote", "symbol": "S", "ts_event": format_rfc3339(T0), "bid": 1.0},
        {"type": "route_sent", "order_id": "A", "symbol": "S", "ts_event": format_rfc3339(T0),
         "order_qty": 1.0},
    ]  # fmt: skip
    _, table, columns = write(records, tmp_path)

    for reader in (CsvReader(table), ParquetReader(columns)):
        dead = [d for topic in reader.topics for d in joined(reader, topic).dead]
        assert [d.reason for d in dead] == [DeadLetterReason.UNKNOWN_TYPE]
        assert "order_felled" in dead[0].words
