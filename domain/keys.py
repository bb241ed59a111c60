"""How names become numbers, groups and partitions: the same in every process, for ever.

`key_of` turns any name into 64 bits, so that kernels compare numbers; the names travel
beside the columns. `group_of` spreads names over the key groups that hold state, and
`partition_of` over the partitions of a topic.
"""

import zlib
from collections.abc import Iterable
from functools import lru_cache

GROUPS = 16
"""Default number of key groups; also the most worker processes that can share the load."""

NO_KEY = 0
_MASK = (1 << 64) - 1
_OFFSET = 0xCBF29CE484222325
_PRIME = 0x100000001B3

# Bytewax sends a key to worker SipHash-1-3(key) mod workers. Each of these strings hashes,
# modulo 720720 (a multiple of every number up to 16), to its own index, so groups spread as
# evenly as they can over any number of workers to 16.
GROUP_KEYS = (
    "2263f3", "043815", "099b65", "153240", "0ee22b", "000d5d", "073537", "0f9a2c",
    "2313c8", "02e0e8", "10accd", "092b97", "13ded0", "07f9dd", "07b451", "006aed",
)  # fmt: skip


@lru_cache(maxsize=1 << 16)
def key_of(name: str) -> int:
    """64-bit key of a name: FNV-1a over UTF-8, mixed; 0 for the empty name only."""
    if not name:
        return NO_KEY
    value = _OFFSET
    for byte in name.encode():
        value = ((value ^ byte) * _PRIME) & _MASK
    return _mix(value) or 1


def _mix(value: int) -> int:
    value = ((value ^ (value >> 33)) * 0xFF51AFD7ED558CCD) & _MASK
    value = ((value ^ (value >> 33)) * 0xC4CEB9FE1A85EC53) & _MASK
    return value ^ (value >> 33)


@lru_cache(maxsize=1 << 16)
def crc_of(name: str) -> int:
    """CRC-32 of the name's UTF-8: the base of groups, partitions and mark times."""
    return zlib.crc32(name.encode())


def group_of(name: str, groups: int = GROUPS) -> int:
    """Key group in 0..groups−1 of a symbol, a root order id or a scope."""
    return crc_of(name) % groups


def partition_of(name: str, partitions: int, groups: int = GROUPS) -> int:
    """Partition of a topic for this key, so that a group's messages share one partition."""
    return group_of(name, groups) % partitions


def names_of(names: Iterable[str]) -> dict[int, str]:
    """Table from key to name for the names that travel beside a batch."""
    return {key_of(name): name for name in names if name}
