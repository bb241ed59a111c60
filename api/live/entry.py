"""One update of the feed, and the frames that tell it to WebSocket clients."""

from collections.abc import Mapping
from typing import Any

import msgspec

from domain.instants import MILLISECOND

Rank = tuple[int, int]
ORIGIN: Rank = (0, 0)
_ENCODER = msgspec.json.Encoder()


def rank_of(position: str) -> Rank:
    """A position in the feed as two numbers that sort. Raises ValueError."""
    ms, _, n = position.partition("-")
    return int(ms), int(n or 0)


class Filtered(msgspec.Struct):
    """The members of a status that a stream can be narrowed by."""

    symbol: str | None = None
    side: str | None = None
    state: str | None = None
    algo: str | None = None
    broker: str | None = None
    strategy: str | None = None
    trader: str | None = None
    client: str | None = None
    currency: str | None = None
    root_order_id: str | None = None
    parent_order_id: str | None = None


_FILTERED = msgspec.json.Decoder(Filtered)
MEMBERS = Filtered.__struct_fields__


class Entry:
    """An update as the feed holds it; shared by every client that gets it."""

    __slots__ = ("_framed", "_members", "body", "desk", "order_id", "position", "rank", "seq")

    def __init__(
        self, position: str, order_id: str, desk: str, seq: int | None, body: bytes
    ) -> None:
        self.position = position
        self.rank = rank_of(position)
        self.order_id = order_id
        self.desk = desk
        self.seq = seq
        """Sequence of a final state; None for a provisional one."""
        self.body = body
        self._framed: bytes | None = None
        self._members: Filtered | None = None

    @property
    def ts(self) -> int:
        """UNIX ns at which the status store took it, to the millisecond below."""
        return self.rank[0] * MILLISECOND

    @property
    def members(self) -> Filtered:
        """What a stream can be narrowed by."""
        if self._members is None:
            self._members = _FILTERED.decode(self.body)
        return self._members

    def delta(self, skipped: int = 0) -> bytes:
        """The delta as it goes over the wire, `skipped` updates of the order left out before it."""
        if skipped:
            return framed(frame("delta", self, skipped=skipped))
        if self._framed is None:
            self._framed = framed(frame("delta", self))
        return self._framed

    def forget_frame(self) -> None:
        """Whoever listens has it by now; it is made anew for whoever comes back."""
        self._framed = None


def entry_of(position: bytes, fields: Mapping[bytes, bytes]) -> Entry:
    """An update from its entry in the stream."""
    seq = int(fields.get(b"seq", b"-1"))
    return Entry(
        position.decode(),
        fields[b"order_id"].decode(),
        fields.get(b"desk", b"").decode(),
        None if seq < 0 else seq,
        fields[b"body"],
    )


def frame(kind: str, entry: Entry, *, skipped: int = 0) -> bytes:
    """An ExecutionUpdate with the whole status."""
    head = _ENCODER.encode(
        {
            "order_id": entry.order_id,
            "seq": entry.seq,
            "kind": kind,
            "position": entry.position,
            "skipped": skipped,
        }
    )
    return head[:-1] + b',"status":' + entry.body + b"}"


def note(kind: str, *, order_id: str | None = None, seq: int | None = None, **more: Any) -> bytes:
    """A frame without a status: hello, heartbeat, or that snapshots follow."""
    members = {"order_id": order_id, "seq": seq, "kind": kind, **more, "status": None}
    return _ENCODER.encode(members)


def framed(text: bytes) -> bytes:
    """A text message of a server as RFC 6455 puts it on the wire: whole, not masked."""
    size = len(text)
    if size < 126:
        return b"\x81" + size.to_bytes(1, "big") + text
    if size < 1 << 16:
        return b"\x81\x7e" + size.to_bytes(2, "big") + text
    return b"\x81\x7f" + size.to_bytes(8, "big") + text
