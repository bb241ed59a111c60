"""One replay: readers, the monitor's dataflow, and what was asked to be kept of it."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bytewax.testing import cluster_main

from cli.progress import progress
from cli.reference_output import load_file, tell_problems
from cli.replay.alerts import AlertFile
from cli.replay.dead_letters import DeadLetters
from cli.replay.totals import Totals
from dataflows.graph import AlertPlan, monitor_graph
from domain.calendar_table import canonical
from domain.errors import ConfigurationError, InputError
from domain.instants import SECOND
from domain.reference import ReferenceRecord, index_symbols
from domain.rows import Rows
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from sinks.collect import CallingSink, Collected, CollectingSink
from sinks.table_files import check_suffix, write_table
from sinks.tables import fills_frame, orders_frame
from sources.files import FileSource, Progress
from sources.reader import Reader

NEVER_NS = 1 << 60
RULES_NS = 5 * SECOND
"""Event time between two evaluations of an order by the rules."""
MOST_WORKERS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplayOptions:
    """What every replay can be told; checked by `check` before any file is read."""

    orders: Path | None = None
    fills: Path | None = None
    dead_letters: Path | None = None
    alerts: Path | None = None
    """Where every change of an alert goes, as NDJSON; the rules look every five seconds."""
    marks_s: float = 0.0
    """Event time between two marks of an open order; 0 for none."""
    reference: Path | None = None
    calendar: str | None = None
    workers: int = 1
    as_json: bool = False

    def check(self) -> None:
        """Raise ConfigurationError for what could only fail after the work is done."""
        for path in (self.orders, self.fills):
            if path is not None:
                check_suffix(path)
        for path in (self.dead_letters, self.alerts):
            if path is not None and not path.absolute().parent.is_dir():
                raise ConfigurationError(f"the folder of {path} does not exist")
        files = (self.orders, self.fills, self.dead_letters, self.alerts)
        named = [path.absolute() for path in files if path]
        if len(set(named)) < len(named):
            raise ConfigurationError(
                "--orders, --fills, --dead-letters and --alerts must be different files"
            )
        if not 1 <= self.workers <= MOST_WORKERS:
            raise ConfigurationError(
                f"--workers must be from 1 to {MOST_WORKERS}, was {self.workers}"
            )
        if self.marks_s < 0:
            raise ConfigurationError(f"--marks must be 0 (none) or more, was {self.marks_s:g}")
        if self.calendar is not None:
            canonical(self.calendar)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What is left of a run."""

    totals: Totals
    collected: Collected
    dead_letters: int
    rows: int
    """Market rows and order events that went through."""
    wall_s: float

    def summary(self, events: int | None = None) -> dict[str, Any]:
        """The figures every replay prints; `events` counts input messages where known."""
        count = self.rows if events is None else events
        return {
            "events": count,
            **self.totals.summary(),
            "dead_letters": self.dead_letters,
            "rows": self.rows,
            "wall_s": self.wall_s,
            "events_per_s": count / self.wall_s if self.wall_s > 0 else None,
        }


def replay(
    readers: Sequence[Reader],
    options: ReplayOptions,
    *,
    keep_orders: bool = False,
    seen: Callable[[Rows], None] | None = None,
) -> Replayed:
    """Run the readers to their end. `wall_s` is from the first row read to the last row out.

    `keep_orders` keeps every record in memory even where no file is asked for; `seen` is
    called with every Rows. Raises what reading raises.
    """
    totals = Totals()

    def take(rows: Rows) -> None:
        totals.add(rows)
        if seen is not None:
            seen(rows)

    collected = Collected(
        keep_orders=keep_orders or options.orders is not None,
        keep_fills=options.fills is not None,
        seen=take,
    )
    references = _references(options.reference)
    started = time.perf_counter()
    with (
        DeadLetters(options.dead_letters) as dead,
        AlertFile(options.alerts) as changes,
        progress("Replaying") as tell,
    ):
        done = 0

        def note(now: Progress) -> None:
            nonlocal done
            done = now.rows
            tell(now.rows, now.share)

        source = FileSource(*readers, progress=note)
        rows_ns = round(options.marks_s * SECOND) or NEVER_NS
        marks_ns = rows_ns if options.alerts is None else RULES_NS
        flow = monitor_graph(
            source,
            source.inputs,
            MarketSettings(
                source.inputs,
                mark_interval_ns=marks_ns,
                default_calendar=_calendar(options),
                watches_feed=False,
                indices=index_symbols(references),
            ),
            OrderSettings(
                mark_interval_ns=marks_ns, mark_row_interval_ns=rows_ns, references=references
            ),
            {"rows": CollectingSink(collected)},
            CallingSink(dead.take),
            None
            if options.alerts is None
            else AlertPlan(sink=CallingSink(changes.take), references=references),
        )
        cluster_main(flow, [], 0, worker_count_per_proc=options.workers)
    wall_s = time.perf_counter() - started
    return Replayed(totals, collected, dead.count, done, wall_s)


def write_files(result: Replayed, options: ReplayOptions) -> None:
    """Write the order records and fills that were asked for. Raises InputError."""
    collected = result.collected
    if options.orders is not None:
        rows, venues = collected.orders()
        write_table(orders_frame(rows, venues, collected.names), options.orders)
    if options.fills is not None:
        write_table(fills_frame(collected.fills(), collected.names), options.fills)


def _calendar(options: ReplayOptions) -> str | None:
    return None if options.calendar is None else canonical(options.calendar)


def _references(path: Path | None) -> tuple[ReferenceRecord, ...]:
    if path is None:
        return ()
    loaded = load_file(path)
    if loaded.problems:
        tell_problems(path, loaded.problems)
        raise InputError(f"{path}: {len(loaded.problems)} records are wrong; correct them first")
    return tuple(loaded.records)
