"""A second look at doubtful rows, by the rules of a message on the bus."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec

from domain.batch import DeadLetter
from domain.errors import Refused
from domain.events import MarketMessage, OrderMessage
from domain.instants import NO_TIME, format_rfc3339
from domain.reasons import DeadLetterReason
from domain.vocabulary import MARKET_EVENT_TYPES, ORDER_EVENT_TYPES, ROUTE_EVENT_TYPES, Topic
from domain.wire import RowBuilder
from sources.columnar.block import Block

_TIMES = ("ts_event", "decision_ts", "start", "end")
_IDS = ("order_id", "parent_order_id", "root_order_id", "exec_id", "exec_ref_id", "route_id",
        "cl_ord_id")  # fmt: skip
_PARAMS = ("schedule", "start", "end", "participation", "urgency", "kappa_t", "profile")
_TYPES = {**MARKET_EVENT_TYPES, **ORDER_EVENT_TYPES, **ROUTE_EVENT_TYPES}


def refusal(
    block: Block, row: int, topic: Topic, position: str, raw: Callable[[], bytes] | None,
    known: Refused | None = None,
) -> DeadLetter | None:  # fmt: skip
    """Why a row cannot be taken, None if it can; `known` is said rather than looked for.

    `raw` gives the row's text, else its JSON is kept.
    """
    record = _record(block, row)
    if known is not None:
        return _letter(record, known, topic, position, raw)
    try:
        for message in _messages(record, ticks="type" not in block.columns):
            builder = RowBuilder(None)
            if isinstance(message, MarketMessage):
                builder.add_market(message)
            else:
                builder.add_order(message)
    except Refused as refused:
        return _letter(record, refused, topic, position, raw)
    return None


def _letter(
    record: dict[str, Any], refused: Refused, topic: Topic, position: str,
    raw: Callable[[], bytes] | None,
) -> DeadLetter:  # fmt: skip
    message = raw() if raw else msgspec.json.encode(record, enc_hook=str)
    return DeadLetter(str(topic), 0, position, refused.reason, refused.words, message, NO_TIME)


def _record(block: Block, row: int) -> dict[str, Any]:
    """The row's members, missing ones left out."""
    record: dict[str, Any] = {}
    for name, array in block.columns.items():
        try:
            value = array[row].as_py()
        except (UnicodeDecodeError, ValueError):
            value = str(array[row])
        if value is None or value == "" or value != value:  # noqa: PLR0124
            continue
        if name in _TIMES:
            value = _time_text(value)
        elif name in _IDS and isinstance(value, int):
            value = str(value)
        record[name] = value
    return record


def _time_text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat() if value.tzinfo else value.isoformat() + "Z"
    if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()):
        try:
            return format_rfc3339(int(value))
        except (ValueError, OverflowError):
            return str(value)
    return str(value)


def _messages(record: dict[str, Any], *, ticks: bool) -> list[MarketMessage | OrderMessage]:
    """The events a row stands for; a row of ticks says no type. Raises Refused."""
    kind = record.get("type", "")
    if ticks:
        parts = [
            ("quote", ("bid", "ask", "bid_size", "ask_size")),
            ("trade", ("price", "size")),
        ]
        said = [(t, names) for t, names in parts if any(n in record for n in names)]
        shared = {k: v for k, v in record.items() if all(k not in names for _, names in parts)}
        return [
            _convert({**shared, **{n: record[n] for n in names if n in record}, "type": t}, True)
            for t, names in said or parts[:1]
        ]
    if kind not in _TYPES:
        raise Refused(
            DeadLetterReason.UNKNOWN_TYPE,
            f"type must be one of {', '.join(_TYPES)} in a file of columns, was {kind!r}",
        )
    return [_convert(record, kind in MARKET_EVENT_TYPES)]


def _convert(record: dict[str, Any], is_market: bool) -> MarketMessage | OrderMessage:
    record = {"ts_event": "", **record}
    if not is_market:
        params = {name: record.pop(name) for name in _PARAMS if name in record}
        if isinstance(params.get("profile"), str):
            params["profile"] = params["profile"].split(";")
        if params:
            record["algo_params"] = params
    if isinstance(record.get("conditions"), str):
        record["conditions"] = record["conditions"].split(";")
    try:
        return msgspec.convert(record, MarketMessage if is_market else OrderMessage, strict=False)
    except msgspec.ValidationError as error:
        raise Refused(DeadLetterReason.WRONG_TYPE, str(error)) from error
