"""Which metrics of a status are shown: those its monitoring session chose."""

from collections.abc import Set as AbstractSet

import msgspec

from domain.instants import MILLISECOND, parse_rfc3339

_RAW = msgspec.json.Decoder(dict[str, msgspec.Raw])
_PARTS = ("current_metrics", "metric_reasons")


class StatusHead(msgspec.Struct):
    """What the API itself reads of a status; the rest passes through as bytes."""

    order_id: str = ""
    desk: str | None = None
    seq: int | None = None
    last_updated: str | None = None
    root_order_id: str | None = None


_HEAD = msgspec.json.Decoder(StatusHead)


def head_of(body: bytes) -> StatusHead:
    """The members that the API looks at."""
    return _HEAD.decode(body)


def with_metrics(body: bytes, chosen: AbstractSet[str]) -> bytes:
    """The status with only these of the five metrics; every other byte is as it was."""
    members = _RAW.decode(body)
    for part in _PARTS:
        raw = members.get(part)
        if raw is not None:
            kept = {name: v for name, v in _RAW.decode(raw).items() if name in chosen}
            members[part] = msgspec.Raw(msgspec.json.encode(kept))
    return msgspec.json.encode(members)


def age_ms(last_updated: str | None, now_ns: int) -> int | None:
    """Milliseconds since the event time of a status; it grows while nothing comes."""
    if last_updated is None:
        return None
    return max(0, (now_ns - parse_rfc3339(last_updated)) // MILLISECOND)
