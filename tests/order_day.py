"""A day of orders with schedules, on the calendar: XNYS around Thanksgiving 2023, a half day."""

from domain.events import AlgoParams, MarketMessage
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.keys import key_of
from domain.vocabulary import EventKind
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings

OPEN = parse_rfc3339("2023-11-22T14:30:00Z")
CLOSE = parse_rfc3339("2023-11-22T21:00:00Z")
HALF_OPEN = parse_rfc3339("2023-11-24T14:30:00Z")
HALF_CLOSE = parse_rfc3339("2023-11-24T18:00:00Z")
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE


class Day:
    """Messages by UNIX ns, and what the order stage expects at each of the order's events."""

    def __init__(self, lab):
        self.lab = lab
        self.tape = lab.Tape()

    def _s(self, ns):
        return (ns - self.lab.T0) / SECOND

    def stop(self, type_, ns, symbol="X"):
        self.tape.market.append(
            MarketMessage(type=type_, ts_event=format_rfc3339(ns), symbol=symbol)
        )

    def quote(self, ns, symbol="X"):
        self.tape.quote(self._s(ns), 9.99, 10.01, symbol)

    def trade(self, ns, size, **more):
        self.tape.trade(self._s(ns), 10.0, size, **more)

    def accept(self, ns, schedule=None, start=None, end=None, qty=1000, **more):
        params = AlgoParams(
            schedule=schedule,
            start=None if start is None else format_rfc3339(start),
            end=None if end is None else format_rfc3339(end),
            **more.pop("params", {}),
        )
        self.tape.accept(self._s(ns), qty, algo_params=params, **more)

    def fill(self, ns, qty=1, **more):
        self.tape.fill(self._s(ns), qty, 10.0, f"e{ns}{more.get('order_id', '')}", **more)

    def run(self, *records, calendar="XNYS", market=None, pieces=1, restart=False, plan=None):
        lab = self.lab
        self.tape.market.sort(key=lambda m: parse_rfc3339(m.ts_event))
        desk = lab.Desk(
            market or MarketSettings(lab.INPUTS, default_calendar=calendar),
            OrderSettings(references=records),
        )
        whole = self.tape.batches()
        parts = {0: lab.cut(whole[0], pieces), 1: lab.cut(whole[2], pieces)}
        desk.push(whole[5])
        for source in plan or [0, 1] * pieces:
            if parts[source]:
                desk.push(parts[source].pop(0))
                if restart:
                    desk.restart()
        desk.push(*parts[0], *parts[1], whole[1], whole[3])
        return desk.rows

    def expected(self, *records, order_id="A", **how):
        """{UNIX ns: expected progress} of the events that are no marks, and the reason."""
        rows = self.lab.finals(self.run(*records, **how))
        rows = rows[(rows["order"] == key_of(order_id)) & (rows["kind"] != EventKind.MARK)]
        return dict(zip(rows["ts"].tolist(), rows["expected_progress"].tolist(), strict=True))


def at_fills(day, *times, **how):
    for t in times:
        day.fill(t)
    found = day.expected(**how)
    return [found[t] for t in times]


def amended(day, order_id="A", *, ns=OPEN + HOUR, **what):
    """An order is amended, after an hour where not said; of a quantity where not said 1,000."""
    start, end = what.pop("start", None), what.pop("end", None)
    params = {
        "start": None if start is None else format_rfc3339(start),
        "end": None if end is None else format_rfc3339(end),
        **what.pop("params", {}),
    }
    more = {"algo_params": AlgoParams(**params)} if any(params.values()) else {}
    what = {"order_qty": 1000.0, **what}
    day.tape.say("order_replaced", (ns - day.lab.T0) / SECOND, order_id, **more, **what)
