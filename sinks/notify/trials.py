"""A person's test of a channel becomes one page, once for each request."""

import sqlite3

import msgspec

from domain.alerts import rank
from domain.channels import Notify, Trial
from domain.instants import SECOND, parse_rfc3339
from sinks.notify.page import PageKind, trial_page
from sinks.notify.store import State, insert

MOST_AGE_S = 600.0
"""Whoever asked longer ago has stopped waiting."""
RETRY_S = 60.0
"""A test tells how the channel is now, so it is soon given up."""
NO_DESK_AT_ALL = "*"


def no_channel(notify: Notify, name: str) -> str:
    """That no channel has this name, and which there are."""
    return f"no channel is called {name!r}; there are {', '.join(notify.channels) or 'none'}"


def take_trial(notify: Notify, db: sqlite3.Connection, trial: Trial, now: int) -> None:
    """Store its page; what can never be sent is stored too, with the reason."""
    channel = notify.channels.get(trial.channel)
    state, words, retry_s = State.WAITING, "", RETRY_S
    if channel is None:
        state, words = State.UNDELIVERED, no_channel(notify, trial.channel)
    elif now - parse_rfc3339(trial.ts_event) > round(MOST_AGE_S * SECOND):
        state = State.WITHDRAWN
        words = f"asked for more than {MOST_AGE_S:g} s before it was first seen"
    else:
        retry_s = min(channel.retry_for_s, RETRY_S)
    page = trial_page(trial.key, trial.channel, at=trial.ts_event, link=notify.link, by=trial.by)
    insert(
        db,
        key=trial.key,
        channel=trial.channel,
        kind=PageKind.TEST,
        alert_id=trial.key,
        desk=NO_DESK_AT_ALL,
        severity=page.severity,
        rank=rank(page.severity),
        state=state,
        due=now,
        give_up=now + round(retry_s * SECOND),
        created=now,
        changed=now,
        subject=page.subject,
        page=msgspec.json.encode(page),
        words=words,
    )
