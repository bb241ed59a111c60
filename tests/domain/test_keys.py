import threading
from collections import Counter

import bytewax.operators as op
import pytest
from bytewax.dataflow import Dataflow
from bytewax.operators import StatefulBatchLogic
from bytewax.testing import TestingSink, TestingSource, cluster_main
from hypothesis import given
from hypothesis import strategies as st

from domain.keys import GROUP_KEYS, GROUPS, crc_of, group_of, key_of, names_of, partition_of

MASK = (1 << 64) - 1


def rotated(value, bits):
    return ((value << bits) | (value >> (64 - bits))) & MASK


def siphash_1_3(data):
    """SipHash-1-3 with a zero key, written from its published description."""
    v0, v1, v2, v3 = (
        0x736F6D6570736575, 0x646F72616E646F6D, 0x6C7967656E657261, 0x7465646279746573,
    )  # fmt: skip

    def mix(v0, v1, v2, v3):
        v0 = (v0 + v1) & MASK
        v1 = rotated(v1, 13) ^ v0
        v0 = rotated(v0, 32)
        v2 = (v2 + v3) & MASK
        v3 = rotated(v3, 16) ^ v2
        v0 = (v0 + v3) & MASK
        v3 = rotated(v3, 21) ^ v0
        v2 = (v2 + v1) & MASK
        v1 = rotated(v1, 17) ^ v2
        return v0, v1, rotated(v2, 32), v3

    padded = data + bytes(-(len(data) + 1) % 8) + bytes([len(data) & 0xFF])
    for i in range(0, len(padded), 8):
        word = int.from_bytes(padded[i : i + 8], "little")
        v3 ^= word
        v0, v1, v2, v3 = mix(v0, v1, v2, v3)
        v0 ^= word
    v2 ^= 0xFF
    for _ in range(3):
        v0, v1, v2, v3 = mix(v0, v1, v2, v3)
    return v0 ^ v1 ^ v2 ^ v3


def test_every_group_key_hashes_to_its_own_index():
    for index, key in enumerate(GROUP_KEYS):
        assert siphash_1_3(key.encode() + b"\xff") % 720_720 == index


def test_the_engine_sends_each_group_to_the_worker_its_key_was_made_for():
    workers = 3
    seen = {}

    class Note(StatefulBatchLogic):
        def __init__(self, key):
            self.key = key

        def on_batch(self, values):
            seen[values[0]] = threading.get_ident()
            return [], False

        def snapshot(self):
            return None

    flow = Dataflow("spread")
    keyed = op.input("in", flow, TestingSource([(k, k) for k in GROUP_KEYS]))
    noted = op.stateful_batch("note", keyed, Note)
    op.output("out", noted, TestingSink([]))

    cluster_main(flow, [], 0, worker_count_per_proc=workers)

    assert set(seen) == set(GROUP_KEYS)
    assert sorted(Counter(seen.values()).values()) == [5, 5, 6]
    for index, key in enumerate(GROUP_KEYS):
        assert seen[key] == seen[GROUP_KEYS[index % workers]]


@pytest.mark.parametrize("workers", range(1, 17))
def test_groups_spread_as_evenly_as_they_can_over_any_number_of_workers(workers):
    load = Counter(siphash_1_3(k.encode() + b"\xff") % workers for k in GROUP_KEYS)
    assert max(load.values()) - min(load[w] for w in range(workers)) <= 1


def test_keys_are_a_storage_format():
    assert GROUPS == 16
    assert len(GROUP_KEYS) == len(set(GROUP_KEYS)) == 16
    assert key_of("") == 0
    assert key_of("IBM") == 2117961376165504863
    assert key_of("A/1 #ü") == 16311316353705961332
    assert crc_of("IBM") == 1244168183
    assert [group_of(s) for s in ("IBM", "BAC", "AMZN", "")] == [7, 2, 14, 0]


@given(st.text(min_size=1).filter(lambda s: s.isprintable()))
def test_a_name_has_a_key_of_64_bits_that_is_never_zero(name):
    assert 0 < key_of(name) < 1 << 64


def test_fifty_thousand_names_have_fifty_thousand_keys():
    assert len({key_of(f"order-{i}") for i in range(50_000)}) == 50_000


@given(st.text(alphabet="abcXYZ-/ü1", max_size=12), st.sampled_from([1, 2, 4, 8, 16]))
def test_a_group_of_names_shares_one_partition(name, partitions):
    group = group_of(name)
    assert 0 <= group < GROUPS
    assert partition_of(name, partitions) == group % partitions


def test_the_table_of_names_leaves_the_empty_name_out():
    assert names_of(["IBM", "", "BAC"]) == {key_of("IBM"): "IBM", key_of("BAC"): "BAC"}
