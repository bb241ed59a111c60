"""What was done on the command line, in the audit that the API writes too."""

import getpass
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from cli.failures import say

if TYPE_CHECKING:
    from runtime.settings import Settings

_CONNECT_S = 3


def user() -> str:
    """Who runs this command, as the system knows them."""
    with suppress(OSError, KeyError):
        return getpass.getuser()
    return "(unknown)"


def note(settings: "Settings", action: str, target: str, outcome: str, **detail: Any) -> bool:
    """Write one line; whether it is there.

    The command does not depend on it: where the history store cannot be reached, that is
    said on stderr.
    """
    import psycopg

    from api.store.audit import Line, write_now
    from runtime.history_server import find_history
    from runtime.servers import EMBEDDED
    from sinks.history.connection import in_words, shown

    url = settings.history_url
    if url == EMBEDDED:
        url = find_history(settings.history_dir) or ""
        if not url:
            _missing(f"no history store runs on {settings.history_dir}")
            return False
    try:
        with psycopg.connect(url, connect_timeout=_CONNECT_S) as connection:
            write_now(connection, Line(user(), action, target, outcome, detail=detail))
    except psycopg.errors.UndefinedTable:
        _missing(f"{shown(url)} lacks the tables; run `execmon db migrate`")
    except psycopg.Error as error:
        _missing(f"the history store {shown(url)} does not take it: {in_words(error)}")
    else:
        return True
    return False


def _missing(why: str) -> None:
    say(f"not in the audit: {why}")
