"""The status store: each order's newest status, the open orders by attention, the feed.

Keys are those of `domain.topics`. A status is replaced only by a newer one in the order of
writes (`domain.status.write_order`), decided in the server, so a replay, a second writer
or a late final row moves nothing back and publishes nothing twice.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from bytewax.outputs import FixedPartitionedSink, StatefulSinkPartition
from redis.exceptions import NoScriptError, RedisError

from bus.redis_errors import connect, is_passing, refusal
from domain.errors import ServerError
from domain.records import name_of
from domain.rows import Rows
from domain.status import attention_ccy, bodies_of, is_closed, write_order
from domain.topics import FEED, OPEN_ORDERS, open_orders_key, status_key, updates_channel
from domain.vocabulary import EventKind
from sinks.background import BackgroundWriter
from sinks.partitions import part_names, part_of

# Every key is derived from KEYS[1] and the arguments; the old desk is only known here.
_WRITE = f"""
local old = redis.call('HMGET', KEYS[1], 'written', 'desk', 'alerts')
if old[1] and ARGV[1] <= old[1] then return 0 end
local id, desk = ARGV[4], ARGV[3]
redis.call('HSET', KEYS[1], 'written', ARGV[1], 'body', ARGV[2], 'desk', desk)
if old[2] and old[2] ~= '' and old[2] ~= desk then
  redis.call('ZREM', '{OPEN_ORDERS}:' .. old[2], id)
end
if ARGV[5] == '' then
  redis.call('ZREM', KEYS[2], id)
  if desk ~= '' then redis.call('ZREM', KEYS[3], id) end
  redis.call('PEXPIRE', KEYS[1], ARGV[6])
else
  redis.call('PERSIST', KEYS[1])
  redis.call('ZADD', KEYS[2], ARGV[5], id)
  if desk ~= '' then redis.call('ZADD', KEYS[3], ARGV[5], id) end
end
local body, alerts, empty = ARGV[2], old[3], ',"alerts":[],'
local at = alerts and string.find(body, empty, 1, true)
if at then
  body = string.sub(body, 1, at - 1) .. ',"alerts":' .. alerts .. ','
    .. string.sub(body, at + #empty)
end
redis.call('PUBLISH', ARGV[9], body)
redis.call('XADD', '{FEED}', 'MAXLEN', '~', ARGV[7], '*',
  'order_id', id, 'desk', desk, 'seq', ARGV[8], 'body', body)
return 1
"""

MOST_UNSENT = 50_000
"""Orders with an unsent status, past which the flow waits."""


@dataclass(frozen=True, slots=True)
class StatusSettings:
    """How statuses are written."""

    conflate_ms: float = 5.0
    """Updates of one order within this time become one."""
    ttl_s: float = 86_400.0
    """How long a closed order's status stays."""
    feed_length: int = 10_000
    """Updates kept in the feed, at least."""
    config_version: str = ""
    rates: Mapping[str, float] = field(default_factory=dict[str, float])
    """Units of the reporting currency for one of each other currency; without one: 1."""
    on_latency_ns: Callable[[list[int]], None] | None = None
    """Told, for each event first shown, the time from its arrival to its status's writing."""
    timeout_s: float = 5.0


@dataclass(frozen=True, slots=True)
class _Update:
    """One status row that waits to be written."""

    written: tuple[int, int, int]
    rows: Rows
    at: int


def _is_newer(new: _Update, old: _Update) -> bool:
    return new.written > old.written


class StatusSink(FixedPartitionedSink[Rows, None]):
    """Writes `Rows.status`; durable in the server, as far as it is, when the epoch closes.

    Takes (key of an order group, Rows). `parts` writers share the groups.
    """

    def __init__(self, url: str, settings: StatusSettings | None = None, parts: int = 1) -> None:
        self.url = url
        self.settings = settings or StatusSettings()
        self.parts = parts

    def list_parts(self) -> list[str]:
        """Names of the writers."""
        return part_names(self.parts)

    def part_fn(self, item_key: str) -> int:
        """The writer of a group."""
        return part_of(item_key)

    def build_part(self, step_id: str, for_part: str, resume_state: None) -> "StatusPartition":
        """A writer; the server knows what it was told."""
        del step_id, for_part, resume_state
        return StatusPartition(self.url, self.settings)


class StatusPartition(StatefulSinkPartition[Rows, None]):
    """One writer with its thread and connection."""

    def __init__(self, url: str, settings: StatusSettings) -> None:
        client = StatusClient(url, settings)
        self._writer: BackgroundWriter[_Update, list[Any]] = BackgroundWriter(
            "status_sink",
            client.prepare,
            client.send,
            is_passing,
            spacing_s=settings.conflate_ms / 1000.0,
            limit=MOST_UNSENT,
        )

    def write_batch(self, values: list[Rows]) -> None:
        """Take rows; of one order's unsent rows only the newest stays."""
        for rows in values:
            if len(rows.status):
                orders = rows.status["order"].tolist()
                written = write_order(rows.status)
                updates = (_Update(w, rows, at) for at, w in enumerate(written))
                self._writer.put(zip(orders, updates, strict=True), _is_newer)

    def snapshot(self) -> None:
        """Return when all that was taken is written."""
        self._writer.flush()

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class StatusClient:
    """Turns updates into calls of the server's script, and makes them."""

    def __init__(self, url: str, settings: StatusSettings) -> None:
        self._settings = settings
        self._client: Any = connect(url, settings.timeout_s)
        self._sha: str | None = None
        self._seen: dict[int, int] = {}

    def prepare(self, updates: Sequence[_Update]) -> list[tuple[list[Any], int]]:
        """Arguments of each call, with the arrival time of an event first shown, else 0."""
        by_rows: dict[int, list[_Update]] = {}
        for update in updates:
            by_rows.setdefault(id(update.rows), []).append(update)
        return [call for group in by_rows.values() for call in self._calls(group)]

    def _calls(self, updates: list[_Update]) -> list[tuple[list[Any], int]]:
        rows = updates[0].rows
        at = [update.at for update in updates]
        status = rows.status[at]
        bodies = bodies_of(
            rows, at, published_ns=time.time_ns(), config_version=self._settings.config_version
        )
        attention = self._attention(status, rows.names)
        closed = is_closed(status).tolist()
        calls: list[tuple[list[Any], int]] = []
        for i, update in enumerate(updates):
            order_id = name_of(int(status["order"][i]), rows.names) or ""
            desk = name_of(int(status["desk"][i]), rows.names) or ""
            events, final, market_ns = update.written
            keys = [status_key(order_id), OPEN_ORDERS, open_orders_key(desk)]
            arguments = [
                f"{events:012d}.{final}.{max(market_ns, 0):020d}",
                bodies[i],
                desk,
                order_id,
                "" if closed[i] else repr(float(attention[i])),
                round(self._settings.ttl_s * 1000),
                self._settings.feed_length,
                int(status["seq"][i]),
                updates_channel(order_id),
            ]
            calls.append(([*keys, *arguments], self._first_shown(status[i], closed=closed[i])))
        return calls

    def _attention(self, status: np.ndarray, names: Mapping[int, str]) -> np.ndarray:
        found = attention_ccy(status)
        rates = self._settings.rates
        if rates:
            found *= [rates.get(names.get(key, ""), 1.0) for key in status["currency"].tolist()]
        return found

    def _first_shown(self, row: np.void, *, closed: bool) -> int:
        if self._settings.on_latency_ns is None or row["kind"] >= EventKind.MARK:
            return 0
        key, events = int(row["order"]), int(row["events"])
        is_first = events > self._seen.get(key, 0)
        if closed and not row["provisional"]:
            self._seen.pop(key, None)
        else:
            self._seen[key] = events
        return max(int(row["ts_ingest"]), 0) if is_first else 0

    def send(self, calls: list[tuple[list[Any], int]]) -> None:
        """Write in one round trip; may be called again with the same.

        Raises redis-py's errors where the server is away, ServerError where it refuses.
        """
        try:
            self._send(calls)
        except NoScriptError:
            self._sha = None
            self._send(calls)
        except RedisError as error:
            if is_passing(error):
                raise
            raise ServerError(f"the status store refused a write: {refusal(error)}") from error
        tell = self._settings.on_latency_ns
        if tell:
            now = time.time_ns()
            tell([now - ingest for _, ingest in calls if ingest])

    def _send(self, calls: list[tuple[list[Any], int]]) -> None:
        if self._sha is None:
            self._sha = self._client.script_load(_WRITE)
        with self._client.pipeline(transaction=False) as pipe:
            for arguments, _ in calls:
                pipe.evalsha(self._sha, 3, *arguments)
            pipe.execute()
