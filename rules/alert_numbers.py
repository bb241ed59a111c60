"""What outlives an alert: the ordinals of its key, and its body for a day.

Both are bounded: whatever is too old counts as forgotten from its time on, whenever the
memory is in fact given back, so that what is raised does not depend on that.
"""

import msgspec

from domain.alerts import ORDER_ALERTS, Alert
from domain.instants import END_OF_TIME, SECOND
from domain.keys import key_of
from domain.published import Severity

_DAY_NS = 86_400 * SECOND
REMEMBER_BODY_NS = _DAY_NS
FORGET_ENDED_NS = 3 * _DAY_NS
"""Ordinals of an order that is known to have ended."""
FORGET_SILENT_NS = 30 * _DAY_NS
"""Ordinals of an order whose alert cleared and of which nothing was heard since."""
_encode = msgspec.msgpack.encode
_ALERT = msgspec.msgpack.Decoder(Alert)


class Numbers(msgspec.Struct, array_like=True):
    """Of one dedupe key: how many alerts and published events it has had."""

    ordinal: int = 0
    published_seq: int = 0
    forget_at: int = END_OF_TIME
    judged: Severity | None = None
    """A person closed the last one at this while its condition goes on."""

    def rest(self, type_: str, at: int, *, ended: bool, judged: Severity | None = None) -> None:
        """No alert is open from `at` on: an order's key is forgotten some days later.

        `judged` where a person ended it and not its condition.
        """
        self.judged = judged
        if type_ in ORDER_ALERTS or ended:
            keep = FORGET_ENDED_NS if ended else FORGET_SILENT_NS
            self.forget_at = min(self.forget_at, at + keep)


class Past(msgspec.Struct, array_like=True):
    """An alert that is over; its body no longer changes."""

    until: int
    body: bytes


class Memory(msgspec.Struct, array_like=True):
    """Numbers by the 64-bit key of a dedupe key, and bodies by alert id."""

    numbers: dict[int, Numbers] = {}
    past: dict[str, Past] = {}
    requests: dict[str, int] = {}
    """When each request of a person was taken: a repeat does nothing."""

    def of(self, dedupe_key: str, at: int) -> Numbers:
        """Numbers of a key as they are at `at`, all zero for one that is new or forgotten."""
        key = key_of(dedupe_key)
        numbers = self.numbers.get(key)
        if numbers is None or numbers.forget_at <= at:
            numbers = self.numbers[key] = Numbers()
        return numbers

    def known(self, dedupe_key: str) -> Numbers | None:
        """Numbers of a key that has some."""
        return self.numbers.get(key_of(dedupe_key))

    def closed(self, dedupe_key: str, at: int) -> tuple[int, Severity] | None:
        """(ordinal, severity) of an alert that a person closed while its condition goes on."""
        numbers = self.known(dedupe_key)
        if numbers is None or numbers.judged is None or numbers.forget_at <= at:
            return None
        return numbers.ordinal, numbers.judged

    def keep(self, alert: Alert, at: int) -> None:
        """Keep the body of an alert that is over."""
        self.past[alert.alert_id] = Past(at + REMEMBER_BODY_NS, _encode(alert))

    def body(self, alert_id: str, at: int) -> Alert | None:
        """The body of an alert that has been over for less than a day."""
        past = self.past.get(alert_id)
        return None if past is None or past.until <= at else _ALERT.decode(past.body)

    def is_repeat(self, request: str, at: int) -> bool:
        """Whether a request was taken within a day; if not it is now."""
        if self.requests.get(request, at - REMEMBER_BODY_NS) > at - REMEMBER_BODY_NS:
            return True
        self.requests[request] = at
        return False

    def give_back(self, at: int) -> None:
        """Let go of everything that counts as forgotten at `at`."""
        self.numbers = {k: v for k, v in self.numbers.items() if v.forget_at > at}
        self.past = {k: v for k, v in self.past.items() if v.until > at}
        self.requests = {k: t for k, t in self.requests.items() if t > at - REMEMBER_BODY_NS}
