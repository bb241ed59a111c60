"""The history store takes each row once, the newest stays, and one bad row stops nobody."""

import time
from urllib.parse import urlsplit

import msgspec
import psycopg
import pytest
from psycopg.rows import dict_row

from bus.base import START, Stored
from domain.errors import ServerError
from domain.reasons import DeadLetterReason
from domain.rows import FillStatus
from domain.vocabulary import Topic
from sinks.history.sink import HistorySink, decode
from sinks.updates import updates_of

NS = 1_700_000_000_000_000_000
COUNTED, BUSTED, CORRECTED = FillStatus.COUNTED, FillStatus.BUSTED, FillStatus.CORRECTED


def message(*rows, published=NS):
    """One message of the bus with every event of these rows."""
    found = [event for each in rows for event in updates_of(each, published, "v1")]
    return b"[" + b",".join(found) + b"]"


@pytest.fixture
def write(any_history_url, bus):
    """Writes messages as the flow would, each durable before the next."""
    partition = HistorySink(any_history_url, bus).build_part("history", "00", None)
    number = iter(range(1_000_000))

    def call(*bodies: bytes) -> None:
        updates = []
        for body in bodies:
            update, dead = decode(0, Stored(f"{next(number)}-0", NS, body, "application/json", {}))
            assert not dead
            updates.append(update)
        partition.write_batch(updates)
        partition.snapshot()

    yield call
    partition.close()


@pytest.fixture
def ask(any_history_url):
    with psycopg.connect(any_history_url, autocommit=True, row_factory=dict_row) as connection:
        yield lambda query, *values: connection.execute(query, values).fetchall()


def dead_letters(bus):
    found = []
    for partition in range(bus.partitions(Topic.DEAD_LETTER)):
        place = (Topic.DEAD_LETTER, partition)
        found += bus.reader().read({place: START}, 100, 0).get(place, [])
    return found


TABLES = ("execution_monitoring_ts", "orders", "fills", "order_events", "order_tca")


def everything(ask):
    """Every row with the transaction that wrote it: a row that is rewritten is seen."""
    return {
        name: ask(f"SELECT *, xmin::text AS by FROM {name} ORDER BY order_id, ts_ns")
        for name in TABLES
    }


def test_what_was_published_is_stored_to_the_last_digit(write, ask, status_row):
    rows = status_row("A/1 #ü", desk="DÉSK \"1\"", avg_px=0.1 + 0.2, slippage_bps=-0.0, bid=1e22,
                      market_impact_bps=5e-324, venues={"X\\Y": 1.0, "Z": 2.0})  # fmt: skip
    [event] = updates_of(rows, NS, "v1")

    write(b"[" + event + b"]")

    [row] = ask("SELECT *, body::text AS text FROM execution_monitoring_ts")
    assert b'"status":' + row["text"].encode() + b"}" in event
    assert row["order_id"] == "A/1 #ü"
    assert row["average_price"] == 0.1 + 0.2
    assert str(row["slippage"]) == "-0.0"
    assert row["market_impact"] == 5e-324
    assert row["venue_distribution"] == {"X\\Y": 1 / 3, "Z": 2 / 3}
    assert row["alerts"] == []
    assert row["timestamp"].timestamp() * 1e9 == row["ts_ns"]
    [order] = ask("SELECT * FROM orders")
    assert (order["desk"], order["avg_px"]) == ('DÉSK "1"', 0.1 + 0.2)
    assert (order["timestamp"], order["seq"]) == (row["timestamp"], row["seq"])


def test_writing_everything_again_changes_nothing(write, ask, full_rows, status_row):
    first = [message(status_row("A", events=n, t=n)) for n in (1, 2, 3)]
    last = message(full_rows("A", events=4, t=4.0), full_rows("B", events=4, t=5.0))
    write(*first, last)
    before = everything(ask)
    assert [len(before[name]) for name in TABLES] == [5, 2, 2, 2, 2]

    write(*first, last)
    write(last)
    write(first[0])

    assert everything(ask) == before


def test_an_order_is_replaced_only_by_a_newer_status(write, ask, status_row):
    write(message(status_row("A", events=2, t=2.0)), message(status_row("A", events=3, t=2.0)))
    write(message(status_row("A", events=1, t=1.0)))
    [order] = ask("SELECT seq, ts_ns FROM orders")
    assert order["seq"] == 3

    write(message(status_row("A", events=5, t=5.0), status_row("A", events=4, t=4.0)))

    [order] = ask("SELECT seq, sort_ns, ts_ns FROM orders")
    assert (order["seq"], order["ts_ns"]) == (5, NS + 5_000_000_000)
    assert order["sort_ns"] == NS + 2_000_000_000, "its place in a list does not move"


def test_an_id_that_is_used_again_another_day_begins_anew(write, ask, status_row):
    write(message(status_row("A", events=9, t=0.0)))

    write(message(status_row("A", events=1, t=86_400.0, arrival_ts=NS + 86_400 * 10**9)))

    [order] = ask("SELECT seq, sort_ns FROM orders")
    assert order == {"seq": 1, "sort_ns": NS + 86_400 * 10**9}
    assert len(ask("SELECT FROM execution_monitoring_ts")) == 2


def test_two_rows_of_one_key_in_one_message_are_one_row(write, ask, status_row):
    one, again = (message(status_row("A"), published=NS + n) for n in (1, 2))

    write(b"[" + one[1:-1] + b"," + again[1:-1] + b"]")

    [row] = ask("SELECT body->>'published_at' AS at FROM execution_monitoring_ts")
    assert row["at"].endswith("002Z")


def fill(full_rows, status=COUNTED, **mids):
    rows = full_rows("A")
    rows.fills["status"] = status
    for name, mid in mids.items():
        rows.fills[name] = mid
    rows.status = rows.status[:0]
    rows.orders = rows.orders[:0]
    rows.timeline = rows.timeline[:0]
    return message(rows)


def test_later_mids_complete_a_fill_and_a_null_never_hides_one(write, ask, full_rows):
    mids = "SELECT status, mid_1s, mid_60s, mid_next_close AS next FROM fills"
    write(fill(full_rows))
    write(fill(full_rows, mid_1s=9.1, mid_60s=9.2))
    assert ask(mids) == [{"status": "COUNTED", "mid_1s": 9.1, "mid_60s": 9.2, "next": None}]

    write(fill(full_rows, mid_1s=9.1))
    write(fill(full_rows))
    assert ask(mids) == [{"status": "COUNTED", "mid_1s": 9.1, "mid_60s": 9.2, "next": None}]

    write(fill(full_rows, status=BUSTED), fill(full_rows, mid_1s=9.1, mid_60s=9.2))
    assert ask(mids) == [{"status": "BUSTED", "mid_1s": 9.1, "mid_60s": 9.2, "next": None}]


def test_a_corrected_fill_takes_the_new_price_and_keeps_it(write, ask, full_rows):
    write(fill(full_rows))
    corrected = full_rows("A")
    corrected.fills["status"], corrected.fills["last_px"] = CORRECTED, 9.75
    write(message(corrected))
    write(fill(full_rows, mid_1s=9.1))

    assert ask("SELECT status, last_px FROM fills") == [{"status": "CORRECTED", "last_px": 9.75}]


def test_a_record_is_replaced_by_one_that_knows_more(write, ask, full_rows):
    later = full_rows("A")
    later.orders["avg_px"], later.orders["slippage_bps"] = 9.6, 1.5
    later.orders["reasons"] = 0
    write(message(later), message(full_rows("A")))

    assert ask("SELECT avg_px, slippage_bps FROM order_tca") == [
        {"avg_px": 9.6, "slippage_bps": 1.5}
    ]


def test_a_row_that_the_store_refuses_is_a_dead_letter_and_the_others_are_kept(
    write, ask, bus, status_row, full_rows
):
    bad = status_row("BAD", trader="nul\0inside")
    good = [status_row(f"A{n}") for n in range(40)]

    write(message(*good[:20], bad, *good[20:], full_rows("B")))

    assert len(ask("SELECT FROM orders")) == 41
    assert len(ask("SELECT FROM execution_monitoring_ts")) == 42
    [letter] = dead_letters(bus)
    assert letter.meta["reason"] == DeadLetterReason.STORE_REFUSED.name
    assert letter.meta["topic"] == "execution-updates"
    assert letter.meta["position"] == "0-0/20"
    assert "table orders: invalid byte sequence" in letter.meta["words"]
    assert msgspec.json.decode(letter.body)["order_id"] == "BAD"


def test_a_rule_of_the_operators_own_refuses_only_what_breaks_it(
    write, ask, bus, full_rows, any_history_url
):
    with psycopg.connect(any_history_url, autocommit=True) as connection:
        connection.execute("ALTER TABLE order_events ADD CHECK (order_id <> 'B')")

    write(message(full_rows("A"), full_rows("B"), full_rows("C")))

    assert ask("SELECT order_id FROM order_events ORDER BY 1") == [
        {"order_id": "A"}, {"order_id": "C"},
    ]  # fmt: skip
    [letter] = dead_letters(bus)
    assert "violates check constraint" in letter.meta["words"]


def test_a_session_that_is_ended_by_the_server_is_made_again(write, ask, status_row):
    write(message(status_row("A", events=1, t=1.0)))
    ask("SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'execmon history' AND datname = current_database()")  # fmt: skip

    write(message(status_row("A", events=2, t=2.0)))

    assert len(ask("SELECT FROM execution_monitoring_ts")) == 2


FULL = """
CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
$$ BEGIN RAISE EXCEPTION 'No space left on device' USING ERRCODE = '{code}'; END $$;
CREATE TRIGGER full_disk BEFORE INSERT ON orders EXECUTE FUNCTION full_disk();
"""


@pytest.mark.parametrize("code", ["53100", "53200", "25006", "40P01", "57014", "58030"])
def test_what_passes_by_itself_is_waited_for(history_url, bus, status_row, code):
    with psycopg.connect(history_url, autocommit=True) as connection:
        connection.execute(FULL.format(code=code))
        partition = HistorySink(history_url, bus).build_part("history", "00", None)
        body = message(status_row("A"))
        update, _ = decode(0, Stored("1-0", NS, body, "application/json", {}))
        partition.write_batch([update])
        tried = "SELECT xact_rollback > 1 FROM pg_stat_database WHERE datname = current_database()"
        deadline = time.monotonic() + 30
        while connection.execute(tried).fetchone() != (True,):
            assert time.monotonic() < deadline
        assert connection.execute("SELECT count(*) FROM orders").fetchone() == (0,)

        connection.execute("DROP TRIGGER full_disk ON orders")
        partition.snapshot()

        found = connection.execute("SELECT count(*) FROM execution_monitoring_ts").fetchone()
        assert found == (1,)
    assert not dead_letters(bus)


@pytest.mark.parametrize("code", ["53400", "42501", "XX000"])
def test_what_does_not_pass_ends_the_flow_in_words(history_url, bus, status_row, code):
    with psycopg.connect(history_url, autocommit=True) as connection:
        connection.execute(FULL.format(code=code))
    partition = HistorySink(history_url, bus).build_part("history", "00", None)
    update, _ = decode(0, Stored("1-0", NS, message(status_row("A")), "application/json", {}))
    partition.write_batch([update])

    with pytest.raises(ServerError, match="refused a write: No space left"):
        partition.snapshot()
    assert not dead_letters(bus)


def test_a_store_without_its_tables_is_told_in_words(empty_history_url, bus, status_row):
    partition = HistorySink(empty_history_url, bus).build_part("history", "00", None)
    update, _ = decode(0, Stored("1-0", NS, message(status_row("A")), "application/json", {}))
    partition.write_batch([update])

    with pytest.raises(ServerError, match=r"refused a write: .*execmon db status"):
        partition.snapshot()


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("postgresql:///x?host=/tmp&nonsense=1", "is not an address"),
        ("{}&dbname=absent", 'refuses us: .*database "absent" does not exist'),
    ],
)
def test_a_wrong_address_is_told_at_once(history_url, bus, status_row, url, words):
    parts = urlsplit(history_url)
    address = url.format(parts._replace(path="/x").geturl())
    partition = HistorySink(address, bus).build_part("history", "00", None)
    update, _ = decode(0, Stored("1-0", NS, message(status_row("A")), "application/json", {}))
    partition.write_batch([update])

    began = time.monotonic()
    with pytest.raises(ServerError, match=words):
        partition.snapshot()
    assert time.monotonic() - began < 5
