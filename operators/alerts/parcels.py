"""What the desk step takes, and the way there from the steps that evaluate rules."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import msgspec

from domain.alerts import Crossing
from domain.events import REPUBLISH
from domain.instants import END_OF_TIME, MILLISECOND, NO_TIME
from domain.keys import GROUP_KEYS, group_of
from domain.rows import Rows
from rules.inhibition import EVERY_DESK
from rules.lifecycle import Action

GRID_NS = 20 * MILLISECOND
"""Bare watermarks go on once for each such stretch of event time."""
CONTROL_TYPES = frozenset({*Action, "silence_set", REPUBLISH})
"""Control messages that are about alerts."""


@dataclass(slots=True)
class Parcel:
    """What one source says at once: to the router, of all desks; after it, of one desk group."""

    source: int
    """Which upstream group speaks, from 0."""
    watermark: int = NO_TIME
    """No later row of the source lies before."""
    crossings: list[Crossing] = field(default_factory=list)
    controls: list[tuple[int, bytes]] = field(default_factory=list)
    """(effective time, JSON) of control messages; several sources may bring the same."""
    end: int = END_OF_TIME
    """With END_OF_TIME as watermark: the last event time of the input, where there was one."""
    kept: list[Rows] = field(default_factory=list[Rows])
    """Evaluations that are kept; they go no further than the source."""


class _Address(msgspec.Struct):
    type: str = ""
    scope: str = ""


_ADDRESS = msgspec.json.Decoder(_Address)


def desk_group(desk: str, groups: int) -> int:
    """Group of a desk, from 0; its key is `GROUP_KEYS[…]`."""
    return group_of(desk, groups)


def desk_groups(raw: bytes, groups: int) -> Iterable[int]:
    """Groups that a control message concerns: its desk's, or all; none if it is no alert's."""
    try:
        address = _ADDRESS.decode(raw)
    except msgspec.DecodeError:
        return ()
    if address.type not in CONTROL_TYPES:
        return ()
    if address.scope == EVERY_DESK or address.type == REPUBLISH:
        return range(groups)
    return (desk_group(address.scope, groups),)


class DeskRouter:
    """Deals parcels out to the desk groups; one object serves the workers of a process.

    Every source speaks to one worker, so what is known of it here is known in one place. It is
    no state to be kept: after a restart each source's first watermark goes on.
    """

    def __init__(self, groups: int, grid_ns: int = GRID_NS) -> None:
        self._groups = groups
        self._grid_ns = grid_ns
        self._passed: dict[int, int] = {}
        """Stretch of the grid in which a source's newest watermark to all lay."""

    def __call__(self, items: Iterable[tuple[str, Parcel]]) -> list[tuple[str, Parcel]]:
        """What arrived together as one parcel for each source and desk group it concerns."""
        by_source: dict[int, list[Parcel]] = {}
        for _, parcel in items:
            by_source.setdefault(parcel.source, []).append(parcel)
        out: list[tuple[str, Parcel]] = []
        for source in sorted(by_source):
            out += self._deal(source, by_source[source])
        return out

    def _deal(self, source: int, parcels: list[Parcel]) -> list[tuple[str, Parcel]]:
        watermark = max(parcel.watermark for parcel in parcels)
        end = min(parcel.end for parcel in parcels)
        dealt: dict[int, Parcel] = {}

        def of(group: int) -> Parcel:
            if group not in dealt:
                dealt[group] = Parcel(source, watermark, end=end)
            return dealt[group]

        for parcel in parcels:
            for crossing in parcel.crossings:
                of(desk_group(crossing.desk, self._groups)).crossings.append(crossing)
        for control in dict.fromkeys(control for parcel in parcels for control in parcel.controls):
            for group in desk_groups(control[1], self._groups):
                of(group).controls.append(control)
        if self._passes(source, watermark):
            for group in range(self._groups):
                of(group)
        return [(GROUP_KEYS[group], dealt[group]) for group in sorted(dealt)]

    def _passes(self, source: int, watermark: int) -> bool:
        if watermark == NO_TIME:
            return False
        stretch = watermark // self._grid_ns
        # Also where time went back: a flow that resumes says its watermarks again.
        moved = self._passed.get(source) != stretch or watermark == END_OF_TIME
        self._passed[source] = stretch
        return moved
