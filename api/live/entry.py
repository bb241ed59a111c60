"""One update of the feed, and the frame that tells it to WebSocket clients."""

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

    __slots__ = ("_delta", "_members", "body", "desk", "order_id", "position", "rank", "seq")

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
        self._delta: str | None = None
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

    def delta(self, skipped: int = 0) -> str:
        """The frame of a delta, `skipped` updates of the order left out before it."""
        if skipped:
            return frame("delta", self, skipped=skipped)
        if self._delta is None:
            self._delta = frame("delta", self)
        return self._delta


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


def frame(kind: str, entry: Entry, *, skipped: int = 0) -> str:
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
    return (head[:-1] + b',"status":' + entry.body + b"}").decode()


def note(kind: str, *, order_id: str | None = None, seq: int | None = None, **more: Any) -> str:
    """A frame without a status: hello, heartbeat, or that snapshots follow."""
    members = {"order_id": order_id, "seq": seq, "kind": kind, **more, "status": None}
    return _ENCODER.encode(members).decode()
