"""WebSocket clients in bulk: a thousand of them in one process, each frame timed as it comes."""

import asyncio
import time
from base64 import b64encode
from dataclasses import dataclass
from os import urandom
from typing import cast

_HEAD_BYTES = 400
"""A frame's members before its status fit into so many."""
_PUBLISHED = b'"published_at":"'


@dataclass(frozen=True, slots=True)
class Received:
    """One delta as a client got it."""

    at_ns: int
    published: bytes
    """When the sink made the status, RFC 3339."""


class SocketClient(asyncio.Protocol):
    """One WebSocket: counts its deltas and what was left out before them."""

    def __init__(self, path: str, key: str, received: list[Received]) -> None:
        token = b64encode(urandom(16)).decode()
        self._hello = (
            f"GET {path} HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n"
            f"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {token}\r\n"
            f"X-Api-Key: {key}\r\n\r\n"
        ).encode()
        self._received = received
        self._buffer = bytearray()
        self._is_open = False
        self.transport: asyncio.Transport | None = None
        self.ready = asyncio.Event()
        """Set at the first heartbeat: the snapshot is there."""
        self.deltas = 0
        self.skipped = 0
        self.last_seq = 0
        self.closed: str = ""
        """Why the other side closed; empty while it has not."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the WebSocket."""
        self.transport = cast(asyncio.Transport, transport)
        self.transport.write(self._hello)

    def connection_lost(self, exc: Exception | None) -> None:
        """Remember it."""
        self.closed = self.closed or f"the connection was lost ({exc})"
        self.ready.set()

    def data_received(self, data: bytes) -> None:
        """Take the frames that are whole."""
        now = time.time_ns()
        self._buffer += data
        if not self._is_open:
            end = self._buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            if not self._buffer.startswith(b"HTTP/1.1 101"):
                self.closed = self._buffer[:80].decode(errors="replace")
            del self._buffer[: end + 4]
            self._is_open = True
        at = 0
        while (size := _frame(self._buffer, at)) is not None:
            opcode, begin, end = size
            if end > len(self._buffer):
                break
            self._take(opcode, bytes(self._buffer[begin:end]), now)
            at = end
        if at:
            del self._buffer[:at]

    def _take(self, opcode: int, body: bytes, now: int) -> None:
        if opcode == 8:
            self.closed = body[2:].decode(errors="replace") or "closed"
        elif opcode == 9:
            assert self.transport is not None
            # A mask of zeros leaves the payload as it is.
            self.transport.write(bytes([0x8A, 0x80 | len(body), 0, 0, 0, 0]) + body)
        elif opcode == 1:
            head = body[:_HEAD_BYTES]
            if b'"kind":"delta"' in head:
                self.deltas += 1
                self.skipped += _number(head, b'"skipped":')
                self.last_seq = _number(head, b'"seq":')
                at = body.index(_PUBLISHED) + len(_PUBLISHED)
                self._received.append(Received(now, body[at : body.index(b'"', at)]))
            elif b'"kind":"heartbeat"' in head:
                self.ready.set()


def _frame(buffer: bytearray, at: int) -> tuple[int, int, int] | None:
    """(opcode, begin and end of the payload) of the frame that begins here."""
    if len(buffer) < at + 2:
        return None
    size = buffer[at + 1] & 0x7F
    begin = at + 2
    if size >= 126:
        begin += 2 if size == 126 else 8
        if len(buffer) < begin:
            return None
        size = int.from_bytes(buffer[at + 2 : begin], "big")
    return buffer[at] & 0x0F, begin, begin + size


def _number(head: bytes, name: bytes) -> int:
    begin = head.index(name) + len(name)
    end = begin
    while head[end : end + 1].isdigit():
        end += 1
    return int(head[begin:end] or 0)
