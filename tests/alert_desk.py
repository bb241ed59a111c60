"""Crossings, actions and silences for tests, at seconds after T0, and a book that takes them."""

import msgspec

from domain.alerts import AlertAction, CloseReason, Crossing, Silence, alert_id_of, dedupe_key
from domain.instants import SECOND, format_rfc3339
from domain.published import AlertEvidence, Severity
from rules.alert_book import AlertBook

T0 = 1_790_000_000 * SECOND
SLOW, COST, IMPACT = "SLOW_EXECUTION", "HIGH_COST", "MARKET_IMPACT"
VENUE, ALGO, DATA = "VENUE_ISSUE", "ALGORITHM_UNDERPERFORMANCE", "DATA"
DESK = "US-CASH"
MINUTE, HOUR, DAY = 60, 3600, 86_400


def ns(seconds):
    return T0 + round(seconds * SECOND)


def text(seconds):
    return format_rfc3339(ns(seconds))


def crossing(t, severity="MEDIUM", scope="A1", type_=SLOW, **more):
    more = {"desk": DESK, "order_ids": [scope], "symbol": "IBM"} | more
    return Crossing(
        t=ns(t), scope=scope, type=type_, severity=Severity(severity) if severity else None,
        evidence=AlertEvidence(n=3, z=2.5), **more,
    )  # fmt: skip


def venue_crossing(t, severity="MEDIUM", venue="XNAS", **more):
    return crossing(t, severity, f"venue:{venue}", VENUE, symbol="", **more)


def id_of(scope="A1", type_=SLOW, ordinal=1, desk=DESK):
    return alert_id_of(dedupe_key(desk, scope, type_), ordinal)


def action(type_, t=0, scope="A1", alert_type=SLOW, ordinal=1, desk=DESK, by="ann", **more):
    return AlertAction(
        type=type_, ts_event=text(t), scope=desk, by=by,
        alert_id=id_of(scope, alert_type, ordinal, desk), **more,
    )  # fmt: skip


def silence(t, until, silence_id="s1", desk=DESK, by="ann", **more):
    return Silence(
        ts_event=text(t), scope=desk, silence_id=silence_id, by=by, until=text(until), **more
    )


def as_json(message):
    return msgspec.json.encode(message)


class Desk:
    """A book, and every transition it gave. Times are seconds after T0."""

    def __init__(self):
        self.book = AlertBook()
        self.changes = []

    def resume(self):
        self.book = AlertBook(self.book.dump())

    def _note(self, t, *given):
        self.changes += [change for changes in given for change in changes]
        return [change for changes in given for change in changes]

    def pass_to(self, t):
        return self._note(t, self.book.fire(ns(t)))

    def take(self, given):
        return self._note(0, self.book.fire(given.t), self.book.take(given))

    def see(self, t, severity="MEDIUM", scope="A1", type_=SLOW, **more):
        return self.take(crossing(t, severity, scope, type_, **more))

    def see_venue(self, t, severity="MEDIUM", venue="XNAS", **more):
        return self.take(venue_crossing(t, severity, venue, **more))

    def do(self, t, given):
        return self._note(t, self.book.fire(ns(t)), self.book.act(ns(t), given))

    def ack(self, t, **more):
        return self.do(t, action("alert_acknowledged", t, **more))

    def snooze(self, t, until, **more):
        return self.do(t, action("alert_snoozed", t, until=text(until), **more))

    def close(self, t, reason="TRUE_ACTED", **more):
        return self.do(t, action("alert_closed", t, reason=CloseReason(reason), **more))

    def hush(self, t, until, **more):
        given = silence(t, until, **more)
        return self._note(t, self.book.fire(ns(t)), self.book.silence(ns(t), given))

    def alert(self, scope="A1", type_=SLOW, ordinal=1, desk=DESK, at=0):
        return self.book.alert(id_of(scope, type_, ordinal, desk), ns(at))


def told(changes):
    """(seconds, change, state, severity, notify) of each."""
    return [
        (
            (c.transition.at - T0) / SECOND,
            str(c.transition.change),
            str(c.alert.state),
            str(c.alert.severity),
            c.notify,
        )
        for c in changes
    ]
