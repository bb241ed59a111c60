"""JSON messages into rows, with every refusal said in words, and back."""

from collections.abc import Iterable
from typing import Any

import msgspec
import numpy as np

from domain.batch import Batch, DeadLetter
from domain.columns import DETAIL, EVENT, EVENT_NUMBERS, MARKET, blank
from domain.errors import Refused
from domain.events import REPUBLISH, AlgoParams, Clock, Envelope, MarketMessage, OrderMessage
from domain.instants import NO_TIME, parse_rfc3339
from domain.keys import GROUPS, crc_of, group_of, key_of
from domain.profiles import profile_text
from domain.reasons import DeadLetterReason
from domain.reference_check import decode_reference
from domain.validate import check_market, check_order, known, side_of
from domain.vocabulary import (
    MARKET_EVENT_TYPES,
    ORDER_EVENT_TYPES,
    ROUTE_EVENT_TYPES,
    SIDES,
    URGENCY_KAPPA_T,
    AssetClass,
    EventKind,
    Liquidity,
    MarketKind,
    OrderType,
    Schedule,
    TimeInForce,
    Topic,
    TradeFlag,
)

_ENVELOPE = msgspec.json.Decoder(Envelope)
_ORDER = msgspec.json.Decoder(OrderMessage)
_MARKET = msgspec.json.Decoder(MarketMessage)
_CLOCK = msgspec.json.Decoder(Clock)
_ENCODER = msgspec.json.Encoder()
CLOCK_TYPE = "clock"

_TOPIC_OF_TYPE: dict[str, Topic] = {
    **dict.fromkeys(ORDER_EVENT_TYPES, Topic.ORDERS),
    **dict.fromkeys(ROUTE_EVENT_TYPES, Topic.ROUTES),
    **dict.fromkeys(MARKET_EVENT_TYPES, Topic.MARKET_DATA),
    "reference": Topic.REFERENCE,
    "monitoring_started": Topic.CONTROL,
    "monitoring_stopped": Topic.CONTROL,
    "thresholds_changed": Topic.CONTROL,
    "alert_acknowledged": Topic.CONTROL,
    "alert_snoozed": Topic.CONTROL,
    "alert_closed": Topic.CONTROL,
    "silence_set": Topic.CONTROL,
    "send_tested": Topic.CONTROL,
    REPUBLISH: Topic.CONTROL,
}

Message = OrderMessage | MarketMessage | Clock


def encode(message: Message | dict[str, Any]) -> bytes:
    """One JSON object, absent members left out."""
    return _ENCODER.encode(message)


def topic_of(type_: str) -> Topic:
    """Topic on which an event of this type travels. Raises Refused for an unknown type."""
    topic = _TOPIC_OF_TYPE.get(type_)
    if topic is None:
        raise Refused(
            DeadLetterReason.UNKNOWN_TYPE,
            f"type must be one of {', '.join(sorted(_TOPIC_OF_TYPE))}, was {type_!r}",
        )
    return topic


def split_json(body: bytes) -> list[bytes]:
    """The events of a message: itself, or the members of a JSON array."""
    if body.lstrip()[:1] != b"[":
        return [body]
    try:
        return [bytes(raw) for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not a JSON array: {error}") from error


MAX_AHEAD_NS = 1_000_000_000
"""How far an event may lie after its own publication."""


class RowBuilder:
    """Collects messages of one input partition into a Batch, refusals included.

    A row's `t_eff` is left at the newest clock message before it since the last batch.

    `source` is the partition's rank among all inputs, `ordinal` the number of events it
    has given so far: it breaks ties between events of the same time. An event dated more
    than `max_ahead_ns` after its publication is refused.
    """

    def __init__(
        self,
        topic: Topic | None,
        source: int = 0,
        *,
        groups: int = GROUPS,
        ordinal: int = 0,
        max_ahead_ns: int = MAX_AHEAD_NS,
    ) -> None:
        self.topic = topic
        self.source = source
        self.groups = groups
        self.ordinal = ordinal
        self.max_ahead_ns = max_ahead_ns
        self._reset()

    def _reset(self) -> None:
        self._market: list[dict[str, Any]] = []
        self._events: list[dict[str, Any]] = []
        self._details: list[dict[str, Any]] = []
        self._names: dict[int, str] = {}
        self._references: list[bytes] = []
        self._told: list[int] = []
        self._dead: list[DeadLetter] = []
        self.clock = NO_TIME
        """Newest clock message seen since the last batch."""

    def __len__(self) -> int:
        return len(self._market) + len(self._events) + len(self._references)

    @property
    def refusals(self) -> int:
        """Dead letters so far."""
        return len(self._dead)

    def add_json(self, raw: bytes, *, position: str, partition: int, ts: int, ingest: int) -> None:
        """Take one JSON event, or keep it as a dead letter."""
        try:
            self._add_json(raw, ts=ts, ingest=ingest)
        except Refused as refused:
            self.refuse(raw, refused, position=position, partition=partition, ts=ts)

    def refuse(
        self, raw: bytes, refused: Refused, *, position: str, partition: int, ts: int
    ) -> None:
        """Keep a message as a dead letter."""
        topic = str(self.topic) if self.topic else "file"
        self._dead.append(
            DeadLetter(topic, partition, position, refused.reason, refused.words, raw, ts)
        )

    def _add_json(self, raw: bytes, *, ts: int, ingest: int) -> None:
        envelope = _decode(_ENVELOPE, raw)
        if envelope.type == CLOCK_TYPE:
            told = _time("ts_event", _decode(_CLOCK, raw).ts_event)
            self.clock = max(self.clock, self._not_ahead(told, ts))
            return
        topic = topic_of(envelope.type)
        if self.topic is not None and topic is not self.topic:
            raise Refused(
                DeadLetterReason.WRONG_TOPIC,
                f"{envelope.type} belongs on topic {topic}, came on {self.topic}",
            )
        if topic is Topic.MARKET_DATA:
            self.add_market(_decode(_MARKET, raw), ts=ts)
        elif topic in {Topic.REFERENCE, Topic.CONTROL}:
            if topic is Topic.REFERENCE:
                decode_reference(raw)
            self._references.append(raw)
            self._told.append(self.clock)
        else:
            self.add_order(_decode(_ORDER, raw), ts=ts, ingest=ingest)

    def add_market(self, message: MarketMessage, *, ts: int = NO_TIME) -> None:
        """Take one market event. Raises Refused. `ts` is its publication time, if stored."""
        check_market(message)
        ts_event = self._not_ahead(_time("ts_event", message.ts_event), ts)
        kind = MARKET_EVENT_TYPES[message.type]
        flags = 0
        if kind in {MarketKind.TRADE, MarketKind.AUCTION}:
            flags = _trade_flags(message)
        row: dict[str, Any] = {
            "kind": kind,
            "flags": flags,
            "group": group_of(message.symbol, self.groups),
            "symbol": self._key(message.symbol),
            "venue": self._key(message.venue),
            "exec": self._key(message.exec_id),
            "ts_event": ts_event,
            "t_eff": self.clock,
        }
        if message.seq is not None:
            row["seq"] = message.seq
        for name in ("bid", "ask", "bid_size", "ask_size", "price", "size"):
            value = getattr(message, name)
            if value is not None:
                row[name] = value
        self._market.append(row)

    def add_order(self, message: OrderMessage, *, ts: int = NO_TIME, ingest: int = NO_TIME) -> None:
        """Take one order or route event. Raises Refused."""
        kind = ORDER_EVENT_TYPES.get(message.type) or ROUTE_EVENT_TYPES.get(message.type)
        if kind is None:
            raise Refused(
                DeadLetterReason.UNKNOWN_TYPE, f"no order event is called {message.type!r}"
            )
        check_order(message, kind)
        detail = self._detail_of(message)
        ts_event = self._not_ahead(_time("ts_event", message.ts_event), ts)
        side = side_of(message.side)
        parent = message.parent_order_id or ""
        root = message.root_order_id or parent or message.order_id
        is_route = kind >= EventKind.ROUTE_SENT
        row: dict[str, Any] = {
            "kind": kind,
            "side": side.sign if side else 0,
            "side_code": SIDES.index(side) if side else 0,
            "liquidity": known(Liquidity, "liquidity", message.liquidity),
            "reason": message.reject_reason or 0,
            "market_group": group_of(message.symbol or "", self.groups),
            "order_group": group_of(root, self.groups),
            "phase": crc_of(root),
            "order": self._key(message.order_id),
            "root": self._key(root),
            "parent": self._key(parent),
            "symbol": self._key(message.symbol),
            "venue": self._key(message.venue),
            "exec": self._key(message.route_id if is_route else message.exec_id),
            "exec_ref": self._key(message.exec_ref_id),
            "ts_event": ts_event,
            "t_eff": self.clock,
            "ts_ingest": ingest,
            "pos": self.ordinal,
        }
        if message.seq is not None:
            row["seq"] = message.seq
        if message.market_seq is not None:
            row["market_seq"] = message.market_seq
        for name in EVENT_NUMBERS:
            value = message.avg_px if name == "reported_avg_px" else getattr(message, name)
            if value is not None:
                row[name] = value
        if detail:
            self._details.append(
                {"order": row["order"], "pos": self.ordinal, "source": self.source, **detail}
            )
        self._events.append(row)
        self.ordinal += 1

    def _detail_of(self, message: OrderMessage) -> dict[str, Any]:
        names = (
            ("cl_ord", message.cl_ord_id),
            ("broker", message.broker),
            ("algo", message.algo),
            ("strategy", message.strategy),
            ("trader", message.trader),
            ("desk", message.desk),
            ("client", message.client),
            ("currency", message.currency),
        )
        found: dict[str, Any] = {name: self._key(text) for name, text in names if text}
        if message.ord_type:
            found["ord_type"] = known(OrderType, "ord_type", message.ord_type)
        if message.time_in_force:
            found["time_in_force"] = known(TimeInForce, "time_in_force", message.time_in_force)
        if message.asset_class:
            found["asset_class"] = known(AssetClass, "asset_class", message.asset_class)
        if message.decision_ts:
            found["decision_ts"] = _time("decision_ts", message.decision_ts)
        if message.decision_px is not None:
            found["decision_px"] = message.decision_px
        params = message.algo_params
        schedule = (params.schedule if params else None) or message.algo
        if schedule and schedule in Schedule.__members__:
            found["schedule"] = Schedule[schedule]
        return found | self._schedule_of(params) if params else found

    def _schedule_of(self, params: AlgoParams) -> dict[str, Any]:
        found: dict[str, Any] = {}
        if params.start:
            found["start_ts"] = _time("algo_params.start", params.start)
        if params.end:
            found["end_ts"] = _time("algo_params.end", params.end)
        if params.participation is not None:
            found["participation"] = params.participation
        if params.kappa_t is not None:
            found["kappa_t"] = params.kappa_t
        elif params.urgency in URGENCY_KAPPA_T:
            found["kappa_t"] = URGENCY_KAPPA_T[params.urgency]
        if params.profile is not None:
            found["profile"] = self._key(profile_text(params.profile))
            found["schedule"] = Schedule.CUSTOM
        return found

    def _not_ahead(self, ts_event: int, published: int) -> int:
        if published != NO_TIME and ts_event > published + self.max_ahead_ns:
            ahead, allowed = (ts_event - published) / 1e9, self.max_ahead_ns / 1e9
            raise Refused(
                DeadLetterReason.FUTURE,
                f"ts_event is {ahead:.3f} s after the message was published; "
                f"at most {allowed:g} s is allowed",
            )
        return ts_event

    def _key(self, name: str | None) -> int:
        if not name:
            return 0
        key = key_of(name)
        self._names[key] = name
        return key

    def build(self) -> Batch:
        """The rows collected since the last call; `t_eff` and the watermark are not set yet."""
        batch = Batch(
            source=self.source,
            market=_rows(MARKET, self._market),
            events=_rows(EVENT, self._events),
            details=_rows(DETAIL, self._details),
            names=self._names,
            references=self._references,
            told=self._told,
            dead=self._dead,
            watermark=self.clock,
        )
        batch.market["source"] = self.source
        batch.events["source"] = self.source
        self._reset()
        return batch


def _rows(dtype: np.dtype, rows: Iterable[dict[str, Any]]) -> np.ndarray:
    rows = list(rows)
    out = blank(dtype, len(rows))
    if not rows:
        return out
    for name in {name for row in rows for name in row}:
        missing = _MISSING[dtype][name]
        out[name] = np.array([row.get(name, missing) for row in rows], dtype[name])
    return out


_MISSING = {
    dtype: {name: blank(dtype, 1)[name][0] for name in dtype.names or ()}
    for dtype in (MARKET, EVENT, DETAIL)
}


def _decode(decoder: msgspec.json.Decoder[Any], raw: bytes) -> Any:
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        words = str(error)
        reason = (
            DeadLetterReason.MISSING_FIELD if "missing" in words else DeadLetterReason.WRONG_TYPE
        )
        raise Refused(reason, words) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Refused(DeadLetterReason.UNREADABLE, f"not a JSON object: {error}") from error


def _time(name: str, text: str) -> int:
    try:
        return parse_rfc3339(text)
    except (ValueError, OverflowError) as error:
        raise Refused(DeadLetterReason.BAD_TIME, f"{name}: {error}") from error


_NOT_ELIGIBLE = frozenset({"DERIVATIVELY_PRICED", "AVERAGE_PRICE", "PRIOR_REFERENCE"})


def _trade_flags(message: MarketMessage) -> int:
    conditions = set(message.conditions or ())
    flags = 0
    if message.auction == "opening" or "OPENING" in conditions:
        flags |= TradeFlag.OPENING
    if message.auction == "closing" or "CLOSING" in conditions:
        flags |= TradeFlag.CLOSING
    if "EXTENDED_HOURS" in conditions:
        flags |= TradeFlag.EXTENDED_HOURS
    if "OUT_OF_SEQUENCE" in conditions:
        flags |= TradeFlag.OUT_OF_SEQUENCE
    if conditions & {"SUSPICIOUS", "CORRECTED"}:
        flags |= TradeFlag.SUSPICIOUS
    eligible = message.eligible
    if eligible is None:
        eligible = not (conditions & _NOT_ELIGIBLE) and not flags & (
            TradeFlag.SUSPICIOUS | TradeFlag.EXTENDED_HOURS
        )
    return flags | (TradeFlag.ELIGIBLE if eligible else 0)
