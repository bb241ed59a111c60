"""Alerts from the bus to people and their machines, events to subscribed services.

Tests of a channel that somebody asked for come on topic `control`, and go out as pages do.

Run it as `python -m bytewax.run dataflows.notify:flow`; settings come from `EXECMON_…`
variables and the settings file, addresses that are `embedded` from the servers that are
running. What is to be sent is kept in a file (`sinks.notify.store`), so the history store may
be away. The step ids are a storage format.
"""

from pathlib import Path
from typing import Any

import bytewax.operators as op
import msgspec
import structlog
from bytewax.dataflow import Dataflow
from bytewax.inputs import Source
from bytewax.outputs import Sink

from bus.base import Stored
from bus.connect import open_bus
from domain.batch import DeadLetter
from domain.channels import Trial
from domain.errors import Refused, ServerError
from domain.events import Envelope
from domain.instants import parse_rfc3339
from domain.reasons import DeadLetterReason
from domain.vocabulary import Topic
from domain.wire import split_json
from runtime.addresses import find_servers, needed
from runtime.history_server import find_history
from runtime.logs import set_up_logs
from runtime.private_dirs import Lock, own_dir
from runtime.setting_types import default_history_dir
from runtime.settings import Settings, load_settings
from sinks.bus_writer import DeadLetterSink
from sinks.notify.intake import Alert
from sinks.notify.mirror import Mirror
from sinks.notify.outbox import Outbox
from sinks.notify.registry import Registry
from sinks.notify.sink import NotifySink
from sinks.notify.store import Store
from sinks.notify.told import read_told
from sources.bus_messages import STATE_VERSION, Messages, MessageSource

FLOW_ID = "notify"
READER = "execmon-notify"
SINK_IDS = ("dead_letters", "notify")
"""Steps that keep nothing from one start to the next."""
STEP_IDS = ("source", "decode", "refused", "dead_letters", "alerts", "notify")
_LOCK = "lock"
TOPICS = (Topic.EXECUTION_ALERTS, Topic.CONTROL)
_Told = Alert | Trial
_Decoded = tuple[str, _Told | DeadLetter]
_TESTED = "send_tested"
_envelope = msgspec.json.Decoder(Envelope).decode
_trial = msgspec.json.Decoder(Trial).decode


def notify_folder(settings: Settings) -> Path:
    """Where pages wait: as set, else `notify` beside the other data."""
    if settings.notify_dir is not None:
        return settings.notify_dir
    return (settings.data_dir or default_history_dir().parent).absolute() / "notify"


def history_address(settings: Settings) -> str | None:
    """The history store as set, an embedded one where it runs now; None where it does not."""
    if settings.history_url != "embedded":
        return settings.history_url
    return find_history(settings.history_dir)


def notify_graph(
    source: Source[Messages], notify_sink: Sink[Any], dead_letter_sink: Sink[Any]
) -> Dataflow:
    """Alerts and tests of channels to who is to be told, what cannot be read aside.

    The notify sink takes (partition as text, Alert or Trial), the other (place, DeadLetter).
    """
    flow = Dataflow(FLOW_ID)
    messages = op.input("source", flow, source)

    def decoded(batch: Messages) -> list[_Decoded]:
        read = decode_control if batch.topic is Topic.CONTROL else decode
        key = str(batch.partition)
        return [(key, one) for message in batch.messages for one in read(batch.partition, message)]

    def refused(item: _Decoded) -> list[tuple[str, DeadLetter]]:
        letter = item[1]
        if not isinstance(letter, DeadLetter):
            return []
        return [(f"{letter.topic}-{letter.partition}", letter)]

    def told(item: _Decoded) -> list[tuple[str, _Told]]:
        key, one = item
        return [] if isinstance(one, DeadLetter) else [(key, one)]

    both = op.flat_map("decode", messages, decoded)
    op.output("dead_letters", op.flat_map("refused", both, refused), dead_letter_sink)
    op.output("notify", op.flat_map("alerts", both, told), notify_sink)
    return flow


def decode(partition: int, message: Stored) -> list[Alert | DeadLetter]:
    """The alerts of a message; for what is none of ours, why."""

    def letter(reason: DeadLetterReason, words: str, body: bytes) -> DeadLetter:
        topic = str(Topic.EXECUTION_ALERTS)
        return DeadLetter(topic, partition, message.position, reason, words, body, message.ts)

    try:
        events = split_json(message.body)
    except Refused as error:
        return [letter(error.reason, error.words, message.body)]
    found: list[Alert | DeadLetter] = []
    for raw in events:
        try:
            alert = read_told(raw)
            parse_rfc3339(alert.timestamp)
            if alert.monitoring is not None and alert.monitoring.not_before is not None:
                parse_rfc3339(alert.monitoring.not_before)
            found.append(Alert(alert, raw))
        except msgspec.ValidationError as error:
            found.append(letter(DeadLetterReason.INVALID_EVENT, str(error), raw))
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            found.append(letter(DeadLetterReason.UNREADABLE, str(error), raw))
        except ValueError as error:
            found.append(letter(DeadLetterReason.BAD_TIME, str(error), raw))
    return found


def decode_control(partition: int, message: Stored) -> list[Trial | DeadLetter]:
    """The tests of channels that a message asks for; the rest is for others to read."""
    try:
        events = split_json(message.body)
    except Refused:
        return []
    found: list[Trial | DeadLetter] = []
    for number, raw in enumerate(events):
        try:
            if _envelope(raw).type != _TESTED:
                continue
        except (msgspec.MsgspecError, UnicodeError, RecursionError):
            continue
        try:
            trial = _trial(raw)
            parse_rfc3339(trial.ts_event)
        except (msgspec.MsgspecError, ValueError) as error:
            reason = DeadLetterReason.INVALID_EVENT
            found.append(
                DeadLetter(str(Topic.CONTROL), partition, message.position, reason, str(error),
                           raw, message.ts)
            )  # fmt: skip
            continue
        if not trial.test_id:
            id_ = f"{partition}/{message.position}/{number}"
            trial = msgspec.structs.replace(trial, test_id=id_)
        found.append(trial)
    return found


def layout(settings: Settings) -> dict[str, Any]:
    """What snapshots of this flow are bound to: partitions, versions by step."""
    return {
        "flow": FLOW_ID,
        "groups": settings.groups,
        "partitions": {str(topic): settings.partitions[topic] for topic in TOPICS},
        "snapshots": {"source": STATE_VERSION},
    }


def flow() -> Dataflow:
    """The notify dataflow on the bus. Raises ExecmonError in words."""
    settings = load_settings()
    set_up_logs(settings.log_level, settings.log_format)
    bus_url = settings.bus_url
    if bus_url == "embedded":
        bus_url = needed(find_servers(settings.data_dir)).bus_url
    bus = open_bus(bus_url, settings)
    bus.set_up({Topic(name): n for name, n in settings.partitions.items()}, settings.groups)
    store = _own_store(notify_folder(settings))
    outbox = Outbox(settings.notify, store)
    mirror = Mirror(store, lambda: history_address(settings))
    source = MessageSource(bus, *TOPICS, linger_ms=settings.linger_ms, reader=READER)
    registry = Registry(bus, store, lambda: history_address(settings))
    sink = NotifySink(outbox, [mirror, registry])
    sink.start()
    structlog.get_logger("notify").info(
        "ready", inputs=len(source.list_parts()), channels=len(settings.notify.channels)
    )
    return notify_graph(source, sink, DeadLetterSink(bus))


_locks: list[Lock] = []
"""Held until the process ends."""


def _own_store(folder: Path) -> Store:
    """The file, which one process at a time may send from. Raises ServerError."""
    lock = Lock.take(own_dir(folder) / _LOCK)
    if lock is None:
        raise ServerError(
            f"another process sends from {folder}; stop that one, or give this one an "
            "EXECMON_NOTIFY_DIR of its own"
        )
    _locks.append(lock)
    return Store(folder)
