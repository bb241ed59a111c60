import json
import math
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.columns import blank
from domain.errors import ConfigurationError, InputError
from domain.instants import parse_rfc3339
from domain.keys import key_of
from domain.reasons import Reason
from domain.records import order_record
from domain.rows import FILL, ORDER, ORDER_METRICS, STATUS, STATUS_METRICS, FillStatus, Rows, Venues
from domain.vocabulary import Anomaly, Liquidity, OrderState
from sinks.collect import Collected
from sinks.table_files import SUFFIXES, json_lines, write_table
from sinks.tables import fills_frame, orders_frame, status_frame

T = parse_rfc3339("2026-11-20T14:30:00.000000123Z")
NAMES = {key_of(n): n for n in ("A/1 #ü", "B", "AMZN", "XNAS", "ARCX", "E1")}


def order(name: str = "A/1 #ü", **values: object) -> np.ndarray:
    row = blank(ORDER, 1)
    row["order"] = row["root"] = key_of(name)
    row["symbol"] = key_of("AMZN")
    row["side"], row["side_code"] = -1, 2
    row["state"] = OrderState.PARTIALLY_FILLED
    row["ts"] = row["known"] = row["arrival_ts"] = T
    row["reasons"] = Reason.NO_FILL
    for field, value in values.items():
        row[field] = value
    return row


def venues(*shares: tuple[str, float]) -> Venues:
    return Venues(
        np.array([0, len(shares)]),
        np.array([key_of(v) for v, _ in shares], "u8"),
        np.array([q for _, q in shares]),
    )


def one(row: np.ndarray, where: Venues | None = None) -> dict[str, object]:
    [found] = orders_frame(row, where or Venues(), NAMES).to_dicts()
    return found


def test_a_record_speaks_in_names_and_units():
    row = order(cum_qty=300, avg_px=10.5, anomalies=Anomaly.LATE | Anomaly.OVERFILL)

    found = one(row, venues(("XNAS", 200), ("ARCX", 100)))

    assert found["order_id"] == "A/1 #ü"
    assert found["symbol"] == "AMZN"
    assert found["side"] == "SELL"
    assert found["state"] == "PARTIALLY_FILLED"
    assert found["anomalies"] == ["OVERFILL", "LATE"]
    assert found["venue_distribution"] == [
        {"venue": "ARCX", "share": pytest.approx(1 / 3)},
        {"venue": "XNAS", "share": pytest.approx(2 / 3)},
    ]


def test_what_is_missing_is_null_with_its_reason_and_never_zero():
    row = order(slippage_bps=3.0)
    row["reasons"][0, ORDER_METRICS.index("slippage_bps")] = Reason.NONE
    row["reasons"][0, ORDER_METRICS.index("twap")] = Reason.PENDING

    found = one(row)

    assert found["slippage_bps"] == 3.0
    assert found["twap"] is None
    assert found["reasons"]["slippage_bps"] is None
    assert found["reasons"]["twap"] == "PENDING"
    assert found["avg_px"] is None
    assert found["first_fill_ts"] is None
    assert found["parent_order_id"] is None
    assert found["seq"] is None


def test_a_number_with_a_caveat_keeps_its_value():
    row = order(market_impact_bps=2.0)
    row["reasons"][0, ORDER_METRICS.index("market_impact_bps")] = Reason.NO_INDEX

    found = one(row)

    assert found["market_impact_bps"] == 2.0
    assert found["caveats"]["market_impact_bps"] == "NO_INDEX"
    assert found["reasons"]["market_impact_bps"] is None


def test_a_side_that_was_never_said_is_not_called_a_purchase():
    assert one(order(side=0, side_code=0))["side"] is None


def test_every_metric_of_an_order_and_of_a_status_has_its_column():
    orders = orders_frame(order(), Venues(), NAMES)
    statuses = status_frame(blank(STATUS, 1), Venues(), NAMES)

    assert set(ORDER_METRICS) <= set(orders.columns)
    assert set(STATUS_METRICS) <= set(statuses.columns)
    assert orders["reasons"].struct.fields == list(ORDER_METRICS)
    assert statuses["reasons"].struct.fields == list(STATUS_METRICS)


def test_times_keep_their_nanoseconds_and_their_zone():
    frame = orders_frame(order(), Venues(), NAMES)

    assert frame.schema["arrival_ts"] == pl.Datetime("ns", "UTC")
    assert frame["arrival_ts"].cast(pl.Int64).to_list() == [T]


def test_no_rows_give_a_frame_with_every_column():
    empty = orders_frame(np.empty(0, ORDER), Venues(), {})

    assert empty.height == 0
    assert empty.columns == orders_frame(order(), Venues(), NAMES).columns


def test_a_fill_says_where_it_met_which_market():
    row = blank(FILL, 1)
    row["order"], row["exec"], row["venue"] = key_of("B"), key_of("E1"), key_of("XNAS")
    row["side"], row["status"], row["liquidity"] = 1, FillStatus.COUNTED, Liquidity.ADDED
    row["ts"], row["last_qty"], row["last_px"], row["mid_1s"] = T, 100, 10.5, 10.25

    [found] = fills_frame(row, NAMES).to_dicts()

    assert (found["order_id"], found["exec_id"], found["venue"]) == ("B", "E1", "XNAS")
    assert (found["side"], found["status"], found["liquidity"]) == ("BUY", "COUNTED", "ADDED")
    assert found["mid_1s"] == 10.25
    assert found["mid_5s"] is None


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_every_format_says_the_same(tmp_path: Path, suffix: str):
    row = order(cum_qty=300, avg_px=10.5, anomalies=Anomaly.LATE | Anomaly.OVERFILL, slippage_bps=3)
    path = tmp_path / f"orders{suffix}"

    write_table(orders_frame(row, venues(("XNAS", 300)), NAMES), path)

    if suffix == ".parquet":
        [found] = pl.read_parquet(path).to_dicts()
        assert found["anomalies"] == ["OVERFILL", "LATE"]
        assert found["venue_distribution"] == [{"venue": "XNAS", "share": 1.0}]
        reasons = found["reasons"]
    elif suffix == ".csv":
        [found] = pl.read_csv(path, infer_schema_length=None).to_dicts()
        assert found["anomalies"] == "OVERFILL|LATE"
        assert json.loads(found["venue_distribution"]) == {"XNAS": 1.0}
        reasons = json.loads(found["reasons"])
    else:
        found = json.loads(path.read_text())
        assert found["anomalies"] == ["OVERFILL", "LATE"]
        assert found["venue_distribution"] == {"XNAS": 1.0}
        reasons = found["reasons"]
        assert "slippage_bps" not in reasons
    assert found["order_id"] == "A/1 #ü"
    assert found["avg_px"] == 10.5
    assert found["twap"] is None
    assert reasons["twap"] == "NO_FILL"
    if suffix != ".parquet":
        assert found["arrival_ts"] == "2026-11-20T14:30:00.000000123Z"


def test_a_line_holds_what_the_record_of_the_bus_holds():
    row = order(cum_qty=300, avg_px=10.5, slippage_bps=3.0, twap=math.nan)
    shares = venues(("XNAS", 200), ("ARCX", 100))

    [line] = json_lines(orders_frame(row, shares, NAMES))

    found, record = json.loads(line), order_record(row[0], NAMES, shares)
    assert found.keys() == record.keys()
    assert found["reasons"] == record["reasons"]
    for name, value in record.items():
        if name.endswith("_ts") or name in {"as_of", "known_at"}:
            assert (value is None) == (found[name] is None)
            assert value is None or parse_rfc3339(value) == parse_rfc3339(found[name])
        elif name == "anomalies":
            assert found[name] == list(value)
        else:
            assert found[name] == value


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_numbers_survive_writing_to_the_last_digit(value: float):
    [line] = json_lines(orders_frame(order(slippage_bps=value), Venues(), NAMES))

    assert json.loads(line)["slippage_bps"] == value


def test_another_suffix_is_refused_with_the_right_ones(tmp_path: Path):
    frame = orders_frame(order(), Venues(), NAMES)

    with pytest.raises(ConfigurationError, match=r"\.ndjson, \.jsonl, \.csv or \.parquet"):
        write_table(frame, tmp_path / "orders.xlsx")
    with pytest.raises(ConfigurationError, match="does not exist; make it first"):
        write_table(frame, tmp_path / "missing" / "orders.csv")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ConfigurationError, match="is a folder"):
        write_table(frame, tmp_path / "folder.csv")


def test_a_file_that_cannot_be_finished_leaves_the_old_one(tmp_path: Path, monkeypatch):
    path = tmp_path / "orders.csv"
    path.write_text("yesterday's")

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(pl.DataFrame, "write_csv", full)
    with pytest.raises(InputError, match="No space left on device"):
        write_table(orders_frame(order(), Venues(), NAMES), path)

    assert path.read_text() == "yesterday's"
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_newest_record_of_an_order_is_kept():
    kept = Collected(keep_orders=True)
    kept.take(Rows(orders=order(cum_qty=1), order_venues=venues(("XNAS", 1)), names=NAMES))
    kept.take(Rows(orders=order("B", cum_qty=5), order_venues=venues(("XNAS", 5)), names=NAMES))
    kept.take(Rows(orders=order(cum_qty=2), order_venues=venues(("ARCX", 2)), names=NAMES))

    rows, shares = kept.orders()

    found = orders_frame(rows, shares, kept.names).sort("order_id")
    assert found["order_id"].to_list() == ["A/1 #ü", "B"]
    assert found["cum_qty"].to_list() == [2, 5]
    assert found["venue_distribution"].to_list()[0] == [{"venue": "ARCX", "share": 1.0}]


def test_what_was_not_asked_for_is_not_kept():
    seen: list[Rows] = []
    kept = Collected(seen=seen.append)

    kept.take(Rows(orders=order(), fills=blank(FILL, 1), names=NAMES))

    assert len(seen) == 1
    assert len(kept.orders()[0]) == 0
    assert len(kept.fills()) == 0
    assert kept.names == {}


def test_fills_come_in_order_of_time():
    kept = Collected(keep_fills=True)
    late, early = blank(FILL, 1), blank(FILL, 1)
    late["ts"], early["ts"] = T + 1, T

    kept.take(Rows(fills=late))
    kept.take(Rows(fills=early))

    assert kept.fills()["ts"].tolist() == [T, T + 1]
