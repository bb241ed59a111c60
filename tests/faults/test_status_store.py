"""The status store goes away, hangs or is full: the flow waits, catches up, and loses nothing."""

import time

import httpx

from bus.base import START
from bus.publish import publish
from domain.instants import format_rfc3339
from domain.topics import OPEN_ORDERS, status_key
from domain.vocabulary import Topic

BACK_S = 2.0


def test_statuses_are_back_at_once_after_the_status_store_was_down(live, outage):
    rig, desk = live
    rig.status_server.kill()
    outage()

    rig.status_server.restart()

    took_s = rig.wait_for(lambda: len(rig.shown()) > 0)
    assert took_s < BACK_S
    rig.check_books(desk)
    assert len(rig.logs("write_waits")) == 1
    assert len(rig.logs("write_goes_on")) == 1
    assert rig.status.zcard(OPEN_ORDERS) == len(desk.filled)


def test_statuses_are_back_at_once_after_the_status_store_hung(live, outage, pause):
    rig, desk = live
    before = rig.shown()
    server = pause(rig.status_server.pid)
    outage()

    server.resume()

    took_s = rig.wait_for(lambda: all(rig.shown()[o] > qty for o, qty in before.items()))
    assert took_s < BACK_S
    rig.check_books(desk)


def test_a_full_status_store_is_said_once_and_gone_on_with(live, outage):
    rig, desk = live
    rig.status.config_set("maxmemory", "1mb")
    rig.wait_for(lambda: rig.logs("write_waits"))
    outage()
    rig.status.config_set("maxmemory", 0)

    rig.wait_for(lambda: rig.logs("write_goes_on"))
    rig.check_books(desk)
    [said] = rig.logs("write_waits")
    assert "maxmemory" in said["error"]
    assert said["writer"] == "status_sink"


def test_a_worker_starts_without_a_status_store_and_shows_everything_later(rig, outage):
    rig.status_server.kill()
    rig.set_up()
    worker = rig.start_worker()
    rig.wait_for(lambda: rig.logs("ready"), 240)
    rig.start_clock()
    desk = rig.start_desk()
    rig.wait_for(lambda: rig.logs("write_waits"))
    outage()
    assert worker.poll() is None

    rig.status_server.restart()

    took_s = rig.wait_for(lambda: len(rig.shown()) > 0)
    assert took_s < BACK_S
    rig.wait_for(lambda: len(desk.filled) == 12)
    rig.check_books(desk)
    assert len(rig.logs("write_waits")) == 1


def test_a_status_store_that_refuses_the_password_ends_the_worker_in_words(live):
    rig, _ = live
    rig.status.config_set("requirepass", "secret")
    rig.status.client_kill_filter(skipme=True, _type="normal")

    rig.wait_for(lambda: "the status store refused a write" in rig.log.read_text())

    last = rig.log.read_text().splitlines()[-1]
    assert last.startswith("execmon: the status store refused a write: it wants a password")


def asked(rig):
    """How often the statuses were asked for."""
    reader = rig.bus.reader()
    places = {(Topic.CONTROL, p): START for p in range(rig.bus.partitions(Topic.CONTROL))}
    found = [m.body for messages in reader.read(places, 9_999, 0).values() for m in messages]
    reader.close()
    return sum(b"status_republish_requested" in body for body in found)


def test_an_emptied_status_store_gets_every_status_again_also_of_orders_that_rest(
    live, history_url
):
    rig, desk = live
    now = format_rfc3339(time.time_ns())
    order = {"order_id": "REST", "symbol": "IBM", "side": "BUY", "ts_event": now}
    publish(rig.bus, [{"type": "order_accepted", **order, "order_qty": 500.0}])
    publish(rig.bus, [{"type": "order_filled", **order, "exec_id": "R1", "last_qty": 200.0,
                       "last_px": 10.0}])  # fmt: skip
    publish(rig.bus, [{"type": "order_cancelled", **order}])
    port = rig.start_api(history_url)
    url = f"http://127.0.0.1:{port}/api/v1/monitoring/REST/status"

    def is_there():
        found = httpx.get(url)
        return found.json() if found.status_code == 200 else None

    def is_final():
        found = is_there()
        return found and found["state"] == "CANCELLED" and not found["provisional"]

    rig.wait_for(is_final)
    rig.wait_for(lambda: asked(rig) == 1)
    before = is_there()

    for _ in range(2):
        rig.status.flushall()
        assert rig.wait_for(is_there) < 5.0
        if asked(rig) == 2:
            break
        # What answers the first request came only now.
    after = is_there()
    assert {**after, "published_at": None} == {**before, "published_at": None}
    assert asked(rig) == 2
    assert rig.status.ttl(status_key("REST")) > 0
    desk.execs.add("R1")
    rig.check_books(desk)
    assert rig.status.zcard(OPEN_ORDERS) == len(desk.filled)
