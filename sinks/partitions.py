"""Which partition of a sink takes the rows of a key group."""

import zlib

from domain.keys import GROUP_KEYS

_GROUP = {key: group for group, key in enumerate(GROUP_KEYS)}


def part_names(parts: int) -> list[str]:
    """Names of a sink's partitions, in order."""
    return [f"{part:02d}" for part in range(parts)]


def part_of(item_key: str) -> int:
    """A number that is the group of a group's key, and stable for every other key."""
    group = _GROUP.get(item_key)
    return zlib.crc32(item_key.encode()) if group is None else group
