"""What `doctor` asks the history store, and whether the page's port is free."""

import psycopg

from cli.check_base import Check
from cli.deployment import data_folder, is_free
from cli.up_state import read_state
from domain.errors import RecoveryError, ServerError
from runtime.history_server import find_history
from runtime.servers import EMBEDDED
from runtime.settings import Settings, load_settings
from sinks.history.connection import connect, shown
from sinks.history.migrate import status

_OLDEST = 15


def check_history(settings: Settings | None = None) -> Check:
    """PostgreSQL answers, is new enough, and has the tables of this version."""
    settings = settings or load_settings()
    url = settings.history_url
    if url == EMBEDDED:
        running = find_history(settings.history_dir)
        if running is None:
            return Check("history", "ok", f"embedded, not running now, {settings.history_dir}")
        url = running
    try:
        return _asked(url)
    except RecoveryError as error:
        return Check("history", "fail", str(error), "run the newer program on this store")
    except (ServerError, psycopg.Error) as error:
        return Check(
            "history", "fail", " ".join(str(error).split()),
            "start it, or correct EXECMON_HISTORY_URL; the live status goes on meanwhile",
        )  # fmt: skip


def _asked(url: str) -> Check:
    with connect(url) as connection:
        major = connection.info.server_version // 10_000
    found = f"PostgreSQL {major} at {shown(url)}"
    if major < _OLDEST:
        return Check("history", "fail", found, f"use PostgreSQL {_OLDEST} or newer")
    schema = status(url)
    extension = schema.storage.timescaledb
    found += f", TimescaleDB {extension}" if extension else ", no TimescaleDB: plain tables"
    found += f", schema {schema.version} of {schema.newest}"
    if schema.pending:
        return Check("history", "warn", found, "run `execmon db migrate`; `execmon up` does it")
    return Check("history", "ok", found)


def check_port(settings: Settings | None = None) -> Check:
    """The page's port is free, or our own deployment has it."""
    settings = settings or load_settings()
    where = f"{settings.api_host} port {settings.api_port}"
    if is_free(settings.api_host, settings.api_port):
        return Check("port", "ok", f"{where} is free")
    state = read_state(data_folder(settings))
    page = state.addresses.get("page", "") if state else ""
    if page.endswith(f":{settings.api_port}"):
        return Check("port", "ok", f"{where} serves {page}")
    if settings.origin("api_port") == "default":
        return Check("port", "ok", f"{where} is taken; `up` and `demo` will take a free one")
    return Check("port", "fail", f"{where} is taken by another program",
                 "stop that one, or choose another EXECMON_API_PORT")  # fmt: skip
