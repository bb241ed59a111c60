"""What is read of the events of topic `execution-updates`; the rest is only passed on."""

from collections.abc import Sequence
from typing import Annotated, Any

import msgspec

from sinks.history import tables

Id = Annotated[str, msgspec.Meta(min_length=1, max_length=100)]
Whole = Annotated[int, msgspec.Meta(ge=-(1 << 63), le=(1 << 63) - 1)]
Small = Annotated[int, msgspec.Meta(ge=-(1 << 31), le=(1 << 31) - 1)]


def _struct(name: str, groups: Sequence[tuple[Sequence[str], Any]], **more: Any) -> Any:
    """A struct with optional members of one type a group."""
    members: list[Any] = [
        (n, t, t()) if t is msgspec.Raw else (n, t | None, None)
        for names, t in groups
        for n in names
    ]
    return msgspec.defstruct(name, [*more.items(), *members], kw_only=True)


_TIMES = ("as_of", "last_updated", "known_at", "arrival_ts", "closed_ts")
Status = _struct(
    "Status",
    [
        (tables.ORDER_TEXTS, str),
        (["cause", *_TIMES], str),
        ([*tables.ORDER_NUMBERS, "fill_rate", "market_impact_bps"], float),
        (["fills", "children"], Small),
        (["venue_distribution", "alerts"], msgspec.Raw),
        (["restated", "has_children"], bool),
    ],
    order_id=Id,
    seq=Whole,
)
Record = _struct(
    "Record",
    [
        (tables.TCA_TEXTS, str),
        (_TIMES, str),
        (tables.TCA_NUMBERS, float),
        (["restated"], bool),
        (["reasons"], dict[str, str]),
    ],
    order_id=Id,
    seq=Whole,
)
Fill = _struct(
    "Fill",
    [
        (tables.FILL_TEXTS, str),
        (["known_at", "quote_ts"], str),
        (["seq"], Whole),
        ([*tables.FILL_NUMBERS, *tables.MIDS], float),
        (["anomalies"], msgspec.Raw),
    ],
    order_id=Id,
    ts_event=str,
    pos=Whole,
    source=Small,
)
Event = _struct(
    "Event",
    [
        (tables.EVENT_TEXTS, str),
        (["known_at"], str),
        (["seq", "market_seq"], Whole),
        (tables.EVENT_NUMBERS, float),
    ],
    order_id=Id,
    ts_event=str,
    pos=Whole,
    source=Small,
)
Bar = _struct(
    "Bar",
    [(tables.BAR_NUMBERS, float), (["interval_ms"], Small), (["trades"], Whole)],
    symbol=Id,
    ts=str,
)

Evaluation = _struct(
    "Evaluation",
    [
        (tables.EVALUATION_TEXTS, str),
        (["seq", "market_flags"], Whole),
        (["fills"], Small),
        (tables.EVALUATION_NUMBERS, float),
        (["configured", "asked"], msgspec.Raw),
    ],
    order_id=Id,
    known_at=str,
)


class Head(msgspec.Struct):
    """What every event has, and the member that a status is in."""

    kind: str
    status: msgspec.Raw = msgspec.Raw()
