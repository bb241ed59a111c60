"""Reads of many requests over one connection to the status store, written together.

A connection of its own for each read costs more than the read: a thousand requests a second
are a thousand turns of the event loop, and what came in one turn leaves in one write.
"""

import asyncio
import math
from collections import deque
from typing import Any

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from api.tasks import end

_TIMEOUT_S = 2.0
_RETRY_S = 0.1

Answer = asyncio.Future[Any]


class PipelinedReads:
    """Commands whose answers come in order; made of a client's own connections."""

    def __init__(self, store: Any) -> None:
        self._pool = store.connection_pool
        self._connection: Any = None
        self._unsent: list[tuple[tuple[Any, ...], Answer]] = []
        self._sent: deque[Answer] = deque()
        self._wake = asyncio.Event()
        self._broken = asyncio.Event()
        self._why: Exception | None = None
        """Why there is no connection; None while there is one, or before the first."""

    async def hmget(self, key: str, *names: str) -> list[bytes | None]:
        """Members of a hash. Raises redis-py's errors where the store does not answer."""
        if self._why is not None:
            raise RedisConnectionError(str(self._why)) from self._why
        answer: Answer = asyncio.get_running_loop().create_future()
        self._unsent.append((("HMGET", key, *names), answer))
        self._wake.set()
        try:
            async with asyncio.timeout(_TIMEOUT_S):
                return await answer
        except TimeoutError:
            self._broken.set()
            raise RedisTimeoutError(f"no answer within {_TIMEOUT_S:g} s") from None

    async def run(self) -> None:
        """Keep a connection until cancelled."""
        while True:
            self._broken.clear()
            connection = self._pool.make_connection()
            try:
                await connection.connect()
                self._why = None
                await self._until_broken(connection)
                raise RedisTimeoutError(f"no answer within {_TIMEOUT_S:g} s")
            except (RedisError, OSError) as error:
                self._fail(error)
            finally:
                await connection.disconnect(nowait=True)
            await asyncio.sleep(_RETRY_S)

    async def _until_broken(self, connection: Any) -> None:
        tasks: list[asyncio.Task[Any]] = [
            asyncio.create_task(self._send(connection)),
            asyncio.create_task(self._receive(connection)),
            asyncio.create_task(self._broken.wait()),
        ]
        try:
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            await end(tasks)

    async def _send(self, connection: Any) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            unsent, self._unsent = self._unsent, []
            self._sent.extend(answer for _, answer in unsent)
            packed = connection.pack_commands(command for command, _ in unsent)
            await connection.send_packed_command(packed, check_health=False)

    async def _receive(self, connection: Any) -> None:
        while True:
            try:
                found = await connection.read_response(timeout=math.inf)
            except RedisConnectionError:
                raise
            except RedisError as error:
                found = error
            answer = self._sent.popleft()
            if answer.done():
                continue
            if isinstance(found, RedisError):
                answer.set_exception(found)
            else:
                answer.set_result(found)

    def _fail(self, error: Exception) -> None:
        self._why = error
        waiting = [*self._sent, *(answer for _, answer in self._unsent)]
        self._sent.clear()
        self._unsent.clear()
        for answer in waiting:
            if not answer.done():
                answer.set_exception(RedisConnectionError(str(error)))
