"""The clock: one writer, every partition, and what happens when things die."""

import threading
import time

import msgspec
import pytest

from bus.base import START
from bus.clock import ClockThread, ClockWriter
from domain.errors import BusError
from domain.instants import parse_rfc3339
from domain.vocabulary import INPUT_TOPICS, Topic


def clocks(bus, topic=Topic.ORDERS, partition=0):
    found = bus.reader().read({(topic, partition): START}, 10_000, 0)
    return [msgspec.json.decode(m.body) for m in found.get((topic, partition), [])]


def wait_until(condition, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.01)


def test_a_tick_reaches_every_partition_of_the_five_inputs(bus):
    with ClockWriter(bus) as clock:
        clock.tick(1_700_000_000_123_456_789)

    for topic in INPUT_TOPICS:
        for partition in range(2):
            assert clocks(bus, topic, partition) == [
                {"type": "clock", "ts_event": "2023-11-14T22:13:20.123456789Z"}
            ]
    assert clocks(bus, Topic.EXECUTION_UPDATES) == []


def test_a_second_writer_is_refused_by_name_until_the_first_ends(bus):
    first = ClockWriter(bus)
    first.begin()

    with pytest.raises(BusError, match=f"already running on this bus .*{first.owner}"):
        ClockWriter(bus).begin(wait_s=0)
    first.end()

    ClockWriter(bus).begin(wait_s=0)


def test_a_writer_that_died_is_forgotten_after_its_lease(bus):
    ClockWriter(bus, interval_ms=10, lease_ms=100).begin()

    successor = ClockWriter(bus, interval_ms=10, lease_ms=100)
    successor.begin()

    successor.tick(0)
    assert len(clocks(bus)) == 1


def test_a_writer_whose_place_was_taken_writes_nothing_more(bus):
    stalled = ClockWriter(bus, interval_ms=10, lease_ms=50)
    stalled.begin()
    successor = ClockWriter(bus)
    successor.begin()

    with pytest.raises(BusError, match="another clock writer took over"):
        stalled.tick(0)
    assert clocks(bus) == []


def test_a_writer_that_merely_slept_goes_on(bus):
    clock = ClockWriter(bus, interval_ms=10, lease_ms=50)
    clock.begin()
    time.sleep(0.1)

    clock.tick(0)

    assert len(clocks(bus)) == 1


def test_wall_and_event_clocks_never_share_a_bus(bus):
    with ClockWriter(bus, kind="wall") as clock:
        clock.tick(0)

    with pytest.raises(BusError, match="has wall clocks and cannot take event clocks"):
        ClockWriter(bus, kind="event").begin()


def test_wall_clocks_are_behind_wall_time_by_the_lag(bus):
    stop = threading.Event()
    before = time.time_ns()
    clock = ClockWriter(bus, interval_ms=5, lag_ms=50)
    clock.begin()
    thread = threading.Thread(target=clock.run, args=(stop,))
    thread.start()
    wait_until(lambda: clock.ticks >= 5)
    stop.set()
    thread.join()
    after = time.time_ns()

    times = [parse_rfc3339(c["ts_event"]) for c in clocks(bus)]
    assert len(times) >= 5
    assert times == sorted(times)
    assert before - 50_000_000 <= times[0] <= times[-1] <= after - 50_000_000


def test_the_clock_waits_for_a_dead_server_and_goes_on(own_server):
    bus = own_server.open()
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    clock = ClockWriter(bus, interval_ms=5)
    with ClockThread(clock) as thread:
        wait_until(lambda: clock.ticks >= 2)
        own_server.kill()
        time.sleep(0.1)
        own_server.restart()
        seen = clock.ticks
        wait_until(lambda: clock.ticks >= seen + 2)
        thread.check()

    assert len(clocks(bus)) >= clock.ticks


def test_an_error_of_the_clock_thread_is_raised_where_it_was_started(bus):
    clock = ClockWriter(bus, interval_ms=5, lease_ms=50)
    thread = ClockThread(clock)

    def took_over(other):
        # The thread takes the lease again whenever it comes first.
        bus.release_clock(clock.owner)
        return bus.take_clock(other.owner, "wall", 60_000) is None

    def live():
        with thread:
            other = ClockWriter(bus)
            wait_until(lambda: took_over(other))
            wait_until(lambda: not thread._thread.is_alive())

    with pytest.raises(BusError, match="took over"):
        live()


def test_a_clock_ends_in_peace_when_the_bus_is_gone(own_server):
    bus = own_server.open()
    bus.set_up(dict.fromkeys(Topic, 1), 16)
    with ClockWriter(bus) as clock:
        clock.tick(0)
        own_server.kill()
