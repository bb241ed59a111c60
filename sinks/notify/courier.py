"""Sending what is due by one channel, one page after the other."""

import random
import sqlite3
import time
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from domain.channels import Notify
from domain.instants import SECOND
from sinks.notify.digests import Address, collect
from sinks.notify.outcome import End, Outcome
from sinks.notify.page import Page, PageKind, alert_page
from sinks.notify.senders import FOR_PEOPLE, Sender, open_sender
from sinks.notify.store import State, Store
from sinks.notify.told import read_told

REPEATS = 2
"""Attempts without a confirmation, at which a page is given up: one, and one repeat."""
_IDLE_S = 3_600.0
_REPEAT_NS = 300 * SECOND
"""A repeat after a crash has at least so long, however late the crash came."""
_log = structlog.get_logger("notify")


@dataclass(frozen=True, slots=True)
class Pace:
    """How long to wait after failures: twice as long each time, never the same twice."""

    first_s: float = 1.0
    most_s: float = 60.0

    def after(self, failures: int) -> float:
        """Seconds to wait after so many failures in a row."""
        return min(self.first_s * 2 ** min(failures - 1, 30), self.most_s) * random.uniform(0.5, 1)


class Courier:
    """One channel. `step` does one thing and says how long nothing has to be done."""

    def __init__(
        self,
        notify: Notify,
        name: str,
        store: Store,
        *,
        sender: Sender | None = None,
        clock: Callable[[], int] = time.time_ns,
        pace: Pace | None = None,
    ) -> None:
        channel = notify.channels[name]
        self.name = name
        self._link = notify.link
        self._address = Address(
            name,
            round(channel.retry_for_s * SECOND),
            isinstance(channel, FOR_PEOPLE),
            notify.link,
        )
        self._store = store
        self._sender = sender or open_sender(channel)
        self._clock = clock
        self._pace = pace or Pace()
        self._failures = 0
        """In a row: the channel itself is away, not one page's fault."""
        self._away_until = 0
        self._words = ""

    def step(self) -> float:
        """Send one page if one is due; seconds until there is something to do."""
        now = self._clock()
        self._give_up(now)
        if now < self._away_until:
            return (self._away_until - now) / SECOND
        claimed = self._claim(now)
        if claimed is None:
            return self._idle_s(now)
        key, page = claimed
        try:
            outcome = self._sender.send(page)
        except Exception as error:
            _log.exception("page_defect", channel=self.name, key=key)
            outcome = Outcome(End.REFUSED, f"a defect of the product: {error}")
        self._settle(key, outcome, self._clock())
        return 0.0

    def close(self) -> None:
        """Let go of what sends."""
        self._sender.close()

    def _idle_s(self, now: int) -> float:
        [found] = self._store.rows(
            "SELECT min(due) AS due FROM notifications WHERE channel = ? AND state = ?",
            (self.name, State.WAITING),
        )
        if found["due"] is None:
            return _IDLE_S
        return min(max((found["due"] - now) / SECOND, 0.001), _IDLE_S)

    def _give_up(self, now: int) -> None:
        """What could not be delivered in its time is undelivered."""
        where = "channel = ? AND state = ? AND give_up < ?"
        values = (self.name, State.WAITING, now)
        if not self._store.rows(f"SELECT 1 FROM notifications WHERE {where} LIMIT 1", values):
            return
        why = f"given up: {self._words or 'its time passed while nothing was sent'}"
        with self._store.writing() as db:
            count = db.execute(
                f"""
                UPDATE notifications SET state = ?, changed = ?, revision = revision + 1,
                  is_mirrored = 0,
                  words = CASE words WHEN '' THEN ? ELSE 'given up: ' || words END
                WHERE {where}
                """,
                (State.UNDELIVERED, now, why, *values),
            ).rowcount
        _log.warning("pages_undelivered", channel=self.name, pages=count, why=self._words)

    def _claim(self, now: int) -> tuple[str, Page] | None:
        """The next page, on the disk as being sent before it is."""
        due = "channel = ? AND state = ? AND due <= ?"
        values = (self.name, State.WAITING, now)
        if not self._store.rows(f"SELECT 1 FROM notifications WHERE {due} LIMIT 1", values):
            return None
        with self._store.writing() as db:
            collect(db, self._address, now)
            row = db.execute(
                f"SELECT * FROM notifications WHERE {due} ORDER BY rank DESC, due, number LIMIT 1",
                values,
            ).fetchone()
            page = self._page(db, row)
            db.execute(
                "UPDATE notifications SET state = ?, attempts = attempts + 1, page = ?, "
                "subject = ?, changed = ?, revision = revision + 1, is_mirrored = 0 WHERE key = ?",
                (State.SENDING, msgspec.json.encode(page), page.subject, now, row["key"]),
            )
        return row["key"], page

    def _page(self, db: sqlite3.Connection, row: sqlite3.Row) -> Page:
        """As it was sent before, else made now of what is known by now."""
        if row["page"] is not None:
            page = msgspec.json.decode(row["page"], type=Page)
        else:
            alert_id = row["alert_id"]
            [body] = db.execute(
                "SELECT body FROM alerts WHERE alert_id = ?", (alert_id,)
            ).fetchone()
            members = db.execute(
                "SELECT body FROM alerts WHERE group_id = ? AND alert_id <> ? AND NOT is_over",
                (alert_id, alert_id),
            ).fetchall()
            page = alert_page(
                row["key"],
                PageKind(row["kind"]),
                read_told(body),
                raw=bytes(body),
                members=[read_told(member["body"]) for member in members],
                link=self._link,
                why=row["why"],
            )
        return msgspec.structs.replace(page, is_repeat=bool(row["is_repeat"]))

    def _settle(self, key: str, outcome: Outcome, now: int) -> None:
        """Keep what became of an attempt, and when the next one is."""
        self._note_channel(outcome, now)
        with self._store.writing() as db:
            row = db.execute(
                "SELECT n.*, coalesce(a.is_over OR a.is_covered, 0) AS is_past "
                "FROM notifications n LEFT JOIN alerts a "
                "ON a.alert_id = n.alert_id AND n.kind = ? WHERE key = ?",
                (PageKind.ALERT, key),
            ).fetchone()
            unconfirmed = row["unconfirmed"] + (outcome.end is End.UNCONFIRMED)
            due = now + round(
                max(self._pace.after(row["attempts"]), outcome.after_s or 0.0) * SECOND
            )
            state, words = self._judged(row, outcome, unconfirmed, due)
            db.execute(
                "UPDATE notifications SET state = ?, words = ?, due = ?, unconfirmed = ?, "
                "is_repeat = is_repeat OR ?, changed = ?, revision = revision + 1, "
                "is_mirrored = 0 WHERE key = ?",
                (state, words, due, unconfirmed, unconfirmed > 0, now, key),
            )
        if state is State.UNDELIVERED:
            _log.warning("page_undelivered", channel=self.name, key=key,
                         subject=row["subject"], why=words)  # fmt: skip

    def _judged(
        self, row: sqlite3.Row, outcome: Outcome, unconfirmed: int, due: int
    ) -> tuple[State, str]:
        words = outcome.words
        if outcome.end is End.DELIVERED:
            return State.DELIVERED, words
        if outcome.end is End.REFUSED:
            return State.UNDELIVERED, f"refused: {words}"
        if unconfirmed >= REPEATS:
            return State.UNDELIVERED, f"sent twice and never confirmed: {words}"
        if due > row["give_up"]:
            return State.UNDELIVERED, f"given up after {row['attempts']} attempts: {words}"
        if row["is_past"]:
            return State.UNDELIVERED, f"{words}; the alert is over or covered by now"
        return State.WAITING, words

    def _note_channel(self, outcome: Outcome, now: int) -> None:
        """A channel that is away is left alone for a while, whatever waits for it."""
        if outcome.end in {End.DELIVERED, End.REFUSED}:
            if self._failures:
                _log.info("channel_goes_on", channel=self.name)
            self._failures, self._away_until, self._words = 0, 0, ""
            return
        self._failures += 1
        self._words = outcome.words
        if self._failures == 1:
            _log.warning("channel_waits", channel=self.name, why=outcome.words)
        wait_s = max(self._pace.after(self._failures), outcome.after_s or 0.0)
        self._away_until = now + round(wait_s * SECOND)


def recover(store: Store, channels: Notify, now: int) -> int:
    """Put in order what a crash left; gives how many pages are sent again, as repeats.

    What was being sent may have arrived: it goes out once more with the same key. What waits
    for a channel that is configured no more will not be sent.
    """
    with store.writing() as db:
        count = db.execute(
            "UPDATE notifications SET state = ?, is_repeat = 1, unconfirmed = 1, due = ?, "
            "give_up = max(give_up, ?), words = 'was being sent when the process ended', "
            "changed = ?, revision = revision + 1, is_mirrored = 0 WHERE state = ?",
            (State.WAITING, now, now + _REPEAT_NS, now, State.SENDING),
        ).rowcount
        marks = ", ".join("?" * len(channels.channels))
        db.execute(
            "UPDATE notifications SET state = ?, words = 'no such channel is configured any more', "
            "changed = ?, revision = revision + 1, is_mirrored = 0 "
            f"WHERE state = ? AND channel NOT IN ({marks})",
            (State.UNDELIVERED, now, State.WAITING, *channels.channels),
        )
    return count
