"""Positions of a Pulsar as text, and where a bus is from its address."""

from dataclasses import dataclass

import pytest

from bus.base import START
from bus.pulsar.access import Access
from bus.pulsar.errors import failure
from bus.pulsar.positions import (
    BEGINNING,
    WHOLE,
    done_before,
    entry_id,
    rank_of,
    rank_of_id,
    text_of,
)
from domain.errors import BusDown, BusError
from tests.pulsar_broker import Entry


@dataclass
class Id:
    """An id as the client gives it, with its serialized form."""

    ledger: int
    entry: int
    batch: int
    serialized: bytes = b""

    def ledger_id(self):
        return self.ledger

    def entry_id(self):
        return self.entry

    def batch_index(self):
        return self.batch

    def serialize(self):
        return self.serialized


def in_batch(index, size):
    fields = [(1, 7), (2, 300), (3, 0), (4, index), (6, size)]
    return Id(7, 300, index, b"".join(bytes([n << 3]) + varint(value) for n, value in fields))


def varint(value):
    found = b""
    while value > 0x7F:
        found += bytes([value & 0x7F | 0x80])
        value >>= 7
    return found + bytes([value])


def test_the_last_message_of_a_batch_stands_where_its_entry_does():
    assert text_of(rank_of_id(in_batch(0, 300))) == "7:300:0"
    assert text_of(rank_of_id(in_batch(298, 300))) == "7:300:298"
    assert text_of(rank_of_id(in_batch(299, 300))) == "7:300"
    assert text_of(rank_of_id(in_batch(0, 1))) == "7:300"
    assert text_of(rank_of_id(Id(7, 300, -1))) == "7:300"


def test_positions_sort_as_messages_are_stored():
    texts = [START, "1:5:0", "1:5:1", "1:5", "1:6", "12:0:3", "12:0"]

    ranks = [rank_of(text) for text in texts]

    assert ranks == sorted(ranks)
    assert [text_of(rank) for rank in ranks] == texts


@pytest.mark.parametrize("wrong", ["1", "1:", ":1", "1:2:3:4", "a:b", "1-2", "-1:0", "1:2 ", "²:1"])
def test_what_is_no_position_is_refused(wrong):
    with pytest.raises(BusError, match="expected a position such as"):
        rank_of(wrong)


def test_an_entry_counts_as_done_only_when_all_of_it_is():
    assert done_before((7, 300, WHOLE)) == (7, 300, WHOLE)
    assert done_before((7, 300, 4)) == (7, 299, WHOLE)


def test_before_the_first_message_is_the_earliest_of_all():
    found = entry_id(BEGINNING)

    assert (found.ledger_id(), found.entry_id()) == (-1, -1)
    assert text_of((9, -1, WHOLE)) == START


def test_an_address_names_hosts_tenant_and_namespace():
    found = Access.of("pulsar://a:6650,b:6651/desks/us")

    assert found.service_url == "pulsar://a:6650,b:6651"
    assert found.namespace == "desks/us"
    assert found.admin_url == "http://a:8080"
    assert found.topic("orders", 3) == "persistent://desks/us/orders-partition-3"
    assert Access.of("pulsar+ssl://[::1]:6651").admin_url == "https://[::1]:8443"
    assert Access.of("pulsar://a").namespace == "public/default"


@pytest.mark.parametrize(
    "url", ["pulsar://", "pulsar://a/one", "pulsar://a/b/c/d", "pulsar://u:p@a"]
)
def test_an_address_that_cannot_be_read_says_what_it_should_be(url):
    with pytest.raises(BusError, match="HOST:PORT") as caught:
        Access.of(url)

    assert "u:p" not in str(caught.value)


def test_a_token_is_read_from_its_file_each_time(tmp_path):
    file = tmp_path / "token"
    file.write_text("first\n")
    found = Access.of("pulsar://a", Entry(pulsar_token_file=file))

    assert found.current_token() == "first"
    file.write_text("second")
    assert found.current_token() == "second"
    file.unlink()
    with pytest.raises(BusError, match="cannot read the token"):
        found.current_token()


def test_errors_that_pass_are_told_from_those_that_do_not():
    assert isinstance(failure("Timeout", "pulsar://a"), BusDown)
    refused = failure("AuthenticationError", "pulsar://a")
    assert not isinstance(refused, BusDown)
    assert "EXECMON_PULSAR_TOKEN" in str(refused)
