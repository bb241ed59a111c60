"""The bus goes away, hangs or is full: everybody waits, says so once, and loses nothing."""

import time

BACK_S = 2.0


def catches_up(rig, desk, seconds=BACK_S):
    """How long it takes until everything published by now is shown."""
    wanted = dict(desk.filled)
    return rig.wait_for(lambda: all(rig.shown()[o] >= 100.0 * n for o, n in wanted.items()))


def test_nothing_is_lost_or_doubled_while_the_bus_is_down(live, outage):
    rig, desk = live
    rig.bus_server.kill()
    outage()

    rig.bus_server.restart()

    assert catches_up(rig, desk) < BACK_S
    rig.check_books(desk)
    assert len(rig.logs("bus_down")) == 1
    assert len(rig.logs("bus_back")) == 1


def test_nothing_is_lost_or_doubled_while_the_bus_hangs(live, outage, pause):
    rig, desk = live
    server = pause(rig.bus_server.pid)
    outage()

    server.resume()

    catches_up(rig, desk)
    rig.check_books(desk)


def test_a_full_bus_holds_its_writers_and_loses_nothing(live, outage):
    rig, desk = live
    rig.bus._client.config_set("maxmemory", "1mb")
    outage()
    before = sum(desk.filled.values())
    outage()
    assert sum(desk.filled.values()) == before

    rig.bus._client.config_set("maxmemory", 0)

    assert catches_up(rig, desk) < BACK_S
    rig.check_books(desk)
    assert all("the bus is full (raise" in log["error"] for log in rig.logs("write_waits"))


def test_a_worker_that_finds_the_bus_hanging_ends_in_words(rig, pause):
    rig.set_up()
    pause(rig.bus_server.pid)

    worker = rig.start_worker()

    assert worker.wait(120) == 4
    assert rig.log.read_text().splitlines()[-1].startswith("execmon: the bus does not answer")


def test_a_worker_that_finds_a_new_bus_full_ends_in_words(rig):
    rig.bus._client.config_set("maxmemory", "1mb")
    began = time.monotonic()

    worker = rig.start_worker()

    assert worker.wait(120) == 4
    assert time.monotonic() - began < 60
    assert rig.log.read_text().splitlines()[-1].startswith("execmon: the bus is full (raise")
