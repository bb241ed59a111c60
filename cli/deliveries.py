"""What became of one page: in the notify process's file on this machine, else in the history."""

import time
from contextlib import closing, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from runtime.settings import Settings

DELIVERED = "DELIVERED"
ATTEMPT_S = 20.0
"""How long the end of an attempt is waited for once the page is known."""
_UNDER_WAY = frozenset({"WAITING", "SENDING"})
_LOOK_S = 0.05
_CONNECT_S = 2
_FOUND = "SELECT state, words FROM notifications WHERE key = "


def awaited(settings: "Settings", key: str, patience_s: float) -> tuple[str, str] | None:
    """State and words of a page once nothing more happens to it soon; None where none is known.

    A page that waits after its first attempt is given as it stands.
    """
    begun = time.monotonic()
    while True:
        found = _in_file(settings, key) or _in_history(settings, key)
        if found is not None and (
            found[0] not in _UNDER_WAY or (found[0] == "WAITING" and found[1])
        ):
            return found
        if time.monotonic() - begun > (patience_s if found is None else ATTEMPT_S):
            return found
        time.sleep(_LOOK_S)


def _in_file(settings: "Settings", key: str) -> tuple[str, str] | None:
    from dataflows.notify import notify_folder
    from domain.errors import ServerError
    from sinks.notify.store import read_only

    with suppress(ServerError), closing(read_only(notify_folder(settings))) as db:
        row = db.execute(f"{_FOUND} ?", (key,)).fetchone()
        return None if row is None else (row["state"], row["words"])
    return None


def _in_history(settings: "Settings", key: str) -> tuple[str, str] | None:
    import psycopg

    from dataflows.notify import history_address

    url = history_address(settings)
    if url is None:
        return None
    with (
        suppress(psycopg.Error),
        psycopg.connect(url, connect_timeout=_CONNECT_S) as connection,
    ):
        return connection.execute(f"{_FOUND} %s", [key]).fetchone()
    return None
