"""Orders whose events do not add up become alerts where somebody asks for it."""

import numpy as np
import pytest

from domain.flags import SHOWN, Flag
from domain.instants import END_OF_TIME, SECOND
from domain.keys import key_of
from domain.published import Severity
from domain.records import anomaly_names
from domain.rows import STATUS, MarketFlag, Rows
from domain.thresholds import AlertType
from domain.vocabulary import Anomaly, OrderState
from operators.alerts.flagged import HOLDS_NS, Flagged
from operators.orders.group import OrderSettings

TELLS = OrderSettings(progress_ns=20_000_000)
ALGORITHM = AlertType.ALGORITHM_UNDERPERFORMANCE
BOTH = {Flag.OVERFILL: Severity.HIGH, Flag.STATE_VIOLATION: Severity.MEDIUM}
OVERFILL, VIOLATION = int(Anomaly.OVERFILL), int(Anomaly.STATE_VIOLATION)


def status(t, *, order="A", anomalies=OVERFILL, state=OrderState.FILLED, **values):
    row = np.zeros(1, STATUS)
    told = {
        "order": key_of(order), "known": t, "seq": t, "anomalies": anomalies, "state": state,
        "desk": key_of("D"), "order_qty": 1000.0, "cum_qty": 1200.0, "fills": 3, **values,
    }  # fmt: skip
    for name, value in told.items():
        row[name] = value
    return row


def rows(*status_rows):
    names = {key_of(name): name for name in ("A", "B", "D")}
    return Rows(status=np.concatenate([*status_rows]), names=names)


def said(crossings):
    return [(c.scope, c.severity.name if c.severity else "ENDED" if c.ended else "CLEARED")
            for c in crossings]  # fmt: skip


def test_an_overfilled_order_is_an_alert_at_the_severity_that_was_asked(tape, run, judge_of):
    tape.quote(0, 99.99, 100.01)
    tape.accept(0.5, 1_000, desk="D")
    tape.fill(5, 700, 100.0, "e1", venue="XNAS")
    tape.fill(6, 500, 100.0, "e2", venue="XNAS")
    judge = judge_of(flags=BOTH, config_version="v1")

    found = [c for c in judge.take(run(tape, orders=TELLS)) if c.type == ALGORITHM]

    first = found[0]
    assert (first.scope, first.severity, first.desk) == ("A", Severity.HIGH, "D")
    assert (first.evidence.expected, first.evidence.actual, first.evidence.n) == (1000, 1200, 2)
    assert first.evidence.config_version == "v1"
    assert first.recommendation.endswith("1,200 executed of 1,000")
    assert first.pages
    assert (first.order_ids, first.symbol) == (["A"], "X")


def test_an_impossible_change_of_state_is_one_too(tape, run, judge_of):
    tape.accept(0.5, 1_000)
    tape.say("order_cancelled", 5)
    tape.say("order_expired", 6)
    found = judge_of(flags=BOTH).take(run(tape, orders=TELLS))

    assert [c.severity for c in found if c.type == ALGORITHM and c.severity] == [Severity.MEDIUM]
    assert "could not follow" in found[0].recommendation


@pytest.mark.parametrize("flags", [{}, SHOWN])
def test_unless_somebody_asks_it_is_shown_with_the_order_and_no_alert(tape, run, judge_of, flags):
    tape.quote(0, 99.99, 100.01)
    tape.accept(0.5, 1_000)
    tape.fill(5, 1_200, 100.0, "e1", venue="XNAS")
    found = run(tape, orders=TELLS)

    shown = {name for one in found for bits in one.status["anomalies"].tolist()
             for name in anomaly_names(bits)}  # fmt: skip
    assert "OVERFILL" in shown
    assert judge_of(flags=flags).take(found) == []


def test_it_is_told_once_and_ends_after_an_hour_by_itself():
    flagged = Flagged(BOTH)
    first = flagged.take(rows(status(10), status(20)))
    again = flagged.take(rows(status(30, state=OrderState.NEW)))
    early = flagged.pass_time(10 + HOLDS_NS - 1)
    ended = flagged.pass_time(10 + HOLDS_NS)

    assert (said(first), again, early) == ([("A", "HIGH")], [], [])
    assert said(ended) == [("A", "CLEARED")]
    assert (ended[0].t, ended[0].desk) == (10 + HOLDS_NS, "D")
    assert flagged.take(rows(status(HOLDS_NS + 50))) == []
    assert flagged.pass_time(END_OF_TIME - 1) == []


def test_that_of_a_closed_order_expires():
    flagged = Flagged(BOTH)
    flagged.take(rows(status(10)))

    assert said(flagged.pass_time(10 + HOLDS_NS)) == [("A", "ENDED")]


def test_a_worse_sign_is_told_and_a_lesser_one_is_not():
    flagged = Flagged(BOTH)
    both = VIOLATION | OVERFILL
    rising = [*flagged.take(rows(status(10, anomalies=VIOLATION))),
              *flagged.take(rows(status(20, anomalies=both)))]  # fmt: skip
    falling = [*flagged.take(rows(status(10, order="B"))),
               *flagged.take(rows(status(20, order="B", anomalies=both)))]  # fmt: skip

    assert said(rising) == [("A", "MEDIUM"), ("A", "HIGH")]
    assert said(falling) == [("B", "HIGH")]
    assert said(flagged.pass_time(20 + HOLDS_NS)) == [("B", "ENDED"), ("A", "ENDED")]


def test_a_new_sign_after_the_hour_is_a_new_alert():
    flagged = Flagged(BOTH)
    flagged.take(rows(status(10)))
    flagged.pass_time(10 + HOLDS_NS)

    later = flagged.take(rows(status(11 + HOLDS_NS, anomalies=VIOLATION | OVERFILL)))
    assert said(later) == [("A", "MEDIUM")]


def test_however_rows_are_cut_the_same_is_told():
    late = 11 + HOLDS_NS
    told = [status(10), status(late, anomalies=VIOLATION | OVERFILL),
            status(late + 5 * 86_400 * SECOND)]  # fmt: skip
    whole, cut = Flagged(BOTH), Flagged(BOTH)
    at_once = whole.take(rows(*told))
    one_by_one = []
    for row in told:
        one_by_one += cut.pass_time(int(row["known"][0]) - 1)
        one_by_one += cut.take(rows(row))

    assert at_once == one_by_one
    assert said(at_once) == [
        ("A", "HIGH"), ("A", "ENDED"), ("A", "MEDIUM"), ("A", "ENDED"), ("A", "HIGH"),
    ]  # fmt: skip


def test_what_is_provisional_or_only_shown_or_of_another_kind_tells_nothing():
    flagged = Flagged({Flag.OVERFILL: Severity.LOW})

    assert flagged.take(rows(
        status(1, provisional=1), status(2, market_flags=MarketFlag.SHOWS_ONLY),
        status(3, anomalies=VIOLATION), status(4, anomalies=0),
    )) == []  # fmt: skip
    assert flagged.take(Rows()) == []
    assert flagged.pass_time(100) == []


def test_what_was_told_is_known_after_a_restart():
    flagged = Flagged(BOTH)
    flagged.take(rows(status(10)))
    fresh = Flagged(BOTH)
    fresh.load(flagged.dump())

    assert fresh.take(rows(status(20))) == []
    assert said(fresh.pass_time(10 + HOLDS_NS)) == [("A", "ENDED")]


def test_what_is_long_past_is_forgotten():
    flagged = Flagged(BOTH)
    flagged.take(rows(status(10)))
    flagged.pass_time(10 + 5 * 86_400 * SECOND)

    assert said(flagged.take(rows(status(20)))) == [("A", "HIGH")]


def test_the_rules_step_keeps_it_over_a_restart(judge_of):
    judge = judge_of(flags=BOTH)
    assert said(judge.take([rows(status(10))])) == [("A", "HIGH")]
    judge.restart()
    later = Rows(watermark=10 + HOLDS_NS)

    assert said(judge.take([later])) == [("A", "ENDED")]
