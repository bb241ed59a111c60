"""Final rows and alerts from the bus to the history store.

Run it as `python -m bytewax.run dataflows.history:flow`; settings come from `EXECMON_…`
variables and the settings file, addresses that are `embedded` from the servers that are
running. While the store is away the bus keeps the rows and the flow waits. The step ids are a
storage format.
"""

from typing import Any

import bytewax.operators as op
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from bus.connect import open_bus
from domain.batch import DeadLetter
from domain.errors import ServerError
from domain.vocabulary import Topic
from runtime.addresses import find_servers, needed
from runtime.history_server import find_history
from runtime.logs import set_up_logs
from runtime.settings import Settings, load_settings
from sinks.bus_writer import DeadLetterSink
from sinks.history.migrate import check
from sinks.history.sink import TOPICS, HistorySink, Update, decode
from sources.bus_messages import STATE_VERSION, Messages, MessageSource

FLOW_ID = "history"
SINK_IDS = ("dead_letters", "history")
"""Steps that keep nothing from one start to the next."""
STEP_IDS = ("source", "decode", "refused", "dead_letters", "updates", "history")
_Decoded = tuple[str, tuple[Update, list[DeadLetter]]]


def addresses(settings: Settings) -> tuple[str, str]:
    """Bus and history store; `embedded` ones are found where they run. Raises ServerError."""
    bus_url, history_url = settings.bus_url, settings.history_url
    if bus_url == "embedded":
        bus_url = needed(find_servers(settings.data_dir)).bus_url
    if history_url == "embedded":
        found = find_history(settings.history_dir)
        if found is None:
            raise ServerError(
                f"no history server of yours serves {settings.history_dir}: `execmon history` "
                "starts one; or name a server with EXECMON_HISTORY_URL=postgresql://…"
            )
        history_url = found
    return bus_url, history_url


def history_graph(
    source: Source[Messages], history_sink: Sink[Any], dead_letter_sink: Sink[Any]
) -> Dataflow:
    """Messages of `execution-updates` and `execution-alerts` to the store, the unreadable aside.

    The history sink takes (partition as text, Update), the other (place, DeadLetter).
    """
    flow = Dataflow(FLOW_ID)
    messages = op.input("source", flow, source)

    def decoded(batch: Messages) -> list[_Decoded]:
        key = str(batch.partition)
        return [(key, decode(batch.partition, message, batch.topic)) for message in batch.messages]

    def refused(item: _Decoded) -> list[tuple[str, DeadLetter]]:
        return [(f"{letter.topic}-{letter.partition}", letter) for letter in item[1][1]]

    def update(item: _Decoded) -> tuple[str, Update]:
        return item[0], item[1][0]

    both = op.flat_map("decode", messages, decoded)
    op.output("dead_letters", op.flat_map("refused", both, refused), dead_letter_sink)
    op.output("history", op.map("updates", both, update), history_sink)
    return flow


def layout(settings: Settings) -> dict[str, Any]:
    """What snapshots of this flow are bound to: partitions, versions by step."""
    return {
        "flow": FLOW_ID,
        "groups": settings.groups,
        "partitions": {str(topic): settings.partitions[topic] for topic in TOPICS},
        "snapshots": {"source": STATE_VERSION},
    }


def flow() -> Dataflow:
    """The history dataflow on the bus. Raises ExecmonError in words."""
    settings = load_settings()
    set_up_logs(settings.log_level, settings.log_format)
    bus_url, history_url = addresses(settings)
    bus = open_bus(bus_url, settings)
    bus.set_up({Topic(name): n for name, n in settings.partitions.items()}, settings.groups)
    check(history_url)
    source = MessageSource(bus, *TOPICS, linger_ms=settings.linger_ms)
    structlog.get_logger("history").info("ready", inputs=len(source.list_parts()))
    return history_graph(
        source, HistorySink(history_url, bus, settings.history_writers), DeadLetterSink(bus)
    )
