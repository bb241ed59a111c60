"""An order's record says what its last numbered status said, to the last digit."""

import itertools
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.instants import SECOND
from domain.keys import key_of
from domain.reasons import Reason
from domain.records import name_of
from domain.rows import HEADER_FIELDS, STATUS_METRICS, Rows, Venues
from domain.vocabulary import EventKind
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from sources.files import FileSource
from sources.lobster import LobsterReader
from sources.ndjson import NdjsonReader
from sources.reader import Reader
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation, encode_line
from sources.simulator.spec import FaultSpec

ROOT = Path(__file__).resolve().parents[2]
MESSAGES = 20_000
OF_THE_ROW = {"ts", "kind", "numbered", "restated", "provisional", "ts_ingest"}
"""Of the row and not of the order: when and by what it was caused, and what it is."""
TROUBLE = tuple(
    FaultSpec(kind=kind, rate=0.05, delay_ms=400.0) for kind in ("duplicated", "reordered")
)


def desk_file(path: Path, seed: int, faults: tuple[FaultSpec, ...] = ()) -> Path:
    """A simulated desk's events up to a moment when much is still open."""
    spec = msgspec.structs.replace(demo_spec(), faults=faults)
    messages = itertools.islice(Simulation(spec, seed).messages(), MESSAGES)
    path.write_bytes(b"".join(encode_line(topic, message) for topic, message in messages))
    return path


def run(reader: Reader, row_interval_s: int, interval_s: int = 5) -> list[Rows]:
    from bytewax.testing import TestingSink, run_main

    from dataflows.graph import monitor_graph

    source = FileSource(reader)
    out: list[tuple[str, Rows]] = []
    marks = {"mark_interval_ns": interval_s * SECOND}
    flow = monitor_graph(
        source, source.inputs, MarketSettings(source.inputs, **marks),
        OrderSettings(mark_row_interval_ns=row_interval_s * SECOND, **marks),
        {"rows": TestingSink(out)}, TestingSink([]),
    )  # fmt: skip
    run_main(flow)
    return [rows for _, rows in out]


def shares(venues: Venues, at: int) -> list[tuple[int, float]]:
    return [pair for pair in venues.of(at) if pair[1] > 0.0]


def last_of_each(found: list[Rows]) -> dict[int, tuple[np.void, Any]]:
    """Newest numbered status of each order and its venues; numbers rise by one."""
    last: dict[int, tuple[np.void, Any]] = {}
    for rows in found:
        for at in np.flatnonzero(rows.status["numbered"] == 1).tolist():
            row = rows.status[at]
            order = int(row["order"])
            assert row["seq"] == (last[order][0]["seq"] + 1 if order in last else 1)
            last[order] = (row, shares(rows.status_venues, at))
    return last


def same(a: np.generic, b: np.generic) -> bool:
    return a.tobytes() == b.tobytes() or (a != a and b != b)


def differences(status: np.void, record: np.void) -> Iterable[str]:
    """Columns in which they differ; what is pending to the one never came for the other."""
    for name in (*HEADER_FIELDS, *STATUS_METRICS):
        if name not in OF_THE_ROW and not same(status[name], record[name]):
            yield f"{name}: {status[name]} in the status, {record[name]} in the record"
    for i, name in enumerate(STATUS_METRICS):
        why = Reason(status["reasons"][i]), Reason(record["reasons"][i])
        if why[0] != why[1] and why != (Reason.PENDING, Reason.UNOBSERVED):
            yield f"reason of {name}: {why[0].name} in the status, {why[1].name} in the record"


def assert_records_equal_statuses(found: list[Rows]) -> int:
    last = last_of_each(found)
    count = 0
    for rows in found:
        for at, record in enumerate(rows.orders):
            order = int(record["order"])
            name = name_of(order, rows.names)
            assert order in last, f"{name} has a record and never had a status"
            status, venues = last[order]
            assert not list(differences(status, record)), name
            assert venues == shares(rows.order_venues, at), name
            count += 1
    return count


@pytest.mark.parametrize("seed", [1, 2, 3, 4])
@pytest.mark.parametrize("row_interval_s", [60, 5])
def test_records_of_a_simulated_desk_equal_its_last_statuses(
    tmp_path: Path, seed: int, row_interval_s: int
) -> None:
    reader = NdjsonReader(desk_file(tmp_path / "desk.ndjson", seed))

    found = run(reader, row_interval_s)

    assert assert_records_equal_statuses(found) > 300
    kinds = {int(kind) for rows in found for kind in rows.status["kind"]}
    assert {EventKind.ROUTE_ACKNOWLEDGED, EventKind.MARK} <= kinds


@pytest.mark.parametrize("seed", [5, 6])
def test_so_do_those_of_a_desk_whose_messages_come_twice_and_late(
    tmp_path: Path, seed: int
) -> None:
    reader = NdjsonReader(desk_file(tmp_path / "desk.ndjson", seed, TROUBLE))

    found = run(reader, 60)

    assert assert_records_equal_statuses(found) > 300
    assert any(rows.status["restated"].any() for rows in found)


def test_records_of_a_nasdaq_session_equal_its_last_statuses() -> None:
    data = Path(os.environ.get("EXECMON_TEST_DATA", ROOT.parent / "shared" / "data"))
    folder = data / "lobster_amzn"
    if not folder.is_dir():
        pytest.skip(f"no real data: {folder} is not there (EXECMON_TEST_DATA says where it is)")

    found = run(LobsterReader(folder), row_interval_s=86_400, interval_s=86_400)

    assert assert_records_equal_statuses(found) == 34_545


def test_a_route_answered_after_the_order_was_filled_is_in_the_last_status(
    tmp_path: Path,
) -> None:
    head = {"order_id": "A", "symbol": "S", "side": "BUY"}
    stamps = [f"2026-11-20T14:30:0{s}Z" for s in range(6)]
    events = [
        {"type": "quote", "symbol": "S", "bid": 9.9, "ask": 10.1, "ts_event": stamps[0]},
        {"type": "order_accepted", "order_qty": 10, "ts_event": stamps[1], **head},
        {"type": "route_sent", "route_id": "r", "order_qty": 10, "ts_event": stamps[2], **head},
        {"type": "order_filled", "exec_id": "e", "last_qty": 10, "last_px": 10.0,
         "ts_event": stamps[3], **head},
        {"type": "route_acknowledged", "route_id": "r", "ts_event": stamps[4], **head},
        {"type": "quote", "symbol": "S", "bid": 9.9, "ask": 10.1, "ts_event": stamps[5]},
    ]  # fmt: skip
    path = tmp_path / "one.ndjson"
    path.write_bytes(b"\n".join(msgspec.json.encode(event) for event in events))

    found = run(NdjsonReader(path), 60)

    status, _ = last_of_each(found)[key_of("A")]
    assert (status["kind"], status["seq"]) == (EventKind.ROUTE_ACKNOWLEDGED, 4)
    assert status["ack_ms"] == 2000.0
    assert assert_records_equal_statuses(found) == 1
