"""Waiting for a partition's next message, beside a client that is taking one in just then."""

import threading
from collections import deque
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from bus.base import START
from bus.pulsar.positions import rank_of
from bus.pulsar.producers import _Receipts
from bus.pulsar.reader import PulsarReader
from bus.pulsar.tail import ConsumerTail
from bus.pulsar.waiter import Waiter
from domain.vocabulary import Topic
from tests.bus.test_pulsar import wait_until

pulsar = pytest.importorskip("pulsar")


@dataclass
class Message:
    """One that is an entry by itself."""

    entry: int

    def message_id(self):
        return self

    def ledger_id(self):
        return 1

    def entry_id(self):
        return self.entry

    def batch_index(self):
        return -1

    def properties(self):
        return {}

    def publish_timestamp(self):
        return 0

    def data(self):
        return b"%d" % self.entry


class Consumer:
    """The client's consumer as it is: who waits by a callback is served before its queue.

    A message that is being taken in goes where it was to go when that began: into the queue,
    if nobody waited then.
    """

    def __init__(self):
        self.queue = deque()
        self.halfway = deque()
        self.callbacks = deque()
        self.lock = threading.Condition()
        self._consumer = self

    def begin(self, message):
        self.halfway.append(message)

    def finish(self):
        with self.lock:
            self.queue.append(self.halfway.popleft())
            self.lock.notify_all()

    def take_in(self, message):
        with self.lock:
            if self.callbacks:
                self.callbacks.popleft()(pulsar.Result.Ok, message)
            else:
                self.queue.append(message)
                self.lock.notify_all()

    def receive(self, wait_ms):
        with self.lock:
            if not self.lock.wait_for(lambda: self.queue, wait_ms / 1000):
                raise pulsar.Timeout
            return self.queue.popleft()

    def receive_async(self, callback):
        with self.lock:
            self.callbacks.append(callback)

    def batch_receive(self):
        return []

    def seek(self, _):
        pass

    def close(self):
        pass


@pytest.fixture
def consumer():
    return Consumer()


def tail_of(consumer):
    client = SimpleNamespace(subscribe=lambda *_, **__: consumer)
    link = SimpleNamespace(client=lambda: client, access=SimpleNamespace(topic=lambda *_: "t"))
    return ConsumerTail(link, (Topic.ORDERS, 0), rank_of(START), threading.Event(), "desk")


@pytest.fixture
def tail(consumer):
    found = tail_of(consumer)
    yield found
    found.close()


def entries(tail, count):
    found = []

    def come():
        found.extend(tail.take(10, all_stored=False))
        return len(found) >= count

    wait_until(come)
    return [int(message.body) for message in found]


def test_what_is_taken_in_while_the_wait_begins_comes_before_what_follows(tail, consumer):
    consumer.begin(Message(1))
    assert tail.take(10, all_stored=False) == []
    consumer.finish()
    consumer.take_in(Message(2))

    assert entries(tail, 2) == [1, 2]


def test_what_is_taken_in_while_the_wait_begins_waits_for_no_other(tail, consumer):
    consumer.begin(Message(1))
    assert tail.take(10, all_stored=False) == []
    consumer.finish()

    assert entries(tail, 1) == [1]


def test_a_wait_that_fails_says_so_to_who_asked():
    arrived = threading.Event()

    def receive(wait_ms):
        raise pulsar.AlreadyClosed("gone")

    waiter = Waiter(receive, arrived)
    waiter.ask()

    assert arrived.wait(10)
    with pytest.raises(pulsar.AlreadyClosed, match="gone"):
        waiter.has_answer()


def test_a_wait_ends_when_nobody_wants_it(consumer):
    waiter = Waiter(consumer.receive, threading.Event())
    before = set(threading.enumerate())
    waiter.ask()
    [thread] = set(threading.enumerate()) - before

    waiter.end()

    thread.join(10)
    assert not thread.is_alive()


def test_no_thread_stays_where_a_connection_is_given_up_while_nothing_is_asked(consumer):
    reader = PulsarReader(SimpleNamespace(shown="pulsar://away"), 1.0, "desk")
    tail = tail_of(consumer)
    reader._tails[Topic.ORDERS, 0] = tail
    before = set(threading.enumerate())
    assert tail.take(10, all_stored=False) == []
    [thread] = set(threading.enumerate()) - before
    consumer.take_in(Message(1))
    wait_until(tail._waiter.has_answer)
    tail._note(tail._waiter.answer())

    reader._reset()

    thread.join(10)
    assert not thread.is_alive()


def test_one_result_tells_of_a_whole_batch():
    receipts = _Receipts(3)

    receipts.take([0, 1, 2], pulsar.Result.Ok, SimpleNamespace(
        ledger_id=lambda: 7, entry_id=lambda: 300, batch_index=lambda: 2
    ))  # fmt: skip

    names, ranks = zip(*receipts.results, strict=True)
    assert names == ("Ok", "Ok", "Ok")
    assert list(ranks) == [rank_of(text) for text in ("7:300:0", "7:300:1", "7:300")]


def test_messages_that_a_client_gave_up_before_its_batch_was_cut_are_not_stored():
    receipts = _Receipts(3)

    receipts.take([0, 1, 2], pulsar.Result.Ok, SimpleNamespace(
        ledger_id=lambda: 7, entry_id=lambda: 300, batch_index=lambda: 1
    ))  # fmt: skip

    assert [name for name, _ in receipts.results] == ["", "Ok", "Ok"]
    assert receipts.results[2][1] == rank_of("7:300")
