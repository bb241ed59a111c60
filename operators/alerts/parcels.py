"""What the rules' steps send to the desks."""

from dataclasses import dataclass, field

from domain.alerts import Crossing


@dataclass(slots=True)
class Parcel:
    """What one upstream group tells: crossings, control messages, and how far it is."""

    source: int
    watermark: int
    crossings: list[Crossing] = field(default_factory=list[Crossing])
    controls: list[tuple[int, bytes]] = field(default_factory=list[tuple[int, bytes]])
    """(effective time, JSON)"""
