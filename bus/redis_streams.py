"""The bus on Redis Streams (Redis or Valkey): one stream for each partition of a topic.

A stream's entry ids are the positions, and their milliseconds the time of storing. The
number of partitions, the key groups, how far each stream was trimmed and the kind of its
clocks are kept in one hash beside the streams.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from bus import redis_scripts as scripts
from bus.base import START, ClockKind, Outgoing, Place, Stored
from bus.out_topics import check_out_topic
from bus.redis_errors import connect, in_words
from domain.errors import BusError
from domain.instants import MILLISECOND
from domain.topics import BUS_META, CLOCK_LEASE, JSON_TYPE, stream_key
from domain.vocabulary import Topic

_ZERO = "0-0"
_BODY = b"body"
_CONTENT_TYPE = b"content-type"


class RedisReader:
    """Reads partitions over one connection; for one thread."""

    def __init__(self, url: str, shown_url: str, timeout_s: float) -> None:
        self._shown_url = shown_url
        self._client: Any = connect(url, timeout_s, protocol=2)
        self._client.response_callbacks.pop("XREAD", None)

    def read(
        self, after: Mapping[Place, str], count: int, block_ms: int
    ) -> dict[Place, list[Stored]]:
        """Up to `count` messages after each position; waits up to `block_ms` for a first one."""
        if not after:
            return {}
        keys = {stream_key(*place).encode(): place for place in after}
        command: list[Any] = ["XREAD", "COUNT", count]
        if block_ms:
            command += ["BLOCK", block_ms]
        command += ["STREAMS", *keys, *(position or _ZERO for position in after.values())]
        with in_words(self._shown_url):
            answer = self._client.execute_command(*command)
        return {keys[key]: [_stored(entry) for entry in entries] for key, entries in answer or ()}

    def acknowledge(self, place: Place, position: str) -> None:
        """Nothing: a stream is trimmed by position and knows no readers."""

    def close(self) -> None:
        """Drop the connection."""
        self._client.close()


def _stored(entry: Any) -> Stored:
    position = entry[0].decode()
    pairs = iter(entry[1] or ())
    fields: dict[bytes, bytes] = dict(zip(pairs, pairs, strict=True))
    body = fields.pop(_BODY, b"")
    content_type = fields.pop(_CONTENT_TYPE, b"").decode(errors="replace") or JSON_TYPE
    meta = {k.decode(errors="replace"): v.decode(errors="replace") for k, v in fields.items()}
    return Stored(position, _ms_of(position) * MILLISECOND, body, content_type, meta)


class RedisBus:
    """A bus on a Redis or Valkey server. Safe to use from several threads."""

    def __init__(self, url: str, *, timeout_s: float = 5.0) -> None:
        self.url = url
        scheme, _, rest = url.partition("://")
        self._shown_url = f"{scheme}://{rest.rpartition('@')[2]}"
        self._timeout_s = timeout_s
        self._client: Any = connect(url, timeout_s)
        for command in ("XRANGE", "XREVRANGE"):
            self._client.response_callbacks.pop(command, None)
        self._partitions: dict[str, int] = {}
        self._groups: int | None = None

    def _script(self, script: str, keys: Sequence[str], *args: str | int | bytes) -> Any:
        with in_words(self._shown_url):
            return _text(self._client.eval(script, len(keys), *keys, *args))

    # Layout

    def set_up(self, partitions: Mapping[Topic, int], groups: int) -> None:
        """Record the layout, or check it against what is recorded."""
        wanted: list[str | int] = ["groups", groups]
        for topic, count in partitions.items():
            if not 1 <= count <= groups:
                raise BusError(
                    f"topic {topic} must have 1 to {groups} partitions (the groups), not {count}"
                )
            wanted += [f"partitions:{topic}", count]
        differs = self._script(scripts.SET_UP, [BUS_META], *wanted)
        if differs:
            what, known, asked = differs
            raise BusError(
                f"the bus {self._shown_url} was set up with {what} = {known}, now {asked} is "
                "asked; keep the old number, or start with an empty bus"
            )
        self._partitions.update((str(topic), count) for topic, count in partitions.items())
        self._groups = groups

    def _recorded(self, field: str) -> str | None:
        with in_words(self._shown_url):
            return _text(self._client.hget(BUS_META, field))

    def partitions(self, topic: Topic | str) -> int:
        """Number of partitions. Raises BusError for a topic that was never set up."""
        found = self._partitions.get(topic)
        if found is None:
            text = self._recorded(f"partitions:{topic}")
            if text is None:
                raise BusError(
                    f"the bus {self._shown_url} has no topic {topic}; "
                    "start `execmon worker` or `execmon demo` on it first"
                )
            found = self._partitions[topic] = int(text)
        return found

    def groups(self) -> int:
        """Key groups the layout was made for."""
        if self._groups is None:
            text = self._recorded("groups")
            if text is None:
                raise BusError(f"the bus {self._shown_url} was never set up")
            self._groups = int(text)
        return self._groups

    def add_topic(self, name: str, partitions: int) -> int:
        """Make the topic of a subscription where it is missing; gives its partitions."""
        check_out_topic(name)
        self.groups()
        with in_words(self._shown_url):
            self._client.hsetnx(BUS_META, f"partitions:{name}", partitions)
        return self.partitions(name)

    # Messages

    def append(self, messages: Sequence[Outgoing]) -> list[str]:
        """Store messages in this order in one round trip; gives their positions."""
        if not messages:
            return []
        with in_words(self._shown_url), self._client.pipeline(transaction=False) as pipe:
            for message in messages:
                fields: dict[Any, Any] = {_CONTENT_TYPE: message.content_type}
                for name, text in message.meta.items():
                    fields[name] = text.encode(errors="replace")
                fields[_BODY] = message.body
                pipe.xadd(stream_key(message.topic, message.partition), fields)
            return _text(pipe.execute())

    def reader(self, name: str | None = None) -> RedisReader:
        """A new reader; its name changes nothing."""
        del name
        return RedisReader(self.url, self._shown_url, self._timeout_s)

    def read_back(self, place: Place, before: str | None, count: int) -> list[Stored]:
        """Up to `count` messages stored before this position, the newest first."""
        newest = "+" if before is None else f"({_checked(before)}"
        return self._range("XREVRANGE", place, newest, "-", count)

    def find(self, place: Place, position: str) -> Stored | None:
        """The message at this position, None where there is none (any more)."""
        at = _checked(position)
        return next(iter(self._range("XRANGE", place, at, at, 1)), None)

    def _range(self, command: str, place: Place, first: str, last: str, count: int) -> list[Stored]:
        with in_words(self._shown_url):
            entries = self._client.execute_command(
                command, stream_key(*place), first, last, "COUNT", count
            )
        return [_stored(entry) for entry in entries or ()]

    def end(self, place: Place) -> str:
        """Position of the newest message ever stored there, START where there is none."""
        key = stream_key(*place)
        with in_words(self._shown_url):
            if not self._client.exists(key):
                return START
            last = _text(self._client.xinfo_stream(key)["last-generated-id"])
        return START if last == _ZERO else last

    def lag(self, place: Place, position: str) -> int:
        """Messages stored after this position; takes time in proportion to them."""
        return int(self._script(scripts.LAG, [stream_key(*place)], position or _ZERO))

    def check_position(self, place: Place, position: str) -> None:
        """Raise BusError unless reading after it misses nothing: not trimmed, not ahead."""
        if position == START:
            return
        name = f"{place[0]} partition {place[1]}"
        trimmed = self._recorded(f"trimmed:{stream_key(*place)}")
        if trimmed and _rank(position) < _rank(trimmed):
            raise BusError(
                f"messages after {position} of {name} are gone: the bus was trimmed to {trimmed}; "
                "start anew with an empty recovery_dir"
            )
        end = self.end(place)
        if _rank(position) > _rank(end or _ZERO):
            raise BusError(
                f"{name} ends at {end or 'nothing'}, before {position} where reading should go on: "
                "this is another bus, or it was emptied; start anew with an empty recovery_dir"
            )

    def trim(self, place: Place, position: str) -> int:
        """Drop messages before this position, which stays; gives how many went."""
        if position == START:
            return 0
        key = stream_key(*place)
        return int(self._script(scripts.TRIM, [key, BUS_META], f"trimmed:{key}", position))

    # Clock

    def take_clock(self, owner: str, kind: ClockKind, ttl_ms: int) -> str | None:
        """Become the only clock writer for `ttl_ms`; the present one's name where there is one."""
        found = self._script(scripts.TAKE_CLOCK, [CLOCK_LEASE, BUS_META], owner, kind, ttl_ms)
        if not found:
            return None
        what, value = found
        if what == "kind":
            raise BusError(
                f"the bus {self._shown_url} has {value} clocks and cannot take {kind} clocks: "
                "a replay needs a bus of its own"
            )
        return value

    def tick(self, owner: str, body: bytes, places: Sequence[Place], ttl_ms: int) -> bool:
        """Store a clock message in every place if `owner` still is the clock writer."""
        keys = [CLOCK_LEASE, *(stream_key(*place) for place in places)]
        return bool(self._script(scripts.TICK, keys, owner, ttl_ms, JSON_TYPE, body))

    def release_clock(self, owner: str) -> None:
        """Let another clock writer begin at once."""
        self._script(scripts.RELEASE_CLOCK, [CLOCK_LEASE], owner)

    # Connection

    def ping(self) -> None:
        """Return if the server answers."""
        with in_words(self._shown_url):
            self._client.ping()

    def close(self) -> None:
        """Drop every connection."""
        self._client.close()


def _text(answer: Any) -> Any:
    if isinstance(answer, list):
        return [_text(part) for part in cast(list[Any], answer)]
    return answer.decode() if isinstance(answer, bytes) else answer


def _ms_of(position: str) -> int:
    return int(position.partition("-")[0])


def _checked(position: str) -> str:
    """The position, complete: what Redis would take for another one is refused."""
    return "-".join(map(str, _rank(position)))


def _rank(position: str) -> tuple[int, int]:
    ms, _, n = position.partition("-")
    try:
        return int(ms), int(n or 0)
    except ValueError:
        raise BusError(f"expected a position such as 1700000000000-0, got {position!r}") from None
