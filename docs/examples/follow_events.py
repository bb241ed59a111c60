"""Follow the monitor's events on any bus: each once, every gap told, resumable.

    python docs/examples/follow_events.py redis://127.0.0.1:6379 [STATE_FILE]

Prints a line for each event that completes or restates an order, and goes on where it stopped
when it is started again with the same file. How a Pulsar lets us in is read from the settings
(EXECMON_PULSAR_…). Ctrl-C ends it.
"""

import sys
import time
from pathlib import Path

from bus.connect import open_bus
from bus.consumer import Consumer, Taken
from domain.errors import BusDown
from domain.published import EventType, ExecutionMonitoringEvent
from domain.vocabulary import Topic
from runtime.settings import load_settings


def tell(taken: Taken) -> None:
    """Print what happened."""
    for event in taken.events:
        told = event.as_(ExecutionMonitoringEvent)
        if told.event_type is not EventType.EXECUTION_PROGRESS:
            status = told.status
            print(told.timestamp, told.order_id, told.event_type, status.state,
                  status.cum_qty, status.avg_px, status.slippage_bps)  # fmt: skip
    for gap in taken.gaps:
        print(f"missing: {gap.key} {gap.first}–{gap.last}; ask the history for them")
    for message in taken.unreadable:
        print(f"unreadable: {message.place[1]}/{message.position}: {message.words}")


def follow(url: str, file: Path | None = None, *, until_idle: bool = False) -> None:
    """Read events for ever, or until none came for a second."""
    saved = file.read_bytes() if file and file.exists() else None
    bus = open_bus(url, load_settings())
    with Consumer(bus, Topic.EXECUTION_EVENTS, saved) as consumer:
        while True:
            try:
                taken = consumer.poll()
            except BusDown:
                time.sleep(1)
                continue
            tell(taken)
            if file and (taken.events or taken.unreadable):
                # Whole or not at all: what is saved may never be half a state.
                fresh = file.with_suffix(".part")
                fresh.write_bytes(consumer.state())
                fresh.replace(file)
            if until_idle and not (taken.events or taken.repeats):
                return


if __name__ == "__main__":
    try:
        follow(sys.argv[1], Path(sys.argv[2]) if len(sys.argv) > 2 else None)
    except KeyboardInterrupt:
        sys.exit(130)
