"""PostgreSQL's errors: what passes by itself, what is one row's fault, what is neither."""

from typing import Any, LiteralString, cast
from urllib.parse import urlsplit

import psycopg

from domain.errors import ServerRefused

Connection = psycopg.Connection[tuple[Any, ...]]
CONNECT_S = 5
_REFUSED_AT_CONNECT = (
    "password authentication failed", "no password supplied", "does not exist", "no pg_hba.conf",
)  # fmt: skip
_PASSING = ("08", "25006", "40", "53", "55P03", "57", "58")
"""Beginnings of SQLSTATEs: connections, read-only, conflicts, disk or memory full, shutdown."""
_NOT_PASSING = ("53400",)
"""A limit that somebody configured."""
_OF_ONE_ROW = ("22", "23", "54")
"""Values without a place, broken constraints, rows past the server's limits."""


def connect(url: str) -> Connection:
    """A connection that commits each statement by itself unless told otherwise.

    Raises psycopg.OperationalError while the server is away, ServerRefused where it will
    never let us in.
    """
    try:
        return psycopg.connect(
            url, autocommit=True, connect_timeout=CONNECT_S, application_name="execmon history",
            keepalives_idle=10, keepalives_interval=5, keepalives_count=3,
        )  # fmt: skip
    except psycopg.OperationalError as error:
        words = str(error)
        if any(part in words for part in _REFUSED_AT_CONNECT):
            raise ServerRefused(
                f"the history store {shown(url)} refuses us: {one_line(words)}; "
                "correct EXECMON_HISTORY_URL"
            ) from error
        raise
    except psycopg.ProgrammingError as error:
        raise ServerRefused(
            f"{shown(url)} is not an address of a history store: {one_line(str(error))}"
        ) from error


def run(connection: Connection, statement: str, values: Any = None) -> psycopg.Cursor[Any]:
    """Execute SQL that is built from our own names."""
    return connection.execute(cast(LiteralString, statement), values)


def is_passing(error: Exception) -> bool:
    """Whether the same write may succeed later without anybody doing anything to us."""
    if not isinstance(error, psycopg.Error):
        return False
    if error.sqlstate is None:
        # The connection broke, or was never made.
        return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
    return error.sqlstate.startswith(_PASSING) and error.sqlstate not in _NOT_PASSING


def is_of_one_row(error: psycopg.Error) -> bool:
    """Whether a row of the batch is at fault, so that the others can be written."""
    if error.sqlstate is None:
        return isinstance(error, psycopg.DataError)
    return error.sqlstate.startswith(_OF_ONE_ROW)


def in_words(error: Exception) -> str:
    """What the server said, on one line, with the column or constraint where it names one."""
    if isinstance(error, psycopg.Error) and error.diag.message_primary:
        detail = error.diag.message_detail
        return one_line(error.diag.message_primary + (f": {detail}" if detail else ""))
    return one_line(str(error))


def shown(url: str) -> str:
    """An address without user and password."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    query = f"?{parts.query}" if parts.query.startswith("host=") and "password" not in url else ""
    return f"{parts.scheme}://{host}{parts.path}{query}"


def one_line(text: str) -> str:
    """The same words without line breaks."""
    return " ".join(text.split())
