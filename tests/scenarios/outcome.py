"""A simulated desk, or a few events told one by one, through the whole pipeline in one process.

The pipeline is the one of the deployment, with a list in the place of the bus: it watches the
feed, judges orders every five seconds, and numbers a row at each of those marks.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np
from bytewax.testing import run_main

from dataflows.graph import AlertPlan, monitor_graph
from domain.alerts import Alert, AlertChange
from domain.batch import Batch
from domain.events import MarketMessage
from domain.instants import NO_TIME, SECOND, parse_rfc3339
from domain.reference import ReferenceRecord
from domain.rows import STATUS, Rows
from domain.vocabulary import INPUT_TOPICS, EventKind, Topic
from domain.wire import RowBuilder
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from sinks.collect import CallingSink, Collected, CollectingSink
from sources.files import FileSource
from sources.reader import Cursor
from sources.simulator.script import Simulation
from sources.simulator.spec import SimulationSpec

EVALUATION_S = 5
EVALUATION_NS = EVALUATION_S * SECOND
BATCH = 2_048
Said = tuple[Topic, Any]


@dataclass
class Outcome:
    """What came out of a run. Times of day are seconds after `start_ns`."""

    start_ns: int
    changes: list[AlertChange]
    """Every transition of every alert, in order of time."""
    rows: np.ndarray
    """Final STATUS rows, in order of time."""
    names: dict[int, str]

    @property
    def alerts(self) -> list[Alert]:
        """Each alert as it was at last, in the order in which they were raised."""
        last = {change.alert.alert_id: change.alert for change in self.changes}
        return list(last.values())

    def told(self, *scopes: str) -> list[tuple[str, str, str, str]]:
        """(scope, type, what happened, severity) of each transition, of these scopes or of all."""
        return [
            (c.alert.scope, str(c.alert.type), str(c.transition.change), str(c.alert.severity))
            for c in self.changes
            if not scopes or c.alert.scope in scopes
        ]

    @property
    def pages(self) -> list[AlertChange]:
        """The transitions that somebody is told of."""
        return [change for change in self.changes if change.notify]

    def reached(self, scope: str, type_: str, severity: str) -> int:
        """When an alert was first shown at a severity, UNIX ns."""
        return next(
            c.transition.at
            for c in self.changes
            if (c.alert.scope, c.alert.type, c.alert.severity) == (scope, type_, severity)
        )

    def states_of(self, order_id: str) -> np.ndarray:
        """Every final row of an order."""
        key = next(key for key, name in self.names.items() if name == order_id)
        return self.rows[self.rows["order"] == key]

    def marks_of(self, order_id: str) -> np.ndarray:
        """An order's rows at its evaluations."""
        rows = self.states_of(order_id)
        return rows[rows["kind"] == EventKind.MARK]

    def children_of(self, order_id: str) -> int:
        """How many children an order had."""
        return int(self.states_of(order_id)["children"].max())

    @property
    def parents(self) -> list[str]:
        """Ids of the orders without a parent."""
        roots = self.rows[self.rows["parent"] == 0]
        return sorted({self.names[key] for key in roots["order"].tolist()})

    def seconds(self, ns: int) -> float:
        """Seconds after the start."""
        return (ns - self.start_ns) / SECOND


def simulated(spec: SimulationSpec, seed: int = 0, **more: Any) -> Outcome:
    """The outcome of a simulation."""
    start = parse_rfc3339(spec.start_ts)
    return outcome(Simulation(spec, seed).messages(), start, **more)


def outcome(
    said: Iterable[Said], start_ns: int, references: tuple[ReferenceRecord, ...] = ()
) -> Outcome:
    """Run messages through the pipeline; `references` are known before the run."""
    changes: list[AlertChange] = []
    rows: list[np.ndarray] = []
    names: dict[int, str] = {}

    def take(given: Rows) -> None:
        names.update(given.names)
        if not len(given.orders):
            rows.append(given.status[given.status["provisional"] == 0].copy())

    source = FileSource(Told(said))
    flow = monitor_graph(
        source,
        source.inputs,
        MarketSettings(source.inputs, mark_interval_ns=EVALUATION_NS),
        OrderSettings(
            mark_interval_ns=EVALUATION_NS,
            mark_row_interval_ns=EVALUATION_NS,
            references=references,
        ),
        {"rows": CollectingSink(Collected(seen=take))},
        CallingSink(_refuse),
        AlertPlan(sink=CallingSink(changes.append), references=references),
    )
    run_main(flow)
    changes.sort(key=lambda change: change.transition.at)
    found = np.concatenate(rows) if rows else np.empty(0, STATUS)
    return Outcome(start_ns, changes, found[np.argsort(found["known"], kind="stable")], names)


def _refuse(letter: Any) -> None:
    raise AssertionError(f"a message of a scenario was refused: {letter}")


class Told:
    """Messages in memory as a reader of files, with a clock in every topic each second."""

    def __init__(self, said: Iterable[Said]) -> None:
        self._said = list(said)
        found = {topic for topic, _ in self._said}
        self.topics = tuple(topic for topic in INPUT_TOPICS if topic in found)
        self._clocks: list[int] = []
        newest = NO_TIME
        for _, message in self._said:
            text = message.get("ts_event") if isinstance(message, dict) else message.ts_event
            newest = max(newest, parse_rfc3339(text)) if text else newest
            self._clocks.append(newest - newest % SECOND if newest > NO_TIME else NO_TIME)

    def total(self, topic: Topic) -> int:
        """Messages of every topic."""
        return len(self._said)

    def read(self, topic: Topic, source: int, start: Cursor) -> Iterator[tuple[Cursor, Batch]]:
        """Batches of one topic, all of the same stretches of time."""
        builder = RowBuilder(topic, source, ordinal=start.ordinal)
        for at in range(start.at, len(self._said), BATCH):
            until = min(at + BATCH, len(self._said))
            for i in range(at, until):
                of, message = self._said[i]
                builder.clock = self._clocks[i]
                if of is topic:
                    _add(builder, message)
            yield Cursor(until, ordinal=builder.ordinal), builder.build()


def _add(builder: RowBuilder, message: Any) -> None:
    if isinstance(message, dict):
        raw = msgspec.json.encode(message)
        builder.add_json(raw, position="", partition=0, ts=NO_TIME, ingest=NO_TIME)
    elif isinstance(message, MarketMessage):
        builder.add_market(message)
    else:
        builder.add_order(message)
