"""Order events and market data from the bus to status, updates and dead letters.

Run it as `python -m bytewax.run dataflows.monitor:flow`, one process or many; settings come
from `EXECMON_…` variables and the settings file, addresses that are `embedded` from the
servers that are running.
"""

import sys

from runtime.kernels import use_kernel_cache

if "numba" not in sys.modules:
    use_kernel_cache()

from collections.abc import Mapping
from typing import Any

import structlog
from bytewax.dataflow import Dataflow

from bus.connect import open_bus
from dataflows.graph import FLOW_ID, AlertPlan, monitor_graph
from domain.batch import Input
from domain.instants import MILLISECOND, SECOND
from domain.thresholds import Configured
from domain.vocabulary import INPUT_TOPICS, AssetClass, Topic
from operators.alerts.desk import VERSION as DESK_VERSION
from operators.alerts.watch import VERSION as WATCH_VERSION
from operators.alerts.watch import WatchSettings
from operators.increments import OpenIncrements
from operators.market.logic import MarketSettings
from operators.market.state import VERSION as MARKET_VERSION
from operators.orders.group import OrderSettings
from operators.orders.tables import VERSION as ORDER_VERSION
from operators.rollups.logic import VERSION as ROLLUPS_VERSION
from operators.warm import warm_kernels
from runtime.addresses import Servers, find_servers, needed
from runtime.chunk_log import VERSION as CHUNKS_VERSION
from runtime.chunk_log import chunk_logs
from runtime.logs import set_up_logs
from runtime.settings import Settings, load_settings
from runtime.threshold_types import version_of
from sinks.alert_store import AlertSettings
from sinks.alerts import AlertSink
from sinks.bus_writer import BusWriterSink, DeadLetterSink
from sinks.status import StatusSettings, StatusSink
from sources.bus_source import STATE_VERSION, BusSource
from sources.pulse import Pulse, PulsedSource

SINK_IDS = ("dead_letters", "updates", "status", "alerts_out")
"""Steps that keep nothing from one start to the next."""
STATE_FOLDER = "state"
"""Below the recovery folder."""


def addresses(settings: Settings) -> Servers:
    """Bus and status store; `embedded` ones are found where they run. Raises ServerError."""
    if "embedded" not in {settings.bus_url, settings.status_url}:
        return Servers(settings.bus_url, settings.status_url)
    found = needed(find_servers(settings.data_dir))
    return Servers(
        found.bus_url if settings.bus_url == "embedded" else settings.bus_url,
        found.status_url if settings.status_url == "embedded" else settings.status_url,
    )


def increments(settings: Settings) -> OpenIncrements | None:
    """Where the stages keep their arrays: in the recovery folder, None without one."""
    folder = settings.recovery_dir
    return None if folder is None else chunk_logs(folder / STATE_FOLDER)


def market_settings(
    settings: Settings, inputs: tuple[Input, ...], calendars: Mapping[str, str] | None = None
) -> MarketSettings:
    """The market stage's part of the settings, in ns."""
    return MarketSettings(
        inputs=inputs,
        groups=settings.groups,
        mark_interval_ns=round(settings.mark_interval_s * SECOND),
        allowed_lateness_ns=round(settings.allowed_lateness_s * SECOND),
        max_wait_ns=round(settings.max_wait_ms * MILLISECOND),
        forget_idle_ns=round(settings.evict_after_s * SECOND),
        calendars=calendars,
        quote_age_limits_ns={
            AssetClass[name]: round(limit * SECOND)
            for name, limit in settings.quote_age_limits.items()
        },
        bars=True,
        increments=increments(settings),
    )


def order_settings(settings: Settings) -> OrderSettings:
    """The order stage's part of the settings, in ns."""
    return OrderSettings(
        groups=settings.groups,
        mark_interval_ns=round(settings.mark_interval_s * SECOND),
        mark_row_interval_ns=round(settings.mark_row_interval_s * SECOND),
        evict_after_ns=round(settings.evict_after_s * SECOND),
        max_wait_ns=round(settings.max_wait_ms * MILLISECOND),
        increments=increments(settings),
    )


def watch_settings(settings: Settings) -> WatchSettings:
    """What the rules go by."""
    entries = settings.alert_thresholds
    return WatchSettings(
        groups=settings.groups,
        market_partitions=settings.partitions[Topic.MARKET_DATA],
        configured=tuple(Configured(*entry) for entry in entries),
        config_version=version_of(entries, settings.alert_flags),
        keeps_evaluations=True,
    )


def alert_settings(settings: Settings) -> AlertSettings:
    """How alerts are kept in the status store."""
    return AlertSettings(ttl_s=settings.status_ttl_s, feed_length=settings.feed_length)


def layout(settings: Settings) -> dict[str, Any]:
    """What snapshots of this flow are bound to: groups, partitions, versions by step."""
    names = [str(topic) for topic in INPUT_TOPICS]
    return {
        "flow": FLOW_ID,
        "groups": settings.groups,
        "partitions": {name: settings.partitions[Topic(name)] for name in names},
        "snapshots": {
            "source": STATE_VERSION,
            "market": MARKET_VERSION,
            "orders": ORDER_VERSION,
            "state": CHUNKS_VERSION,
            "watch": WATCH_VERSION,
            "rollups": ROLLUPS_VERSION,
            "alerts": DESK_VERSION,
        },
    }


def flow(pulse: Pulse | None = None, workers: int = 1) -> Dataflow:
    """The monitor on the bus, its kernels compiled. Raises ExecmonError in words.

    `pulse` is told whenever the flow asks for more. Each of `workers` has a writer of its own
    at each sink, for the groups that are its own.
    """
    settings = load_settings()
    set_up_logs(settings.log_level, settings.log_format)
    servers = addresses(settings)
    bus = open_bus(servers.bus_url, settings)
    bus.set_up({Topic(name): n for name, n in settings.partitions.items()}, settings.groups)
    warm_kernels()
    source = BusSource(
        bus,
        groups=settings.groups,
        linger_ms=settings.linger_ms,
        market_ahead_s=settings.market_ahead_s,
        max_ahead_ns=round(settings.max_ahead_s * SECOND),
    )
    status = StatusSink(
        servers.status_url,
        StatusSettings(
            conflate_ms=settings.conflate_ms,
            ttl_s=settings.status_ttl_s,
            feed_length=settings.feed_length,
        ),
        parts=workers,
    )
    structlog.get_logger("monitor").info("ready", inputs=len(source.inputs))
    return monitor_graph(
        source if pulse is None else PulsedSource(source, pulse),
        source.inputs,
        market_settings(settings, source.inputs),
        order_settings(settings),
        {"updates": BusWriterSink(bus, parts=workers), "status": status},
        DeadLetterSink(bus),
        AlertPlan(
            sink=AlertSink(bus, servers.status_url, alert_settings(settings), parts=workers),
            watch=watch_settings(settings),
            flags=settings.alert_flags,
        ),
    )
