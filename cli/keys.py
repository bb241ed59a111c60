"""`execmon keys`."""

from collections.abc import Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from getpass import getuser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.failures import say
from cli.output import print_json
from domain.errors import ConfigurationError, InputError, ServerError

if TYPE_CHECKING:
    from api.identity.keys import KeyRow

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None)
_SCOPES = ("read", "operate", "admin")
_Url = Annotated[
    str | None, typer.Option("--history-url", help="History store; as configured if absent.")
]
_Folder = Annotated[
    Path | None,
    typer.Option("--history-dir", help="Data of an embedded store; as configured if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback()
def keys() -> None:
    """Keys of the API. From the first one on, every caller needs one."""


@app.command()
def create(
    name: Annotated[str, typer.Argument(help="Who will use it; the audit shows this name.")],
    scope: Annotated[
        str, typer.Option(help="read, operate or admin; each includes those before it.")
    ] = "read",
    desk: Annotated[
        list[str] | None,
        typer.Option(help="A desk whose orders it may see, - for orders without; all if absent."),
    ] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Days until it expires; never if absent.")
    ] = None,
    history_url: _Url = None,
    history_dir: _Folder = None,
    as_json: _Json = False,
) -> None:
    """Make a key and print it, once: only a hash of it is stored."""
    from api.store.keys import create as make

    if scope not in _SCOPES:
        raise ConfigurationError(f"--scope must be one of {', '.join(_SCOPES)}, was {scope!r}")
    if not 0 < len(name) <= 100 or not name.isprintable():
        raise ConfigurationError("a key's name must have 1–100 printable characters")
    expires_at = datetime.now(UTC) + timedelta(days=days) if days is not None else None
    scopes = _SCOPES[: _SCOPES.index(scope) + 1]
    with _store(history_url, history_dir) as connection:
        key_id, key = make(connection, name, scopes, desk, by=getuser(), expires_at=expires_at)
    if as_json:
        shown = None if expires_at is None else expires_at.isoformat(timespec="seconds")
        print_json(
            {"key_id": key_id, "key": key, "name": name, "scope": scope, "desks": desk,
             "expires_at": shown}
        )  # fmt: skip
        return
    typer.echo(key)
    say(f"key {key_id} of {name} ({scope}); it is not shown again")


@app.command()
def ls(history_url: _Url = None, history_dir: _Folder = None, as_json: _Json = False) -> None:
    """List every key, without its secret."""
    from api.store.keys import read_now

    with _store(history_url, history_dir) as connection:
        rows = read_now(connection)
    found = [_shown(row) for row in rows]
    if as_json:
        print_json({"keys": found})
        return
    from rich import box
    from rich.console import Console
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD)
    for column in ("key_id", "name", "scope", "desks", "state", "created", "last used"):
        table.add_column(column, overflow="fold")
    for one in found:
        desks = "all" if one["desks"] is None else ", ".join(one["desks"])
        table.add_row(
            one["key_id"], one["name"], one["scope"], desks, one["state"],
            one["created_at"] or "–", one["last_used_at"] or "–",
        )  # fmt: skip
    Console().print(table)


@app.command()
def revoke(
    which: Annotated[str, typer.Argument(help="Id of a key, or a name for all keys of it.")],
    history_url: _Url = None,
    history_dir: _Folder = None,
    as_json: _Json = False,
) -> None:
    """End a key; running APIs refuse it within seconds. Ends with 3 where there is none."""
    from api.store.keys import revoke as end

    with _store(history_url, history_dir) as connection:
        ended = end(connection, which, by=getuser())
    if not ended:
        raise InputError(f"no key that still holds is called {which!r}; see `execmon keys ls`")
    if as_json:
        print_json({"revoked": ended})
        return
    say(f"revoked {', '.join(ended)}")


def _shown(row: "KeyRow") -> dict[str, Any]:
    def text(at: datetime | None) -> str | None:
        return None if at is None else at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    return {
        "key_id": row.key_id,
        "name": row.name,
        "scope": max(row.scopes, key=_SCOPES.index, default="none"),
        "desks": None if row.desks is None else list(row.desks),
        "state": row.ended(datetime.now(UTC)) or "holds",
        "created_at": text(row.created_at),
        "created_by": row.created_by,
        "expires_at": text(row.expires_at),
        "revoked_at": text(row.revoked_at),
        "last_used_at": text(row.last_used_at),
    }


@contextmanager
def _store(history_url: str | None, history_dir: Path | None) -> Generator[Any]:
    """A connection to the history store, an embedded one started and migrated if needed."""
    import psycopg

    from cli.db import storage_settings
    from runtime.history_server import open_history
    from runtime.servers import EMBEDDED
    from runtime.settings import load_settings
    from sinks.history.connection import connect, in_words, shown
    from sinks.history.migrate import migrate

    folder = None if history_dir is None else str(history_dir)
    settings = load_settings({"history_url": history_url, "history_dir": folder})
    with open_history(settings.history_url, settings.history_dir) as url:
        if settings.history_url == EMBEDDED:
            migrate(url, storage_settings(settings))
        try:
            with connect(url) as connection:
                yield connection
        except psycopg.errors.UndefinedTable as error:
            raise ServerError(f"{shown(url)} lacks the tables; run `execmon db migrate`") from error
        except psycopg.OperationalError as error:
            raise ServerError(
                f"the history store {shown(url)} does not answer: {in_words(error)}"
            ) from error
