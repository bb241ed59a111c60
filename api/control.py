"""What the API tells the pipeline, on topic `control`, with who said it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

from api.context import Context
from api.problems import unavailable
from bus.publish import publish
from domain.instants import format_rfc3339
from domain.vocabulary import Topic


async def tell(context: Context, type_: str, by: str, members: Mapping[str, Any]) -> None:
    """Publish one control event; returns when the bus has it.

    Raises Problem 503 without a bus, BusDown or BusError where it does not take the event.
    """
    if context.bus is None:
        raise unavailable("bus", "no bus is configured; set EXECMON_BUS_URL")
    event = {
        "type": type_,
        **{name: value for name, value in members.items() if value is not None},
        "by": by,
        "ts_event": format_rfc3339(time.time_ns()),
    }
    await asyncio.to_thread(publish, context.bus, [event], Topic.CONTROL)
