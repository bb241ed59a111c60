import csv
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.batch import Batch
from domain.errors import InputError
from domain.instants import format_rfc3339
from domain.reasons import DeadLetterReason
from domain.vocabulary import (
    SIDES,
    AssetClass,
    EventKind,
    Liquidity,
    OrderType,
    RejectReason,
    Schedule,
    TimeInForce,
    Topic,
)
from sources.fix import FixReader
from sources.fix.orders import Reported
from sources.reader import Cursor, batches

STAMP = "20261120-14:30:00.123"


def message(kind: str, version: str = "FIX.4.4", delimiter: str = "\x01", **tags: object) -> str:
    """A message with right length and checksum; tags are named t11, t38, …"""
    head = {"t35": kind, "t49": "CLIENT", "t56": "BROKER", "t34": 1, "t52": STAMP}
    if kind in "89j3":
        head |= {"t49": "BROKER", "t56": "CLIENT"}
    pairs = [(name[1:].split("_")[0], value) for name, value in {**head, **tags}.items()]
    body = "".join(f"{tag}={value}\x01" for tag, value in pairs if value is not None)
    start = f"8={version}\x019={len(body.encode())}\x01{body}"
    whole = f"{start}10={sum(start.encode()) % 256:03d}\x01"
    return whole.replace("\x01", delimiter)


def new(cl_ord: str = "C1", **tags: object) -> str:
    return message("D", **{"t11": cl_ord, "t55": "IBM", "t54": 1, "t38": 100, "t40": 2,
                           "t44": 10.5, "t60": STAMP, **tags})  # fmt: skip


def report(what: str, cl_ord: str = "C1", **tags: object) -> str:
    return message("8", **{"t11": cl_ord, "t37": f"B-{cl_ord}", "t17": "E1", "t150": what,
                           "t39": 0, "t55": "IBM", "t54": 1, "t14": 0, "t6": 0, "t151": 100,
                           "t60": STAMP, **tags})  # fmt: skip


def fill(exec_id: str, qty: int, cum: int, cl_ord: str = "C1", **tags: object) -> str:
    return report("F", cl_ord, **{"t17": exec_id, "t32": qty, "t31": 10, "t14": cum, "t6": 10,
                                  "t151": 100 - cum, **tags})  # fmt: skip


def read(path: Path, *lines: str, **how: bool) -> tuple[FixReader, Batch]:
    path = path / "log.fix" if path.is_dir() else path
    path.write_bytes("\n".join(lines).encode("utf-8", "surrogateescape"))
    return whole(FixReader(path, **how))


def whole(reader: FixReader) -> tuple[FixReader, Batch]:
    parts = list(batches(reader, Topic.ORDERS))
    joined = Batch(0)
    joined.events = np.concatenate([joined.events, *(b.events for b in parts)])
    joined.details = np.concatenate([joined.details, *(b.details for b in parts)])
    for part in parts:
        joined.names.update(part.names)
        joined.dead += part.dead
    return reader, joined


def kinds(batch: Batch) -> list[str]:
    return [EventKind(k).name for k in batch.events["kind"]]


def ids(batch: Batch) -> list[str]:
    return [batch.names[k] for k in batch.events["order"].tolist()]


def counted(reader: FixReader, batch: Batch) -> dict[str, int]:
    assert not batch.dead
    names, counts = np.unique(kinds(batch), return_counts=True)
    return dict(zip(names.tolist(), counts.tolist(), strict=True))


def test_pairs_of_new_and_cancel_with_their_reports(data: Path) -> None:
    reader, batch = whole(FixReader(data / "fix" / "fix42_new_cancel.log", strict=True))

    assert counted(reader, batch) == {
        "ORDER_ACCEPTED": 1204, "ORDER_PENDING_CANCEL": 602, "ORDER_CANCELLED": 602,
    }  # fmt: skip
    assert len(set(ids(batch))) == 602
    assert reader.counts.messages == 2486
    assert reader.counts.bad_checksums == reader.counts.bad_lengths == 0
    assert all(r == Reported(0.0, 0.0) for r in reader.reported.values())


def test_one_exec_id_gives_its_five_expected_fills(data: Path) -> None:
    reader, batch = whole(FixReader(data / "fix" / "one_exec_id_five_fills.txt"))
    with (data / "fix" / "one_exec_id_five_fills_expected.csv").open() as file:
        expected = list(csv.DictReader(file))

    fills = batch.events[batch.events["kind"] == EventKind.ORDER_FILLED]
    told = [
        {
            "Stock Code": batch.names[int(f["symbol"])],
            "Transaction Quantity": f"{f['last_qty']:g}",
            "Transaction Price": f"{f['last_px']:g}",
            "Transaction Side": SIDES[f["side_code"]].lower(),
            "Account": batch.names[int(batch.details["client"][0])],
            "Transaction Reference ID": batch.names[int(f["order"])],
            "Transaction Time": format_rfc3339(int(f["ts_event"])).translate(
                {ord("-"): None, ord("T"): "-", ord("Z"): None}
            ),
        }
        for f in fills
    ]

    assert told == [{k: v.strip() for k, v in row.items()} for row in expected]
    assert len(set(fills["exec"].tolist())) == 1
    assert fills["cum_qty"].tolist() == [20, 40, 60, 80, 100]
    assert reader.reported == {ids(batch)[0]: Reported(100.0, 10.0)}


def test_a_dirty_log_is_read_and_its_faults_are_counted(data: Path) -> None:
    reader, batch = whole(FixReader(data / "fix" / "dirty_bad_checksums.log"))

    assert set(ids(batch)) == {"1", "2", "3"}
    assert counted(reader, batch)["ORDER_FILLED"] == 8
    assert reader.counts.bad_checksums == reader.counts.messages == 84
    assert reader.counts.junk_lines == 8
    assert reader.reported["3"] == Reported(100.0, 43.2)

    strict, refused = whole(FixReader(data / "fix" / "dirty_bad_checksums.log", strict=True))

    assert len(refused.events) == 0
    assert {d.reason for d in refused.dead} == {DeadLetterReason.BAD_CHECKSUM}
    assert len(refused.dead) == strict.counts.messages


def test_hops_of_one_report_are_one_order(data: Path) -> None:
    reader, batch = whole(FixReader(data / "fix" / "fix44_multi_hop.log"))

    assert sorted(set(ids(batch))) == ["42583905", "cKI0001", "cKI0006", "fKF0006", "fKI0001"]
    assert counted(reader, batch) == {"ORDER_CANCELLED": 24, "ORDER_FILLED": 16}
    fills = batch.events[batch.events["kind"] == EventKind.ORDER_FILLED]
    assert {len(set(fills["exec"][fills["order"] == o])) for o in set(fills["order"])} == {1}
    assert {len(set(batch.events["symbol"][batch.events["order"] == o]))
            for o in set(batch.events["order"])} == {1}  # fmt: skip
    assert reader.counts.junk_lines == 0
    assert reader.counts.no_event == 8


@pytest.mark.parametrize("delimiter", ["\x01", ";", "|", "^A"])
def test_any_delimiter_and_prefix_is_found(tmp_path: Path, delimiter: str) -> None:
    line = message("D", delimiter=delimiter, t11="C1", t55="IBM", t54=1, t38=100, t60=STAMP)

    reader, batch = read(tmp_path, f"2026-11-20 INFO 58=FIX [x] out:{line} <- sent {line}", "junk")

    assert kinds(batch) == ["ORDER_ACCEPTED"] * 2
    assert (reader.counts.bad_checksums, reader.counts.bad_lengths) == (0, 0)
    assert reader.counts.junk_lines == 1
    assert not batch.dead


def test_an_order_lives_through_amendment_and_fills(tmp_path: Path) -> None:
    _, batch = read(
        tmp_path,
        new(t59=0, t15="USD", t109="FUND", t50="t07", t167="CS", t847=1, t168=STAMP, t849=0.1,
            t116="US-CASH"),
        report("A", t39="A"),
        report("0", t39=0, t38=100),
        message("G", t11="C2", t41="C1", t55="IBM", t54=1, t38=80, t44=10.6, t60=STAMP),
        report("E", "C2", t41="C1", t37="B-C1", t39="E"),
        report("5", "C2", t41="C1", t37="B-C1", t39=5, t38=80, t44=10.6, t40=2),
        fill("X1", 30, 30, "C2", t37="B-C1", t851=1, t30="XNYS", t12="0.01", t13=1),
        report("9", "C2", t37="B-C1", t39=9),
        report("D", "C2", t37="B-C1", t39=1, t38=80),
        report("3", "C2", t37="B-C1", t39=3),
        report("C", "C2", t37="B-C1", t39="C"),
    )  # fmt: skip

    assert kinds(batch) == [
        "ORDER_ACCEPTED", "ORDER_ACCEPTED", "ORDER_ACCEPTED", "ORDER_PENDING_REPLACE",
        "ORDER_PENDING_REPLACE", "ORDER_REPLACED", "ORDER_FILLED", "ORDER_SUSPENDED",
        "ORDER_RESUMED", "ORDER_DONE_FOR_DAY", "ORDER_EXPIRED",
    ]  # fmt: skip
    assert set(ids(batch)) == {"C1"}
    assert batch.events["seq"].tolist() == list(range(11))
    replaced, filled = batch.events[5], batch.events[6]
    assert (replaced["order_qty"], replaced["limit_px"]) == (80, 10.6)
    assert (filled["last_qty"], filled["last_px"], filled["cum_qty"]) == (30, 10, 30)
    assert filled["fee"] == pytest.approx(0.3)
    assert filled["liquidity"] == Liquidity.ADDED
    assert batch.names[int(filled["venue"])] == "XNYS"
    detail = batch.details[0]
    assert {n: batch.names[int(detail[n])] for n in
            ("cl_ord", "broker", "algo", "trader", "desk", "client", "currency")} == {
        "cl_ord": "C1", "broker": "BROKER", "algo": "VWAP", "trader": "t07", "desk": "US-CASH",
        "client": "FUND", "currency": "USD",
    }  # fmt: skip
    assert detail["ord_type"] == OrderType.LIMIT
    assert detail["time_in_force"] == TimeInForce.DAY
    assert detail["asset_class"] == AssetClass.EQUITY
    assert detail["schedule"] == Schedule.VWAP
    assert detail["participation"] == 0.1
    assert not batch.dead


def test_an_urgency_may_be_among_the_parameters_of_a_strategy(tmp_path: Path) -> None:
    pairs = {"t958_1": "MaxPct", "t960_1": "20", "t958_2": "Urgency", "t960_2": "high"}

    _, batch = read(
        tmp_path, new(t847=1, **pairs), new("C9", t847=1), new("C10", t847=1, t958="Urgency")
    )

    assert batch.details["kappa_t"][0] == 6.0
    assert np.isnan(batch.details["kappa_t"][1:]).all()


@pytest.mark.parametrize(
    ("tags", "expected"),
    [
        ({"t20": 0, "t150": 1, "t32": 5, "t31": 10}, "ORDER_FILLED"),
        ({"t20": 0, "t150": 2, "t32": 5, "t31": 10}, "ORDER_FILLED"),
        ({"t20": 0, "t150": 1, "t32": 0, "t31": 0}, None),
        ({"t20": 3, "t150": 1, "t32": 5, "t31": 10}, None),
        ({"t20": 1, "t150": 1, "t32": 5, "t31": 10, "t19": "E0"}, "FILL_BUSTED"),
        ({"t20": 2, "t150": 1, "t32": 5, "t31": 10, "t19": "E0"}, "FILL_CORRECTED"),
        ({"t150": "F", "t32": 5, "t31": 10}, "ORDER_FILLED"),
        ({"t150": "F", "t32": 0, "t31": 0}, None),
        ({"t150": "H", "t19": "E0"}, "FILL_BUSTED"),
        ({"t150": "G", "t32": 5, "t31": 10, "t19": "E0"}, "FILL_CORRECTED"),
        ({"t150": "I", "t32": 5, "t31": 10}, None),
        ({"t150": None, "t39": 1, "t20": 0, "t32": 5, "t31": 10}, "ORDER_FILLED"),
        ({"t150": None, "t39": 4, "t20": 0}, "ORDER_CANCELLED"),
        ({"t150": "6"}, "ORDER_PENDING_CANCEL"),
        ({"t150": "7"}, None),
        ({"t150": "D"}, None),
        ({"t150": "D", "t38": 70}, "ORDER_REPLACED"),
        ({"t150": "8", "t103": 3}, "ORDER_REJECTED"),
    ],
)
def test_what_a_report_says_by_version(
    tmp_path: Path, tags: dict[str, object], expected: str | None
) -> None:
    version = "FIX.4.2" if "t20" in tags else "FIX.4.4"

    reader, batch = read(tmp_path, report("0", version=version, **tags))

    assert kinds(batch) == ([] if expected is None else [expected])
    assert reader.counts.no_event == (expected is None)
    assert not batch.dead


def test_reject_codes_are_the_vocabularys(tmp_path: Path) -> None:
    _, batch = read(
        tmp_path,
        new("C1"), report("8", "C1", t39=8, t103=1),
        new("C2", t34=7),
        message("j", t45=7, t372="D", t380=4, t58="no"),
        new("C3"),
        message("F", t11="C4", t41="C3", t55="IBM", t54=1, t60=STAMP),
        message("9", t11="C4", t41="C3", t37="B-C3", t39=0, t434=1, t102=1, t60=STAMP),
        message("3", t45=99),
    )  # fmt: skip

    told = [
        (i, k, r) for i, k, r in zip(ids(batch), kinds(batch), batch.events["reason"], strict=True)
        if "REJECTED" in k
    ]  # fmt: skip
    assert told == [
        ("C1", "ORDER_REJECTED", RejectReason.UNKNOWN_SYMBOL),
        ("C2", "ORDER_REJECTED", RejectReason.OTHER),
        ("C3", "CANCEL_REJECTED", RejectReason.UNKNOWN_ORDER),
    ]


def test_two_clients_that_count_from_one_stay_apart(tmp_path: Path) -> None:
    other = {"t49": "CLIENT2", "t56": "BROKER"}
    _, batch = read(
        tmp_path,
        new("1"),
        new("1", **other),
        fill("X1", 10, 10, "1", t37="B1"),
        fill("X2", 20, 20, "1", t37="B2", t49="BROKER", t56="CLIENT2"),
    )

    assert ids(batch) == ["1", "1@CLIENT2", "1", "1@CLIENT2"]


def test_an_order_sent_on_by_its_receiver_is_the_same_order(tmp_path: Path) -> None:
    onward = {"t49": "BROKER", "t56": "VENUE"}
    _, batch = read(
        tmp_path,
        new("1"),
        new("1", **onward),
        fill("X1", 10, 10, "1", t49="VENUE", t56="BROKER"),
        fill("X1", 10, 10, "1"),
    )

    assert set(ids(batch)) == {"1"}
    assert kinds(batch).count("ORDER_FILLED") == 2


def test_a_chain_seen_from_its_middle_takes_the_original_id(tmp_path: Path) -> None:
    _, batch = read(
        tmp_path,
        report("4", "C9", t41="C8", t37="B7"),
        message("8", t37="B7", t17="E2", t150="F", t39=1, t32=1, t31=2, t60=STAMP),
    )

    assert ids(batch) == ["C8", "C8"]
    assert batch.names[int(batch.events["symbol"][1])] == "IBM"


@pytest.mark.parametrize(
    ("line", "reason", "words"),
    [
        (new(t38="many"), DeadLetterReason.WRONG_TYPE, "tag 38"),
        (new(t54="Z"), DeadLetterReason.BAD_SIDE, "tag 54"),
        (new(t55=None), DeadLetterReason.MISSING_FIELD, "symbol"),
        (new(t60="noon", t52=None), DeadLetterReason.BAD_TIME, "tag 60"),
        (new(t60=None, t52=None), DeadLetterReason.BAD_TIME, "no time"),
        (new(t60="20261320-14:30:00"), DeadLetterReason.BAD_TIME, "ts_event"),
        (new(cl_ord=""), DeadLetterReason.MISSING_FIELD, "no order id"),
        (new(t38=-5), DeadLetterReason.OUT_OF_RANGE, "order_qty"),
        (new()[:60], DeadLetterReason.UNREADABLE, "cut off"),
        (new().replace("8=FIX.4.4", "8=FIX"), DeadLetterReason.UNREADABLE, "8=FIX.4.2"),
        (new().replace("8=FIX.4.4", "8=FXI.4.4"), DeadLetterReason.UNREADABLE, "8=FIX.4.2"),
        (new().replace("\x0135=D", "\x0153=D"), DeadLetterReason.UNREADABLE, "type"),
    ],
)
def test_a_message_that_cannot_be_taken_is_kept_with_its_line(
    tmp_path: Path, line: str, reason: DeadLetterReason, words: str
) -> None:
    _, batch = read(tmp_path, new("OK"), line, fill("X1", 5, 5, "OK"))

    assert kinds(batch) == ["ORDER_ACCEPTED", "ORDER_FILLED"]
    (dead,) = batch.dead
    assert (dead.position, dead.reason) == ("log.fix:2", reason)
    assert words in dead.words
    assert dead.message.decode() in line


def test_a_wrong_checksum_is_fatal_to_its_message_only_when_asked(tmp_path: Path) -> None:
    lines = (new("C1"), new("C2").replace("38=100", "38=900"))

    reader, tolerant = read(tmp_path, *lines)
    _, strict = read(tmp_path, *lines, strict=True)

    assert (reader.counts.bad_checksums, reader.counts.bad_lengths) == (1, 0)
    assert ids(tolerant) == ["C1", "C2"]
    assert ids(strict) == ["C1"]
    assert strict.dead[0].reason is DeadLetterReason.BAD_CHECKSUM


def test_fix_50_and_other_messages_are_counted(tmp_path: Path) -> None:
    reader, batch = read(
        tmp_path,
        message("D", version="FIXT.1.1", t1128=9, t11="C1", t55="IBM", t54=2, t38=1, t60=STAMP),
        message("V"), message("0"), message("Q", t37="x"),
        fill("X", 1, 1, t137=0.5, t137_b=0.25),
    )  # fmt: skip

    assert dict(reader.counts.unsupported) == {"V": 1, "Q": 1}
    assert reader.counts.versions["FIXT.1.1"] == 1
    assert batch.events["side"].tolist()[0] == -1
    assert batch.events["fee"].tolist()[1] == 0.75


def test_times_keep_their_nanoseconds(tmp_path: Path) -> None:
    _, batch = read(tmp_path, new(t60="20261120-14:30:00.123456789"))

    assert format_rfc3339(int(batch.events["ts_event"][0])) == "2026-11-20T14:30:00.123456789Z"


def test_reading_on_knows_the_orders_that_came_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sources.fix.reader.BATCH_LINES", 2)
    lines = [new("C1"), report("0", t38=100), fill("X1", 10, 10),
             message("F", t11="C2", t41="C1", t55="IBM", t54=1, t60=STAMP),
             report("4", "C2", t41="C1", t37="B-C1")]  # fmt: skip
    (tmp_path / "log.fix").write_text("\n".join(lines))
    parts = list(FixReader(tmp_path / "log.fix").read(Topic.ORDERS, 0, Cursor()))

    again = FixReader(tmp_path / "log.fix")
    rest = [b.events for _, b in again.read(Topic.ORDERS, 0, parts[0][0])]

    assert len(parts) == 3
    assert (
        np.concatenate(rest).tobytes() == np.concatenate([b.events for _, b in parts[1:]]).tobytes()
    )
    assert again.counts.messages == 5


def test_a_log_that_is_not_there_is_refused_in_words(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.log"):
        whole(FixReader(tmp_path / "none.log"))


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.data())
def test_damage_to_one_message_changes_no_other_order(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    victim = bytearray(new("VICTIM").encode())
    for _ in range(data.draw(st.integers(1, 5))):
        at = data.draw(st.integers(0, len(victim) - 1))
        victim[at] = data.draw(st.integers(0, 255).filter(lambda b: b != 10))
    path = tmp_path_factory.mktemp("fuzz") / "log.fix"
    path.write_bytes(b"\n".join([new("C1").encode(), bytes(victim), fill("X", 9, 9).encode()]))

    reader, batch = whole(FixReader(path, strict=True))

    good = batch.events[[i == "C1" for i in ids(batch)]]
    assert good["kind"].tolist() == [EventKind.ORDER_ACCEPTED, EventKind.ORDER_FILLED]
    assert good["order_qty"][0] == 100
    assert good["last_qty"][1] == 9
    unreadable = sum(d.reason is DeadLetterReason.UNREADABLE for d in batch.dead)
    assert reader.counts.messages + reader.counts.junk_lines + unreadable == 3


def test_a_transaction_years_after_its_sending_is_refused(tmp_path: Path) -> None:
    off = "20261127-09:00:00"  # a week after the sending, by another clock

    _, batch = read(
        tmp_path, new(), report("0", t60=off), fill("E2", 10, 10, t60="20990101-00:00:00")
    )

    assert [d.reason for d in batch.dead] == [DeadLetterReason.FUTURE]
    assert "20990101" in batch.dead[0].words
    assert len(batch.events) == 2
