"""`watch` and `status` against a real status store."""

import json

import pytest
import redis

from cli.board import age_s, bar, board, open_orders
from domain.columns import blank
from domain.instants import SECOND, format_rfc3339
from domain.keys import key_of
from domain.reasons import Reason
from domain.rows import STATUS, Rows
from domain.topics import status_key
from domain.vocabulary import OrderState
from runtime.servers import EmbeddedServer
from sinks.status import StatusPartition, StatusSettings

T = 1_800_000_000 * SECOND


def status(order, cost_ccy, *, parent="", state=OrderState.PARTIALLY_FILLED, desk="US-CASH"):
    row = blank(STATUS, 1)
    names = {key_of(n): n for n in (order, parent, desk, "AMZN", "VWAP") if n}
    row["order"] = row["root"] = key_of(order)
    row["parent"], row["desk"] = key_of(parent), key_of(desk)
    row["symbol"], row["algo"] = key_of("AMZN"), key_of("VWAP")
    row["side"], row["state"], row["events"], row["seq"] = 1, state, 3, 2
    row["ts"] = row["known"] = T
    row["order_qty"], row["cum_qty"], row["leaves_qty"] = 1000, 400, 600
    row["reasons"] = Reason.NO_FILL
    row["slippage_ccy"], row["slippage_bps"], row["execution_progress"] = cost_ccy, 3.25, 0.4
    row["participation_rate"] = 0.081
    return Rows(status=row, names=names)


@pytest.fixture(scope="module")
def store():
    with EmbeddedServer("status", durable=False) as server:
        sink = StatusPartition(server.url, StatusSettings())
        for rows in (
            status("CHEAP", -10.0),
            status("A/1 #ü", 900.0),
            status("CHILD", 500.0, parent="A/1 #ü"),
            status("OTHER", 50.0, desk="EU"),
            status("DONE", 70.0, state=OrderState.FILLED),
        ):
            sink.write_batch([rows])
        sink.close()
        yield server.url


def watch(execmon, store, *more):
    return execmon("watch", "--once", "--json", "--status-url", store, *more).json["orders"]


def ids(orders):
    return [order["order_id"] for order in orders]


def test_open_orders_come_by_attention_without_their_children(execmon, store):
    assert ids(watch(execmon, store)) == ["A/1 #ü", "OTHER", "CHEAP"]
    assert ids(watch(execmon, store, "--children")) == ["A/1 #ü", "CHILD", "OTHER", "CHEAP"]
    assert ids(watch(execmon, store, "--desk", "EU")) == ["OTHER"]
    assert ids(watch(execmon, store, "--limit", "1")) == ["A/1 #ü"]


def test_the_table_shows_what_a_trader_asks_first(execmon, store, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")

    shown = execmon("watch", "--once", "--status-url", store)

    assert shown.code == 0
    line = next(line for line in shown.out.splitlines() if "A/1 #ü" in line)
    for text in ("US-CASH", "AMZN", "VWAP", "partially filled", "40%", "400", "1,000", "+3.25",
                 "8.1%"):  # fmt: skip
        assert text in line


def test_watching_goes_on_until_its_time_is_over(execmon, store):
    shown = execmon("watch", "--json", "--seconds", "1.2", "--status-url", store)

    lines = [json.loads(line) for line in shown.out.splitlines()]
    assert shown.code == 0
    assert len(lines) == 3
    assert execmon("watch", "--seconds", "0", "--status-url", store).code == 0
    assert execmon("watch", "--seconds", "-1", "--status-url", store).code == 2


def test_a_status_is_what_the_store_holds(execmon, store):
    with redis.Redis.from_url(store) as client:
        body = client.hget(status_key("A/1 #ü"), "body")

    assert execmon("status", "A/1 #ü", "--json", "--status-url", store).json == json.loads(body)


def test_a_status_shows_its_alerts(execmon, store):
    with redis.Redis.from_url(store) as client:
        client.hset(status_key("OTHER"), "alerts", '["SLOW_EXECUTION"]')

    shown = execmon("status", "OTHER", "--json", "--status-url", store)
    for_people = execmon("status", "OTHER", "--status-url", store)

    assert shown.json["alerts"] == ["SLOW_EXECUTION"]
    assert "SLOW_EXECUTION" in for_people.out
    assert "NO_FILL" in for_people.out


def test_an_order_that_is_not_known_ends_with_3(execmon, store):
    refused = execmon("status", "NOBODY", "--status-url", store)

    assert refused.code == 3
    assert "nothing is known of order 'NOBODY'" in refused.err


@pytest.mark.parametrize("command", [["status", "A"], ["watch", "--once"]])
def test_a_store_that_is_away_ends_with_4_and_hides_its_password(execmon, command):
    refused = execmon(*command, "--status-url", "redis://desk:secret@127.0.0.1:1/0")

    assert refused.code == 4
    assert "does not answer" in refused.err
    assert "secret" not in refused.err


def test_an_empty_store_has_no_open_orders(execmon):
    with EmbeddedServer("status", durable=False) as server:
        assert watch(execmon, server.url) == []
        assert "no open orders" in execmon("watch", "--once", "--status-url", server.url).out


def test_the_age_of_a_status_grows_with_the_wall_clock():
    shown = {"last_updated": format_rfc3339(T)}

    assert age_s(shown, T + 2_500_000_000) == 2.5
    assert age_s(shown, T - SECOND) == 0.0
    assert age_s({}, T) is None


def test_progress_is_drawn_with_the_schedules_mark():
    assert bar(0.5) == "━━━━━━──────  50%"
    assert bar(0.25, expected=0.75) == "━━━──────┊──  25%"
    assert bar(0.75, expected=0.25) == "━━━━━━━━━───  75%"
    assert bar(1.2) == "━━━━━━━━━━━━ 120%"
    assert bar(0.0) == "────────────   0%"
    assert bar(None) == "–"


def test_costs_are_red_and_gains_green():
    table = board([{"order_id": "A", "slippage_bps": 2.0}, {"order_id": "B", "slippage_bps": -2.0}])
    costs = next(c for c in table.columns if c.header == "slippage bps")

    assert [cell.style for cell in costs.cells] == ["red", "green"]


def test_a_narrow_terminal_keeps_what_matters_most():
    wide, narrow = (
        [c.header for c in board([{"order_id": "A"}], width=w).columns] for w in (200, 70)
    )

    assert "avg px" in wide
    assert "avg px" not in narrow
    assert {"order", "symbol", "progress", "slippage bps", "age s"} <= set(narrow)


def test_only_as_many_pages_are_read_as_are_needed(store):
    class Counting:
        def __init__(self, client):
            self.client, self.pages = client, 0

        def zrange(self, *arguments, **more):
            self.pages += 1
            return self.client.zrange(*arguments, **more)

        def pipeline(self, **more):
            return self.client.pipeline(**more)

    with redis.Redis.from_url(store) as client:
        counting = Counting(client)
        assert len(open_orders(counting, limit=100)) == 3

    assert counting.pages == 1
