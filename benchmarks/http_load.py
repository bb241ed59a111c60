"""HTTP requests over keep-alive connections: at a fixed rate, or as fast as they are answered."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from typing import cast

CONNECTIONS = 32


class Caller(asyncio.Protocol):
    """One keep-alive connection that sends its next request when the last was answered."""

    def __init__(self, key: str, done: list[float]) -> None:
        self._head = f" HTTP/1.1\r\nHost: localhost\r\nX-Api-Key: {key}\r\n\r\n".encode()
        self._done = done
        self._due: deque[tuple[float, bytes]] = deque()
        self._left = -1
        self._buffer = b""
        self._transport: asyncio.Transport | None = None
        self.wrong = 0
        self.on_free = lambda: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where to write."""
        self._transport = cast(asyncio.Transport, transport)

    def ask(self, path: bytes, due: float) -> None:
        """Send a request, now or after those that wait."""
        self._due.append((due, path))
        if len(self._due) == 1:
            self._send()

    def _send(self) -> None:
        assert self._transport is not None
        self._transport.write(b"GET " + self._due[0][1] + self._head)

    def data_received(self, data: bytes) -> None:
        """Take an answer, or a part of it."""
        self._buffer += data
        if self._left < 0:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self._buffer[:end].lower()
            self.wrong += not head.startswith(b"http/1.1 200")
            at = head.index(b"content-length: ") + 16
            self._left = end + 4 + int(head[at:].split(b"\r\n", 1)[0])
        if len(self._buffer) < self._left:
            return
        self._buffer, self._left = self._buffer[self._left :], -1
        due, _ = self._due.popleft()
        self._done.append(time.perf_counter() - due)
        if self._due:
            self._send()
        self.on_free()


async def connected(port: int, key: str, done: list[float], count: int) -> list[Caller]:
    """Connections to the API."""
    loop = asyncio.get_running_loop()
    made = [
        await loop.create_connection(lambda: Caller(key, done), "127.0.0.1", port)
        for _ in range(count)
    ]
    return [caller for _, caller in made]


async def open_loop(
    port: int, key: str, paths: Sequence[bytes], rate: float, seconds: float
) -> list[float]:
    """Latencies, s, of requests at a fixed rate."""
    done: list[float] = []
    callers = await connected(port, key, done, CONNECTIONS)
    count = round(rate * seconds)
    began = time.perf_counter() + 0.1
    sent = 0
    while sent < count:
        now = time.perf_counter()
        while sent < count and began + sent / rate <= now:
            callers[sent % CONNECTIONS].ask(paths[sent % len(paths)], began + sent / rate)
            sent += 1
        # The loop counts in milliseconds: less would spin, and take a core from the API.
        await asyncio.sleep(0.001)
    while len(done) < count:
        await asyncio.sleep(0.01)
    _must_be_right(callers)
    return done


async def closed_loop(port: int, key: str, paths: Sequence[bytes], seconds: float) -> float:
    """Requests answered a second when each connection asks again at once."""
    done: list[float] = []
    callers = await connected(port, key, done, CONNECTIONS)
    until = time.perf_counter() + seconds
    asked = 0

    def again(caller: Caller) -> None:
        nonlocal asked
        now = time.perf_counter()
        if now < until:
            asked += 1
            caller.ask(paths[asked % len(paths)], now)

    for caller in callers:
        caller.on_free = lambda caller=caller: again(caller)
        again(caller)
    await asyncio.sleep(seconds + 0.2)
    _must_be_right(callers)
    return len(done) / seconds


def _must_be_right(callers: Sequence[Caller]) -> None:
    wrong = sum(caller.wrong for caller in callers)
    if wrong:
        raise SystemExit(f"{wrong} answers were not 200")
