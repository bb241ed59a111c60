"""A database of its own on a running server, with the tables in it."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import LiteralString, TypeVar, cast
from urllib.parse import urlsplit

import psycopg

from analytics.history.connection import Connection
from sinks.history.migrate import migrate

Found = TypeVar("Found")


def fresh_database(url: str, name: str) -> str:
    """Make (again) an empty database with every table; gives its address."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(cast(LiteralString, f"DROP DATABASE IF EXISTS {name} WITH (FORCE)"))
        connection.execute(cast(LiteralString, f"CREATE DATABASE {name}"))
    parts = urlsplit(url)
    fresh = parts._replace(path=f"/{name}").geturl()
    migrate(fresh)
    return fresh


def ask(url: str, question: Callable[[Connection], Awaitable[Found]]) -> Found:
    """One question on a connection of its own."""

    async def run() -> Found:
        async with await psycopg.AsyncConnection.connect(url) as connection:
            return await question(cast("Connection", connection))

    return asyncio.run(run())
