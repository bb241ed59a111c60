"""Laying out a bus that is new, without disputing the layout of one that is not."""

from bus.base import Bus
from domain.errors import BusDown, BusError
from domain.vocabulary import Topic
from runtime.settings import Settings


def lay_out(bus: Bus, settings: Settings) -> None:
    """Record the settings' partitions on a bus that has none. Raises BusDown."""
    try:
        bus.partitions(Topic.ORDERS)
    except BusDown:
        raise
    except BusError:
        partitions = {Topic(name): count for name, count in settings.partitions.items()}
        bus.set_up(partitions, settings.groups)
