"""What publishing final states costs, and how much of that is looking for invalid ones.

Processor time of the encoding alone, without a bus: updates for the history, monitoring
events, and the check of whole columns, beside reading every event back as its record.
Before anything is timed every row has passed the check, and every event its own reading.
"""

import argparse
import sys
import time
from collections.abc import Callable

import msgspec
import numpy as np

from benchmarks.report import parser, show
from benchmarks.status_rows import some_of, status_rows
from domain.published import ExecutionMonitoringEvent
from domain.rows import Rows
from sinks.monitoring_events import monitoring_events
from sinks.updates import Statuses, final_statuses, identified_updates
from sinks.withheld import without_invalid

ORDERS = 10_000
_read = msgspec.json.Decoder(ExecutionMonitoringEvent).decode


def steps(rows_a_step: int) -> list[Rows]:
    """A state of each of 10,000 orders, in steps of so many."""
    whole = status_rows(ORDERS)
    every = np.arange(ORDERS).reshape(-1, rows_a_step)
    return [some_of(whole, orders, 1) for orders in every]


def encoded(found: list[Rows]) -> list[Statuses]:
    """The updates, thrown away, and the statuses in them."""
    out: list[Statuses] = []
    for rows in found:
        rows.bodies.clear()
        statuses = final_statuses(rows, time.time_ns(), "v1")
        for _ in identified_updates(rows, statuses):
            pass
        out.append(statuses)
    return out


def cpu_s(action: Callable[[], object], times: int) -> float:
    """Least processor time of some runs: what else the machine does only adds to it."""
    taken: list[float] = []
    for _ in range(times + 1):
        began = time.process_time()
        action()
        taken.append(time.process_time() - began)
    return min(taken[1:])


def main(arguments: argparse.Namespace) -> None:
    """Check, then time; shares are of the encoding of both topics."""
    found = steps(arguments.rows)
    statuses = encoded(found)
    pairs = list(zip(found, statuses, strict=True))

    def events() -> list[bytes]:
        return [m.body for rows, s in pairs for m in monitoring_events(s, rows.names, "A", 0)]

    def checked() -> int:
        return sum(len(without_invalid(rows, 0)[1]) for rows in found)

    bodies = events()
    if checked() or any(_read(body).seq != 1 for body in bodies):
        raise SystemExit("a row of the benchmark is not valid")
    updates_s = cpu_s(lambda: encoded(found), arguments.repeat)
    events_s = cpu_s(events, arguments.repeat)
    check_s = cpu_s(checked, arguments.repeat)
    read_s = cpu_s(lambda: [_read(body) for body in bodies], arguments.repeat)
    both_s = updates_s + events_s
    figures = {
        "unchecked_events_per_s": ORDERS / both_s,
        "events_per_s": ORDERS / (both_s + check_s),
        "check_share": check_s / both_s,
        "read_back_share": read_s / both_s,
        "update_us": updates_s / ORDERS * 1e6,
        "event_us": events_s / ORDERS * 1e6,
        "check_us": check_s / ORDERS * 1e6,
        "rows_a_step": arguments.rows,
    }
    show("publish", figures, as_json=arguments.json)


if __name__ == "__main__":
    options = parser("publish", __doc__ or "")
    options.add_argument("--rows", type=int, default=50, help="states a step gives; divides 10,000")
    sys.exit(main(options.parse_args()))
