"""One question to the history store, for commands that ask and end."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from domain.errors import ServerError

_Answer = TypeVar("_Answer")


def ask_history(history_url: str | None, question: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    """What a question gives, asked over a connection to the store; as configured if None.

    Raises ServerError in words: no server, no answer, or tables that are missing.
    """
    return asyncio.run(_ask(_address(history_url), question))


def _address(history_url: str | None) -> str:
    from runtime.history_server import find_history
    from runtime.servers import EMBEDDED
    from runtime.settings import load_settings

    settings = load_settings({"history_url": history_url})
    if settings.history_url != EMBEDDED:
        return settings.history_url
    found = find_history(settings.history_dir)
    if found is None:
        raise ServerError(
            f"no history server of yours serves {settings.history_dir}: `execmon up` or `execmon "
            "history` starts one; or name a server with EXECMON_HISTORY_URL=postgresql://…"
        )
    return found


async def _ask(url: str, question: Callable[[Any], Awaitable[_Answer]]) -> _Answer:
    import psycopg

    try:
        async with await psycopg.AsyncConnection.connect(url, connect_timeout=5) as connection:
            return await question(connection)
    except psycopg.errors.UndefinedTable as error:
        words = error.diag.message_primary
        raise ServerError(
            f"the history store lacks tables: {words}; run `execmon db migrate`"
        ) from error
    except psycopg.Error as error:
        raise ServerError(
            f"the history store does not answer: {' '.join(str(error).split())}; is it running, "
            "and EXECMON_HISTORY_URL right?"
        ) from error
