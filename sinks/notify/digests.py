"""Several pages as one: what was collected on purpose, and what came too thick."""

import sqlite3
from dataclasses import dataclass

import msgspec

from domain.alerts import rank
from domain.instants import format_rfc3339
from domain.topics import event_id
from sinks.notify.page import PageKind, digest_page
from sinks.notify.store import State, insert
from sinks.notify.told import read_told

MOST_AT_ONCE = 20
"""Pages due at once for a channel that people read, past which they come as one."""
EVERY_DESK = "*"
"""Desk of a page that tells of several."""
_FRESH = "channel = ? AND state = ? AND due <= ? AND kind = ? AND attempts = 0"


@dataclass(frozen=True, slots=True)
class Address:
    """For whom a digest is."""

    channel: str
    retry_ns: int
    is_for_people: bool
    link: str


def collect(db: sqlite3.Connection, to: Address, now: int) -> None:
    """Make one page of those that are due together.

    One that is alone is sent as itself, unless its alert is over: then it is news, no page.
    """
    values = (to.channel, State.WAITING, now, PageKind.ALERT)
    if to.is_for_people:
        [count] = db.execute(f"SELECT count(*) FROM notifications WHERE {_FRESH}", values)
        if count[0] > MOST_AT_ONCE:
            db.execute(f"UPDATE notifications SET is_collected = 1 WHERE {_FRESH}", values)
    members = db.execute(
        "SELECT n.*, a.body, a.is_over FROM notifications n JOIN alerts a USING (alert_id) "
        f"WHERE {_FRESH} AND is_collected = 1 ORDER BY rank DESC, due, number",
        values,
    ).fetchall()
    if len(members) > 1 or any(row["is_over"] for row in members):
        _make_digest(db, to, members, now)
    db.execute(f"UPDATE notifications SET is_collected = 0 WHERE {_FRESH}", values)


def _make_digest(db: sqlite3.Connection, to: Address, members: list[sqlite3.Row], now: int) -> None:
    key = event_id(members[0]["key"], len(members), "digest")
    told = [(read_told(row["body"]), bytes(row["body"])) for row in members]
    page = digest_page(key, told, at=format_rfc3339(now), link=to.link)
    insert(
        db,
        key=key,
        channel=to.channel,
        kind=PageKind.DIGEST,
        alert_id=key,
        desk=page.desk or EVERY_DESK,
        severity=page.severity,
        rank=rank(page.severity),
        state=State.WAITING,
        due=now,
        give_up=now + to.retry_ns,
        created=now,
        changed=now,
        subject=page.subject,
        page=msgspec.json.encode(page),
    )
    db.executemany(
        "UPDATE notifications SET state = ?, digest = ?, changed = ?, "
        "revision = revision + 1, is_mirrored = 0 WHERE key = ?",
        [(State.COLLECTED, key, now, row["key"]) for row in members],
    )
