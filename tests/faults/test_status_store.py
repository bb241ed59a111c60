"""The status store goes away, hangs or is full: the flow waits, catches up, and loses nothing."""

from domain.topics import OPEN_ORDERS

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
