"""Topics that subscriptions write to, beside the product's own."""

from bus.base import Bus
from domain.errors import BusError
from domain.topics import wrong_out_topic
from domain.vocabulary import Topic


def check_out_topic(name: str) -> None:
    """Raise BusError for a name that no subscription may write to."""
    wrong = wrong_out_topic(name)
    if wrong:
        raise BusError(wrong)


def make_out_topic(bus: Bus, name: str) -> int:
    """Make it where it is missing; gives its partitions. Raises BusError.

    It has as many as the topics it is fed from, so that what is in order there is here.
    """
    fed_from = (Topic.EXECUTION_ALERTS, Topic.EXECUTION_EVENTS)
    return bus.add_topic(name, max(bus.partitions(topic) for topic in fed_from))
