"""What `doctor` asks a Pulsar bus."""

from bus.connect import open_bus
from bus.pulsar import layout
from bus.pulsar.bus import PulsarBus
from bus.pulsar.errors import pulsar_module
from cli.check_base import Check
from domain.errors import BusDown, BusError
from domain.vocabulary import Topic
from runtime.settings import Settings

_TIMEOUT_S = 3.0


def check_pulsar(url: str, settings: Settings) -> Check:
    """It answers, lets us in, and has our topics with the policies they need."""
    try:
        bus = open_bus(url, settings, timeout_s=_TIMEOUT_S)
    except BusError as error:
        return Check("bus", "fail", str(error), "correct EXECMON_BUS_URL")
    assert isinstance(bus, PulsarBus)
    try:
        pulsar_module()
        partitions = {Topic(name): count for name, count in settings.partitions.items()}
        faults = layout.faults(bus.admin, partitions, settings.groups)
    except BusDown as error:
        return Check("bus", "fail", str(error), "start it, or correct EXECMON_BUS_URL")
    except BusError as error:
        return Check("bus", "fail", str(error), "correct the settings of the bus")
    finally:
        bus.close()
    if faults:
        return Check("bus", "warn", "; ".join(faults), "see `execmon topics check`")
    return Check("bus", "ok", f"Pulsar at {bus.access.shown}")
