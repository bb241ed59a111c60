"""The writing thread: order, conflation, outages, back-pressure, errors."""

import gc
import threading
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sinks.background import BackgroundWriter


class Away(Exception):
    """The server is away."""


class Wire:
    """A server that can go away, stand still, or break."""

    def __init__(self):
        self.sent = []
        self.calls = 0
        self.fails = 0
        self.error = None
        self.open = threading.Event()
        self.open.set()

    def send(self, batch):
        self.calls += 1
        self.open.wait()
        if self.error:
            raise self.error
        if self.fails:
            self.fails -= 1
            raise Away
        self.sent.extend(batch)

    def writer(self, **options):
        return BackgroundWriter(
            "test", list, self.send, lambda error: isinstance(error, Away), **options
        )


@settings(max_examples=20, deadline=None)
@given(st.lists(st.lists(st.integers(), max_size=5), max_size=10))
def test_everything_is_sent_once_and_in_order(batches):
    wire = Wire()
    writer = wire.writer()
    number = iter(range(10_000))

    for batch in batches:
        writer.put([(next(number), item) for item in batch])
    writer.close()

    assert wire.sent == [item for batch in batches for item in batch]


def test_an_outage_delays_and_loses_nothing():
    wire = Wire()
    wire.fails = 3
    writer = wire.writer()

    writer.put([(1, "a")])
    writer.put([(2, "b")])
    writer.flush()

    assert wire.sent == ["a", "b"]
    assert wire.calls >= 4


def test_of_one_key_only_the_newest_unsent_item_is_kept():
    wire = Wire()
    wire.open.clear()
    writer = wire.writer()
    writer.put([("A", 0)])
    while not wire.calls:
        time.sleep(0.001)

    writer.put([("A", 1), ("B", 1), ("A", 3), ("A", 2)], lambda new, old: new > old)
    wire.open.set()
    writer.flush()

    assert wire.sent == [0, 3, 1]


def test_a_first_update_goes_at_once_and_the_next_waits_for_the_spacing():
    wire = Wire()
    writer = wire.writer(spacing_s=60.0)
    writer.put([("A", 0)])
    while wire.sent != [0]:
        time.sleep(0.001)

    writer.put([("A", 1)])
    writer.put([("B", 2)])
    while wire.sent != [0, 2]:
        time.sleep(0.001)
    writer.flush()

    assert wire.sent == [0, 2, 1]


def test_the_rest_of_the_spacing_is_waited_and_then_the_update_goes():
    wire = Wire()
    writer = wire.writer(spacing_s=0.02)
    writer.put([("A", 0)])
    writer.put([("A", 1)])

    until = time.monotonic() + 30
    while wire.sent[-1:] != [1] and time.monotonic() < until:
        time.sleep(0.001)

    assert wire.sent in ([1], [0, 1])


def test_too_much_unsent_makes_the_flow_wait():
    wire = Wire()
    wire.open.clear()
    writer = wire.writer(limit=2)
    writer.put([(0, 0)])
    while not wire.calls:
        time.sleep(0.001)
    writer.put([(1, 1), (2, 2)])
    done = threading.Event()

    def more():
        writer.put([(3, 3)])
        done.set()

    threading.Thread(target=more).start()
    assert not done.wait(0.2)
    wire.open.set()
    assert done.wait(10)
    writer.flush()
    assert wire.sent == [0, 1, 2, 3]


def test_a_refusal_is_raised_where_the_rows_come_from():
    wire = Wire()
    wire.error = ValueError("refused")
    writer = wire.writer()
    writer.put([(1, "a")])

    with pytest.raises(ValueError, match="refused"):
        writer.flush()
    with pytest.raises(ValueError, match="refused"):
        writer.put([(2, "b")])


def test_an_error_while_preparing_is_raised_too():
    def broken(batch):
        raise KeyError(batch[0])

    writer = BackgroundWriter("test", broken, print, lambda _: True)
    writer.put([(1, "a")])

    with pytest.raises(KeyError):
        writer.flush()


def test_the_thread_ends_with_its_writer():
    writer = Wire().writer()
    thread = writer._thread

    del writer
    gc.collect()
    thread.join(5)

    assert not thread.is_alive()


def test_an_error_that_was_raised_is_not_raised_again_by_closing():
    wire = Wire()
    wire.error = ValueError("refused")
    writer = wire.writer()
    writer.put([(1, "a")])
    with pytest.raises(ValueError, match="refused"):
        writer.flush()

    writer.close()


def test_closing_says_an_error_that_nobody_has_heard_of():
    wire = Wire()
    wire.error = ValueError("refused")
    writer = wire.writer()
    writer.put([(1, "a")])

    with pytest.raises(ValueError, match="refused"):
        writer.close()


def test_closing_does_not_wait_for_a_server_that_is_away():
    wire = Wire()
    wire.error = Away()
    writer = wire.writer()
    writer.put([(1, "a")])

    writer.close()

    assert wire.sent == []
