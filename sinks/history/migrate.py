"""Bringing the history store's schema to this program's version, once and by one at a time."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import psycopg

from domain.errors import ExecmonError, RecoveryError, ServerError
from sinks.history.connection import Connection, connect, in_words, is_passing, run, shown
from sinks.history.storage import Storage, StorageSettings, describe_storage, set_up_storage

_FOLDER = Path(__file__).parent / "migrations"
# Any number, as long as every version of the program uses the same.
_LOCK = 7_302_163_811_442_059
_RECORD = """
CREATE TABLE IF NOT EXISTS schema_migrations (
    version integer PRIMARY KEY,
    name text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of the schema."""

    version: int
    name: str
    sql: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Schema:
    """What was found, or what was done."""

    version: int
    """Of the schema; 0 where there is none."""
    newest: int
    """That this program knows."""
    applied: Sequence[str] = ()
    """Steps just taken, by name."""
    pending: Sequence[str] = ()
    """Steps still to take, by name."""
    storage: Storage


@cache
def migrations() -> tuple[Migration, ...]:
    """Every step, in order; the number at the front of a file is its version."""
    found: list[Migration] = []
    for path in sorted(_FOLDER.glob("*.sql")):
        number, _, name = path.stem.partition("_")
        found.append(Migration(int(number), name, path.read_text(encoding="utf-8")))
    return tuple(found)


def migrate(url: str, settings: StorageSettings | None = None) -> Schema:
    """Take every step that is missing, each in a transaction, then set up the storage.

    Who comes second waits for the first. Raises RecoveryError for a schema that is newer
    than this program, ServerError where the server is away or refuses.
    """
    with _session(url) as connection:
        run(connection, "SELECT pg_advisory_lock(%s)", (_LOCK,))
        run(connection, _RECORD)
        version = _checked(_version(connection))
        pending = [step for step in migrations() if step.version > version]
        for step in pending:
            with connection.transaction():
                run(connection, step.sql)
                run(
                    connection,
                    "INSERT INTO schema_migrations (version, name) VALUES (%s, %s)",
                    (step.version, step.name),
                )
        storage = set_up_storage(connection, settings or StorageSettings())
        newest = migrations()[-1].version
        applied = [step.name for step in pending]
        return Schema(version=newest, newest=newest, applied=applied, storage=storage)


def status(url: str) -> Schema:
    """How far the schema is. Raises RecoveryError for a newer one, ServerError."""
    with _session(url) as connection:
        version = _checked(_version(connection))
        pending = [step.name for step in migrations() if step.version > version]
        return Schema(
            version=version,
            newest=migrations()[-1].version,
            pending=pending,
            storage=describe_storage(connection),
        )


def check(url: str) -> None:
    """Raise RecoveryError unless the schema is this program's."""
    with _session(url) as connection:
        version, newest = _checked(_version(connection)), migrations()[-1].version
    if version < newest:
        found = f"at version {version}" if version else "empty"
        raise RecoveryError(
            f"the history store {shown(url)} is {found}, this program needs version {newest}: "
            "run `execmon db migrate`"
        )


class _session:  # noqa: N801
    """A connection whose errors are told in words."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> Connection:
        try:
            self._connection = connect(self._url)
        except psycopg.Error as error:
            raise self._said(error) from error
        return self._connection

    def __exit__(self, kind: object, error: BaseException | None, _: object) -> None:
        self._connection.close()
        if isinstance(error, psycopg.Error):
            raise self._said(error) from error

    def _said(self, error: psycopg.Error) -> ExecmonError:
        does = "does not answer" if is_passing(error) else "refused"
        return ServerError(f"the history store {shown(self._url)} {does}: {in_words(error)}")


def _version(connection: Connection) -> int:
    if run(connection, "SELECT to_regclass('schema_migrations')").fetchone() == (None,):
        return 0
    [found] = run(connection, "SELECT coalesce(max(version), 0) FROM schema_migrations")
    return int(found[0])


def _checked(version: int) -> int:
    newest = migrations()[-1].version
    if version > newest:
        raise RecoveryError(
            f"the history store's schema has version {version}, newer than the {newest} that "
            "this program knows: use the program that migrated it, or a newer one"
        )
    return version
