"""Schedules that an algorithm sends itself: which share of the order falls into each part of it.

A profile travels as a name does: its text stands in the table of names, its key in the rows.
"""

import math
from collections.abc import Iterable, Mapping, Sequence

import msgspec
import numpy as np

from domain.errors import Refused
from domain.reasons import DeadLetterReason
from domain.reference_curves import cumulative_shares

MOST_PARTS = 96
"""Parts of a window, as five minutes are of eight hours."""
TOLERANCE = 1e-6
"""How far from 1 the shares may sum; they are made to sum to it."""
PROFILE = np.dtype(
    [
        ("key", "u8"),
        ("parts", "i8"),
        ("done", "f8", (MOST_PARTS + 1,)),  # share due by each edge: 0 first, 1 at `parts`
    ]
)

_encode = msgspec.json.encode
_decode = msgspec.json.Decoder(list[float]).decode


def profile_text(shares: Sequence[float]) -> str:
    """A profile as its name: equal shares give equal texts. Raises Refused for none that is one.

    `shares` of the order in equal parts of the window, in trading time: 0 or more, sum 1.
    """
    if not 0 < len(shares) <= MOST_PARTS:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"algo_params.profile must have 1 to {MOST_PARTS} shares, has {len(shares)}",
        )
    for share in shares:
        if not 0 <= share <= 1 + TOLERANCE:
            raise Refused(
                DeadLetterReason.OUT_OF_RANGE,
                f"algo_params.profile must hold shares of 0 to 1, has {share:g}",
            )
    total = math.fsum(shares)
    if abs(total - 1) > TOLERANCE:
        raise Refused(
            DeadLetterReason.OUT_OF_RANGE,
            f"algo_params.profile must sum to 1, sums to {total:.9g}",
        )
    return _encode([share / total for share in shares]).decode()


def profile_rows(keys: Iterable[int], names: Mapping[int, str]) -> np.ndarray:
    """PROFILE rows of some keys, in order of the key."""
    found = sorted(set(keys))
    rows = np.zeros(len(found), PROFILE)
    for row, key in zip(rows, found, strict=True):
        shares = _decode(names[key])
        row["key"], row["parts"] = key, len(shares)
        row["done"][: len(shares) + 1] = cumulative_shares(shares)
    return rows
