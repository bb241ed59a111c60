"""Roll-ups behind the real market and order stages: venues and cohorts in trouble."""

from itertools import pairwise
from typing import Any

import msgspec
import numpy as np
import pytest

from domain.batch import Batch
from domain.columns import EVENT
from domain.errors import RecoveryError
from domain.flags import Flag
from domain.instants import END_OF_TIME, NO_TIME, SECOND, format_rfc3339
from domain.keys import GROUP_KEYS, group_of, key_of
from domain.published import Severity
from domain.reference import Baseline, Finding, ReferenceRecord
from domain.rows import BAR, ORDER, STATUS, Rows
from domain.thresholds import AlertType
from domain.vocabulary import EventKind, OrderState, RejectReason
from operators.orders.group import OrderSettings
from operators.orders.logic import OrderLogic
from operators.rollups.logic import RollupLogic, RollupSettings
from operators.rollups.orders import OpenOrder, affected, short
from operators.rollups.pieces import CLOSED, MARKED, OPENED, Gather, orders_of, routes_of
from operators.split import route_to_orders

MEDIUM, CRITICAL = Severity.MEDIUM, Severity.CRITICAL
TELLS = OrderSettings(progress_ns=SECOND // 4)


class Rollups:
    """The roll-ups of every group, fed what the order stage gives."""

    def __init__(self, **settings: Any) -> None:
        self.settings = RollupSettings(**settings)
        self.gather = Gather(self.settings.groups, self.settings.progress_ns)
        self.logics: dict[str, RollupLogic] = {}
        self.raised: list[Any] = []

    def push(self, items):
        for key, piece in self.gather(items):
            logic = self.logics.setdefault(key, RollupLogic(self.settings, None))
            out, gone = logic.on_batch([piece])
            assert not gone
            self.raised += out

    def restart(self):
        self.gather = Gather(self.settings.groups, self.settings.progress_ns)
        self.logics = {
            key: RollupLogic(self.settings, logic.snapshot()) for key, logic in self.logics.items()
        }

    @property
    def crossings(self):
        found = [c for raised in self.raised for c in raised.crossings]
        return sorted(found, key=lambda c: (c.t, c.scope, c.seq, c.desk))

    @property
    def told(self):
        return [(c.scope, c.desk, c.severity) for c in self.crossings]


@pytest.fixture
def keyed(lab):
    """What the order stage gives for a tape, as (key, Rows), a list for each batch pushed."""

    class Keyed(lab.Desk):
        def __init__(self):
            super().__init__(orders=TELLS)
            self.steps = []

        def _orders(self, stamped):
            step = []
            for key, piece in route_to_orders(stamped, 16):
                logic = self.orders.setdefault(key, OrderLogic(self.order_settings, None))
                step += [(key, rows) for rows in logic.on_batch([piece])[0]]
            self.steps.append(step)
            return [rows for _, rows in step]

    def run(tape, pieces=12, references=()):
        market, market_end, orders, orders_end, routes, routes_end = tape.batches()
        orders.references, orders.told = list(references), [NO_TIME] * len(references)
        last = max(batch.watermark for batch in (market, orders, routes))
        cuts = []
        for batch in (market, orders, routes):
            cuts.append([*lab.cut(batch, pieces), Batch(batch.source, watermark=last)])
            if batch is orders and references:
                cuts[-1][0].references, cuts[-1][0].told = batch.references, batch.told
        desk = Keyed()
        for i in range(pieces + 1):
            desk.push(*(cut[i] for cut in cuts if i < len(cut)))
        desk.push(market_end, orders_end, routes_end)
        return desk.steps

    return run


def quotes(tape, seconds, symbol="X"):
    for t in range(-2, seconds, 2):
        tape.quote(float(t), 9.99, 10.01, symbol)


def root(tape, i, t=0.0, desk=None, **more):
    tape.accept(
        t, 1000 * (i + 1), f"P{i}", desk=desk or f"D{i % 2}", algo="VWAP", broker="BRK1",
        currency="USD", **more,
    )  # fmt: skip


def route(tape, n, t, answer="route_acknowledged", venue="XNAS", of=None, late=0.01, **more):
    parent = f"P{n % 4 if of is None else of}"
    child = {"parent_order_id": parent, "root_order_id": parent}
    tape.accept(t, 100, f"{parent}.{n}", **child)
    where = {"venue": venue, "route_id": f"r{n}", **child}
    tape.say("route_sent", t + 0.001, f"{parent}.{n}", order_qty=100.0, **where)
    if answer:
        tape.say(answer, t + 0.001 + late, f"{parent}.{n}", **where, **more)


def ordered(tape):
    for messages in (tape.market, tape.orders, tape.routes):
        messages.sort(key=lambda m: m.ts_event)
    return tape


def refusing(tape, seconds=240, every=0, start=10):
    """Four orders of two desks whose routes are refused, each second, all or every so many."""
    quotes(tape, seconds)
    for i in range(4):
        root(tape, i)
    for n in range(start, seconds):
        refused = not every or n % every == 0
        route(tape, n, float(n), "route_rejected" if refused else "route_acknowledged")
    return ordered(tape)


def rolled(steps, **settings):
    found = Rollups(**settings)
    for step in steps:
        found.push(step)
    return found


# Venues


def test_each_desk_with_an_open_order_at_a_venue_in_trouble_is_told_of_its_own(tape, keyed, lab):
    found = rolled(keyed(refusing(tape, 60, every=2)))

    assert found.told == [("venue:XNAS", "D0", MEDIUM), ("venue:XNAS", "D1", MEDIUM)]
    first, second = found.crossings
    assert first.type is AlertType.VENUE_ISSUE
    assert (first.order_ids, second.order_ids) == (["P0", "P2"], ["P1", "P3"])
    assert first.recommendation == "Reroute from XNAS: 2 orders, 40.0k USD notional affected"
    assert second.recommendation == "Reroute from XNAS: 2 orders, 60.0k USD notional affected"
    assert first.evidence.expected == 0.05
    assert first.evidence.actual == pytest.approx(0.5, abs=0.1)
    assert first.evidence.z >= first.evidence.threshold == 7.0
    assert first.t == second.t > lab.T0
    assert first.metrics is None


def test_the_end_is_told_to_those_who_were_told(tape, keyed):
    refusing(tape, 40, every=2)
    quotes(tape, 300)
    for n in range(40, 280):
        route(tape, n, float(n))

    found = rolled(keyed(ordered(tape)))

    assert found.told[-2:] == [("venue:XNAS", "D0", None), ("venue:XNAS", "D1", None)]
    assert found.crossings[-1].order_ids == []
    assert found.crossings[-1].recommendation == ""


def test_a_desk_that_comes_later_is_told_when_it_comes(tape, keyed):
    refusing(tape, 60, every=2)
    root(tape, 7, 50.0, desk="LATE")
    route(tape, 500, 52.0, of=7)
    route(tape, 501, 53.0, of=7)

    found = rolled(keyed(ordered(tape)))

    assert found.told[2:] == [("venue:XNAS", "LATE", MEDIUM)]
    assert found.crossings[-1].order_ids == ["P7"]


def test_closed_orders_are_not_affected_any_more(tape, keyed):
    quotes(tape, 60)
    for i in range(4):
        root(tape, i)
    for n in range(10):
        route(tape, n, n + 1.0)
    tape.say("order_cancelled", 20.0, "P0")
    tape.say("order_cancelled", 20.5, "P2")
    for n in range(20, 40):
        route(tape, n, n + 5.0, "route_rejected", of=1 + 2 * (n % 2))

    found = rolled(keyed(ordered(tape)))

    assert [c.desk for c in found.crossings] == ["D1"]
    assert found.crossings[0].order_ids == ["P1", "P3"]


def test_a_venue_in_trouble_where_nobody_has_an_open_order_is_told_to_nobody(tape, keyed):
    quotes(tape, 60)
    root(tape, 0)
    route(tape, 0, 1.0)
    tape.say("order_cancelled", 5.0, "P0")
    for n in range(10, 40):
        child = {"parent_order_id": "P0", "root_order_id": "P0", "venue": "XNAS"}
        tape.say("route_rejected", float(n), f"P0.{n}", route_id=f"r{n}", **child)

    found = rolled(keyed(ordered(tape)))

    assert found.crossings == []
    venue = found.logics[GROUP_KEYS[0]].rollups.kept.venues[key_of("XNAS")]
    assert venue.watch.worst.severity is MEDIUM


def test_refusals_of_our_own_making_are_no_venues_trouble(tape, keyed):
    quotes(tape, 60)
    for i in range(4):
        root(tape, i)
    for n in range(1, 50):
        route(tape, n, float(n), "route_rejected", reject_reason=RejectReason.PRICE_EXCEEDS_BAND)

    assert rolled(keyed(ordered(tape))).crossings == []


def test_a_venue_that_does_not_answer_is_told_of_by_time_alone(tape, keyed, lab):
    quotes(tape, 60)
    for i in range(4):
        root(tape, i)
    route(tape, 0, 1.0)
    for n in range(1, 5):
        route(tape, n, 10.0 + n, answer=None)
    ordered(tape)

    found = rolled(keyed(tape))

    assert {c.severity for c in found.crossings} == {CRITICAL}
    assert {c.t for c in found.crossings} == {lab.T0 + round(18.001 * SECOND)}


def test_routes_that_are_called_back_or_given_up_are_followed(tape, keyed):
    quotes(tape, 90)
    for i in range(4):
        root(tape, i)
    for n in range(30):
        route(tape, n, n + 1.0, "route_cancelled", venue="ARCX")
        route(tape, 100 + n, n + 1.5, "route_timed_out", venue="BATS", late=1.0)

    found = rolled(keyed(ordered(tape)))

    assert {c.scope for c in found.crossings} == {"venue:BATS"}
    assert CRITICAL in {c.severity for c in found.crossings}


def test_silence_after_the_end_of_the_input_is_no_silence(tape, keyed):
    quotes(tape, 8)
    for i in range(4):
        root(tape, i)
    route(tape, 0, 1.0)
    for n in range(1, 5):
        route(tape, n, 4.0 + n / 10, answer=None)

    found = rolled(keyed(ordered(tape)))

    assert found.crossings == []
    assert found.raised[-1].watermark == END_OF_TIME
    assert found.raised[-1].end < END_OF_TIME


def test_a_scheduled_child_is_named_beside_its_root_and_counted_once(tape, keyed):
    quotes(tape, 60)
    root(tape, 0)
    tape.accept(1.0, 500, "S", parent_order_id="P0", root_order_id="P0", algo="TWAP",
                broker="BRK2", desk="D0", schedule=("TWAP", 0, 60, None))  # fmt: skip
    for n in range(2, 40):
        child = {"parent_order_id": "S", "root_order_id": "P0"}
        tape.accept(float(n), 10, f"S.{n}", **child)
        child["order_qty"] = 10.0
        for kind, late in (("route_sent", 0.1), ("route_rejected", 0.2)):
            tape.say(kind, n + late, f"S.{n}", venue="XNAS", route_id=f"r{n}", **child)

    found = rolled(keyed(ordered(tape)))

    assert found.crossings[0].order_ids == ["P0", "S"]
    assert "1 order, 10.0k USD" in found.crossings[0].recommendation


# What is usual


def scope_record(scope, **baselines):
    return ReferenceRecord(type="reference", scope=scope, baselines=baselines)


def test_a_record_on_the_topic_changes_what_is_usual(tape, keyed):
    usual = scope_record("venue:XNAS", reject_rate=Baseline(n=2000, mean=0.45))
    raw = msgspec.json.encode(usual)

    before = rolled(keyed(refusing(tape, 90, every=2)))
    after = rolled(keyed(tape, references=[raw]))
    known = rolled(keyed(tape), references=(usual,))

    assert before.crossings
    assert after.crossings == known.crossings == []


def test_a_known_rate_lets_the_severity_rise(tape, keyed):
    usual = scope_record("venue:XNAS", reject_rate=Baseline(n=2000, mean=0.01))

    found = rolled(keyed(refusing(tape, 60, every=3)), references=(usual,))

    assert [c.severity for c in found.crossings if c.desk == "D0"] == [MEDIUM, Severity.HIGH]


def against(scope, severity=MEDIUM, words="fills here cost 1.2 bps more than elsewhere", **more):
    finding = Finding(
        severity=severity, words=words, n=400, expected=0.0, actual=1.2, threshold=0.0, z=4.0
    )
    usual = {"reject_rate": Baseline(n=9, mean=0.0)}
    return ReferenceRecord(type="reference", scope=scope, baselines=usual, finding=finding, **more)


def test_what_past_days_say_against_a_venue_is_told_to_those_who_route_there(tape, keyed):
    quotes(tape, 60)
    for i in range(4):
        root(tape, i)
    for n in range(20, 60, 5):
        route(tape, n, float(n), of=n // 5 % 2)
    steps = keyed(ordered(tape))

    found = rolled(steps, references=(against("venue:XNAS"),))

    assert found.told == [("venue:XNAS", "D0", MEDIUM), ("venue:XNAS", "D1", MEDIUM)]
    words = [c.recommendation for c in found.crossings]
    assert words[0] == (
        "Reroute from XNAS: 1 order, 10.0k USD notional affected; "
        "fills here cost 1.2 bps more than elsewhere"
    )
    assert found.crossings[0].evidence.actual == 1.2
    assert rolled(steps, references=(against("venue:BATS"),)).crossings == []


def test_it_is_over_once_a_newer_record_does_not_say_it(tape, keyed, lab):
    quotes(tape, 200)
    root(tape, 0)
    for n in range(20, 200, 5):
        route(tape, n, float(n), of=0)
    at = format_rfc3339(lab.T0 + 100 * SECOND)
    later = ReferenceRecord(
        type="reference", scope="venue:XNAS", baselines={"ack_ms": Baseline(n=9, p99=50.0)},
        effective_from=at,
    )  # fmt: skip

    found = rolled(keyed(ordered(tape)), references=(against("venue:XNAS"), later))

    assert [c.severity for c in found.crossings] == [MEDIUM, None]
    assert 100 <= (found.crossings[-1].t - lab.T0) / SECOND <= 105


# Cohorts


def test_what_past_days_say_against_an_algorithm_is_told_with_its_first_order(tape, keyed):
    quotes(tape, 60)
    root(tape, 0)
    tape.accept(30.0, 100, "P9", desk="D9", algo="VWAP", broker="BRK1", currency="USD")
    high = against("cohort:VWAP/BRK1", Severity.HIGH, "orders cost 4 bps more than expected")
    steps = keyed(ordered(tape))

    for restart in (False, True):
        found = Rollups(references=(high,))
        for step in steps:
            found.push(step)
            if restart:
                found.restart()
        assert [(c.desk, c.severity) for c in found.crossings] == [
            ("D0", Severity.HIGH), ("D9", Severity.HIGH),
        ]  # fmt: skip
        assert found.crossings[0].recommendation.endswith("orders cost 4 bps more than expected")
    assert rolled(steps, references=(against("cohort:TWAP/BRK1"),)).crossings == []


SYMBOL = ReferenceRecord(
    type="reference", symbol="X", adv_qty=1e8, sigma_daily_bps=100.0, spread_bps=2.0,
    currency="USD", calendar="24/7", tick=0.01,
)  # fmt: skip


def costly(tape, orders=12, px=10.10, algo="VWAP"):
    """Finished orders that paid a lot, two of other desks that stay open."""
    quotes(tape, 40 * orders + 10)
    for t in range(1, 40 * orders, 10):
        tape.trade(float(t), 10.0, 10_000.0)
    tape.accept(0.0, 1000, "OPEN1", desk="D8", algo=algo, broker="BRK1", currency="USD")
    tape.accept(0.0, 500, "OPEN2", desk="D9", algo=algo, broker="BRK2", currency="EUR")
    for i in range(orders):
        t = 40.0 * i
        tape.accept(t, 100, f"F{i}", desk="D1", algo=algo, broker="BRK1", currency="USD")
        tape.fill(t + 30.0, 100, px, f"e{i}", order_id=f"F{i}", venue="XNAS")
    return ordered(tape)


def test_an_algorithm_that_costs_too_much_is_told_to_desks_that_use_it_now(tape, keyed):
    raw = msgspec.json.encode(SYMBOL)

    found = rolled(keyed(costly(tape), references=[raw]))

    assert found.told[0] == ("algo:VWAP|BRK1", "D8", MEDIUM)
    assert {c.desk for c in found.crossings} == {"D8", "D1"}
    crossing = found.crossings[0]
    assert crossing.type is AlertType.ALGORITHM_UNDERPERFORMANCE
    assert crossing.order_ids == ["OPEN1"]
    assert crossing.recommendation == ("Review VWAP at BRK1: 1 order, 10.0k USD notional affected")
    assert (crossing.evidence.n, crossing.evidence.actual) == (4, 3.0)


def test_a_drift_of_its_costs_is_told_at_the_severity_that_was_asked(tape, keyed):
    steps = keyed(costly(tape), references=[msgspec.json.encode(SYMBOL)])
    found = Rollups(flags={Flag.EWMA_DRIFT: Severity.HIGH})
    for i, step in enumerate(steps):
        if i == len(steps) // 2:
            found.restart()
        found.push(step)

    first = next(c for c in found.crossings if c.severity is Severity.HIGH)
    assert (first.scope, first.evidence.n) == ("algo:VWAP|BRK1", 10)
    assert first.type is AlertType.ALGORITHM_UNDERPERFORMANCE
    assert "affected; the average z of its orders has drifted to" in first.recommendation
    assert first.evidence.threshold < first.evidence.actual


def test_a_desk_that_gives_an_order_to_an_algorithm_in_trouble_is_told(tape, keyed):
    costly(tape)
    tape.accept(300.0, 100, "NEW", desk="D1", algo="VWAP", broker="BRK1")
    raw = msgspec.json.encode(SYMBOL)

    found = rolled(keyed(ordered(tape), references=[raw]))

    assert ("algo:VWAP|BRK1", "D1", MEDIUM) in found.told
    assert [c.seq for c in found.crossings if c.desk == "D1"] == [0]


def test_orders_without_a_z_say_nothing(tape, keyed):
    assert rolled(keyed(costly(tape))).crossings == []


def test_a_fair_scale_of_its_own_is_the_cohorts(tape, keyed):
    raw = [msgspec.json.encode(SYMBOL)]
    usual = scope_record("cohort:VWAP/BRK1", z_cost=Baseline(n=500, mean=8.0, sd=4.0))

    assert rolled(keyed(costly(tape, 6), references=raw), references=(usual,)).crossings == []


def test_an_order_that_changes_its_algorithm_leaves_its_cohort(tape, keyed):
    quotes(tape, 80)
    root(tape, 0)
    tape.say("order_replaced", 10.0, "P0", order_qty=2000.0, algo="TWAP", broker="BRK1")
    ordered(tape)

    kept = rolled(keyed(tape)).logics[GROUP_KEYS[0]].rollups.kept

    assert {scope: list(c.orders) for scope, c in kept.cohorts.items()} == {
        "algo:VWAP|BRK1": [], "algo:TWAP|BRK1": [key_of("P0")],
    }  # fmt: skip


def test_an_order_without_an_algorithm_has_no_cohort(tape, keyed):
    quotes(tape, 80)
    tape.accept(0.0, 100, "A")
    tape.accept(0.0, 100, "B", algo="PEG")

    kept = rolled(keyed(ordered(tape))).logics[GROUP_KEYS[0]].rollups.kept

    assert list(kept.cohorts) == ["algo:PEG|-"]
    assert {order.desk for order in kept.orders.values()} == {"-"}


# Whoever brings the rows, and whenever


def everything(tape):
    """A venue that refuses for a while, one that falls silent, and orders that come and go."""
    refusing(tape, 60, every=3)
    quotes(tape, 240)
    for n in range(60, 200):
        route(tape, n, float(n))
    for n in range(20, 60):
        route(tape, 800 + n, n + 0.6, venue="BATS", answer=None if n > 50 else "route_acknowledged")
    tape.say("order_cancelled", 100.0, "P1")
    return ordered(tape)


def shuffled(steps, rng):
    """Each order group's rows in their order; groups overtake each other as they like."""
    queues = {}
    for key, rows in (item for step in steps for item in step):
        queues.setdefault(key, []).append((key, rows))
    items = []
    while queues:
        key = list(queues)[rng.integers(len(queues))]
        count = 1 + int(rng.integers(40))
        items += queues[key][:count]
        queues[key] = queues[key][count:]
        if not queues[key]:
            del queues[key]
    return items


@pytest.mark.large
def test_crossings_do_not_depend_on_batches_arrival_groups_or_restarts(tape, keyed):
    steps = keyed(everything(tape))
    expected = rolled(steps).crossings
    assert {c.severity for c in expected} == {MEDIUM, CRITICAL, None}

    for seed in range(30):
        rng = np.random.default_rng(seed)
        items = shuffled(steps, rng)
        found = Rollups(groups=[1, 3, 16][seed % 3])
        cuts = rng.integers(0, len(items), seed)
        edges = sorted({0, len(items), *cuts.tolist()})
        for i, (begin, end) in enumerate(pairwise(edges)):
            if i % 7 == 3:
                found.restart()
            found.push(items[begin:end])

        assert found.crossings == expected, seed


@pytest.mark.large
@pytest.mark.parametrize("pieces", [1, 5, 40])
def test_crossings_do_not_depend_on_how_the_input_is_cut(tape, keyed, pieces):
    everything(tape)

    assert rolled(keyed(tape, pieces)).crossings == rolled(keyed(tape, 12)).crossings != []


# Pieces


def status_row(**values):
    row = np.zeros(1, STATUS)
    row["numbered"] = 1
    for name, value in values.items():
        row[name] = value
    return row


def test_only_final_rows_that_open_go_on_or_close_are_taken():
    accepted, filled = int(EventKind.ORDER_ACCEPTED), int(EventKind.ORDER_FILLED)
    new, done = int(OrderState.NEW), int(OrderState.FILLED)
    status = np.concatenate([
        status_row(order=1, root=1, kind=accepted, state=new, leaves_qty=3, bid=9, ask=11),
        status_row(order=1, root=1, kind=accepted, state=new, numbered=0),
        status_row(order=1, root=1, kind=filled, state=int(OrderState.PARTIALLY_FILLED)),
        status_row(order=1, root=1, kind=int(EventKind.MARK), state=new),
        status_row(order=2, root=1, kind=accepted, state=new),
        status_row(order=3, root=1, kind=accepted, state=new, schedule=1),
        status_row(order=4, root=1, kind=accepted, state=new, schedule=1, algo=7),
        status_row(order=1, root=1, kind=filled, state=done, z_cost=1.5, known=9, seq=4),
    ])  # fmt: skip

    found = orders_of(Rows(status=status))

    assert found["order"].tolist() == [1, 1, 4, 1]
    assert found["what"].tolist() == [OPENED, MARKED, OPENED, CLOSED]
    assert found["open_ccy"][0] == 30.0
    assert found[["t", "seq", "z_cost"]][3].tolist() == (9, 4, 1.5)
    assert len(orders_of(Rows(status=status, orders=np.zeros(1, ORDER)))) == 0
    assert len(orders_of(Rows())) == 0


def test_routes_that_name_no_venue_are_left_out():
    events = np.zeros(3, EVENT)
    events["kind"] = [EventKind.ROUTE_SENT, EventKind.ROUTE_SENT, EventKind.ORDER_FILLED]
    events["venue"] = [5, 0, 5]

    assert routes_of(Rows(timeline=events))["venue"].tolist() == [5]
    assert len(routes_of(Rows())) == 0


def test_time_alone_is_told_of_only_now_and_then():
    gather, key = Gather(2, SECOND), GROUP_KEYS[3]

    def told(watermark, **more):
        return gather([(key, Rows(watermark=watermark, **more))])

    assert [piece.watermarks for _, piece in told(5 * SECOND)] == [{3: 5 * SECOND}] * 2
    assert told(6 * SECOND - 1) == []
    assert [k for k, _ in told(6 * SECOND)] == list(GROUP_KEYS[:2])
    assert told(NO_TIME) == told(9 * SECOND, bars=np.zeros(1, BAR)) == []
    assert told(END_OF_TIME, end=7)[0][1].end == 7
    assert told(NO_TIME, references=[(1, b"{}")])[0][1].references == [(1, b"{}")]


def test_each_venues_routes_go_to_its_group():
    names = {key_of(name): name for name in ("XNAS", "ARCX", "BATS", "EDGX")}
    events = np.zeros(8, EVENT)
    events["kind"], events["venue"] = EventKind.ROUTE_SENT, [*names, *names]
    gather = Gather(4, SECOND)

    for _ in range(2):
        pieces = gather([(GROUP_KEYS[0], Rows(timeline=events, names=names, watermark=SECOND))])

        assert [key for key, _ in pieces] == list(GROUP_KEYS[:4])
        for g, (_, piece) in enumerate(pieces):
            found = {names[key] for key in piece.rows["venue"].tolist()}
            assert found == {n for n in names.values() if group_of(f"venue:{n}", 4) == g}


def test_the_groups_of_venues_are_not_remembered_without_end(monkeypatch):
    monkeypatch.setattr("operators.rollups.pieces._MOST_VENUES", 2)
    gather = Gather(2, SECOND)

    for i in range(5):
        events = np.zeros(1, EVENT)
        events["kind"], events["venue"] = EventKind.ROUTE_SENT, key_of(f"V{i}")
        gather([(GROUP_KEYS[0], Rows(timeline=events, names={key_of(f"V{i}"): f"V{i}"}))])

    assert len(gather._group_of_venue) <= 2


# What is kept


def light(what, t, order=1, root=1, **values):
    status = status_row(order=order, root=root, known=t, state=int(OrderState.NEW), **values)
    status["kind"] = EventKind.ORDER_ACCEPTED if what == OPENED else EventKind.MARK
    if what == CLOSED:
        status["state"] = OrderState.CANCELLED
    return status


def progress(t):
    return [(key, Rows(watermark=t)) for key in GROUP_KEYS]


def test_orders_and_scopes_that_were_lost_are_let_go():
    names = {1: "A", 2: "B", key_of("VWAP"): "VWAP", 5: "XNAS"}
    day = 86_400 * SECOND
    found = Rollups()
    events = np.zeros(1, EVENT)
    events["kind"], events["venue"], events["root"] = EventKind.ROUTE_SENT, 5, 1
    events["t_eff"] = events["ts_event"] = day + 2
    opened = light(OPENED, day + 1, algo=key_of("VWAP"))
    found.push([(GROUP_KEYS[0], Rows(status=opened, timeline=events, names=names))])
    found.push(progress(2 * day))
    kept = found.logics[GROUP_KEYS[0]].rollups.kept
    assert (list(kept.orders), list(kept.venues)) == ([1], [5])
    assert list(kept.venues[5].orders) == [1]

    later = light(OPENED, 6 * day, 2, 2)
    found.push([(GROUP_KEYS[0], Rows(status=later, names=names)), *progress(7 * day)])
    assert list(kept.orders) == [2]
    assert not kept.venues[5].orders
    assert not kept.cohorts["algo:VWAP|-"].orders

    later = light(MARKED, 40 * day, 2, 2)
    found.push([(GROUP_KEYS[0], Rows(status=later, names=names)), *progress(41 * day)])
    assert not kept.venues
    assert not kept.cohorts


def test_an_order_that_closes_unseen_changes_nothing():
    found = Rollups()

    found.push([(GROUP_KEYS[0], Rows(status=light(CLOSED, SECOND), names={1: "A"}))])
    found.push(progress(2 * SECOND))

    assert found.crossings == []
    assert [raised.watermark for raised in found.raised] == [2 * SECOND]


def test_an_alert_about_an_algorithm_ends_after_a_day_without_orders():
    hour = 3600 * SECOND
    names = {1: "A", **{i: f"F{i}" for i in range(2, 9)}, key_of("VWAP"): "VWAP"}
    usual = scope_record("venue:XNAS", reject_rate=Baseline(n=500, mean=0.1))
    usual.effective_from = "1970-01-01T12:00:00Z"
    found = Rollups(references=(usual,))
    for i in range(1, 9):
        algo = {"algo": key_of("VWAP"), "z_cost": 3.0}
        rows = [light(OPENED, i * hour, i, i, **algo)]
        if i > 1:
            rows.append(light(CLOSED, i * hour + 1, i, i, **algo))
        found.push([(GROUP_KEYS[0], Rows(status=np.concatenate(rows), names=names))])

    found.push(progress(40 * hour))

    told = [(c.t, c.severity, c.order_ids) for c in found.crossings]
    assert told == [(5 * hour + 1, MEDIUM, ["A"]), (32 * hour + 1, None, [])]


def test_an_end_of_the_input_of_unknown_time_lets_no_time_pass():
    found = Rollups()

    found.push(progress(END_OF_TIME))

    assert [(r.watermark, r.end) for r in found.raised] == [(END_OF_TIME, END_OF_TIME)]


def test_every_order_group_tells_of_its_progress_and_one_of_records(tape, keyed):
    quotes(tape, 10)
    tape.accept(0.0, 100)
    usual = msgspec.json.encode(scope_record("venue:XNAS", reject_rate=Baseline(n=9, mean=0.1)))
    symbol = msgspec.json.encode(SYMBOL)

    steps = keyed(ordered(tape), references=[usual, symbol])

    seen, records = {}, []
    for key, rows in (item for step in steps for item in step):
        assert rows.watermark >= seen.get(key, NO_TIME)
        seen[key] = max(rows.watermark, seen.get(key, NO_TIME))
        records += [(key, raw) for _, raw in rows.references]
    assert set(seen) == set(GROUP_KEYS)
    assert set(seen.values()) == {END_OF_TIME}
    assert records == [(GROUP_KEYS[0], usual)]


@pytest.mark.parametrize(("desk", "root"), [(2, 1), (3, 1), (2, 5)])
def test_what_is_left_is_remembered_while_there_is_no_quote(desk, root):
    found = Rollups()
    names = {1: "A", 2: "EQ", 3: "FI", 4: "VWAP"}
    first = light(OPENED, SECOND, leaves_qty=10, bid=1, ask=1, desk=2, algo=4)
    second = light(MARKED, 2 * SECOND, leaves_qty=10, bid=np.nan, ask=np.nan, desk=desk, algo=4)
    second["root"], second["schedule"] = root, 1
    found.push([(GROUP_KEYS[0], Rows(status=s, names=names)) for s in (first, second)])

    found.push(progress(3 * SECOND))

    kept = found.logics[GROUP_KEYS[0]].rollups.kept
    order = kept.orders[1]
    assert (order.desk, order.open_ccy, order.seen) == (names[desk], 10.0, 2 * SECOND)
    assert order.is_root == (root == 1)
    assert list(kept.cohorts[order.cohort].orders) == [1]


def test_names_of_rows_that_were_taken_are_let_go():
    found = Rollups()
    for i in range(1, 400):
        rows = Rows(status=light(OPENED, i * SECOND, i, i), names={i: f"A{i}"})
        found.push([(GROUP_KEYS[0], rows)])
    inbox = found.logics[GROUP_KEYS[0]].inbox
    assert len(inbox.names) == 399

    found.push(progress(399 * SECOND))

    assert inbox.names == {399: "A399"}


def test_nothing_waits_for_a_clock():
    logic = RollupLogic(RollupSettings(), None)

    assert logic.notify_at() is None
    assert logic.on_notify() == logic.on_eof() == ([], False)


# Words


@pytest.mark.parametrize(
    ("amount", "words"),
    [(85.4, "85"), (999.6, "1.0k"), (120_300, "120k"), (3_412_345, "3.4M"), (2.5e9, "2.5B"),
     (99_960, "100k")],
)  # fmt: skip
def test_an_amount_is_short(amount, words):
    assert short(amount) == words


def test_amounts_are_added_by_currency_and_only_where_known():
    def order(currency, amount, is_root=True):
        return OpenOrder("A", "D", is_root, "", currency, amount, 0)

    several = [order("USD", 1e6), order("EUR", 2e6), order("USD", 2.4e6), order("USD", None),
               order("USD", 5e9, is_root=False)]  # fmt: skip

    assert affected(several) == "4 orders, 2.0M EUR and 3.4M USD notional affected"
    assert affected([order("", 100.0)]) == "1 order, 100 notional affected"
    assert affected([order("USD", None)]) == "1 order affected"


def test_a_snapshot_of_another_version_is_refused_in_words():
    snapshot = RollupLogic(RollupSettings(), None).snapshot()

    with pytest.raises(RecoveryError, match=f"version 99, this program reads {snapshot[0]}: start"):
        RollupLogic(RollupSettings(), (99, *snapshot[1:]))
