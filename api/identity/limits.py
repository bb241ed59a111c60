"""Rate limits of each caller, counted in the status store for all processes together.

A process takes a lease of some requests at a time, so that not each of them asks the store.
Where the store does not answer, each process counts by itself.
"""

import math
import time
from collections import OrderedDict
from typing import Any

import structlog
from redis.exceptions import RedisError

from api.identity.caller import Caller
from api.problems import Problem

_TAKE = """
local rate, burst, want = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local clock = redis.call('TIME')
local now = clock[1] + clock[2] / 1e6
local known = redis.call('HMGET', KEYS[1], 'tokens', 'at')
local tokens = tonumber(known[1]) or burst
local at = tonumber(known[2]) or now
tokens = math.min(burst, tokens + math.max(0, now - at) * rate)
local given = math.min(want, math.floor(tokens))
tokens = tokens - given
redis.call('HSET', KEYS[1], 'tokens', tostring(tokens), 'at', string.format('%.6f', now))
redis.call('PEXPIRE', KEYS[1], math.ceil(burst / rate * 1000) + 1000)
return {given, math.ceil(math.max(0, 1 - tokens) / rate * 1000)}
"""
PREFIX = "execmon:api:rate:"
_LEASES_PER_S = 20
_LEASE_S = 1.0
_APART_S = 5.0
_MOST_LEASES = 10_000
_log = structlog.get_logger("api")


class Bucket:
    """Tokens that come back at a rate, up to a second's worth; counted in this process."""

    __slots__ = ("at", "burst", "rate", "tokens")

    def __init__(self, rate: float, burst: float | None = None) -> None:
        self.rate = rate
        self.burst = max(rate if burst is None else burst, 1.0)
        self.tokens = self.burst
        self.at = time.monotonic()

    def take(self) -> float:
        """0 where a token was left, else the seconds until there is one."""
        now = time.monotonic()
        self.tokens = min(self.burst, self.tokens + (now - self.at) * self.rate)
        self.at = now
        if self.tokens >= 1.0:
            self.tokens -= 1.0
            return 0.0
        return (1.0 - self.tokens) / self.rate


class Buckets:
    """A bucket for each name; the least recently used are forgotten."""

    def __init__(self, rate: float, burst: float | None = None, most: int = _MOST_LEASES) -> None:
        self._rate, self._burst, self._most = rate, burst, most
        self._buckets: OrderedDict[str, Bucket] = OrderedDict()

    def take(self, name: str) -> float:
        """0 where the name had a token left, else the seconds until it has one."""
        bucket = self._buckets.get(name)
        if bucket is None:
            bucket = self._buckets[name] = Bucket(self._rate, self._burst)
            if len(self._buckets) > self._most:
                self._buckets.popitem(last=False)
        self._buckets.move_to_end(name)
        return bucket.take()


class _Lease:
    __slots__ = ("left", "refused_until", "until")

    def __init__(self) -> None:
        self.left = 0
        self.until = 0.0
        self.refused_until = 0.0


class RateLimit:
    """So many requests a second for each caller; `kind` names what is counted."""

    def __init__(self, store: Any, kind: str, rate: float) -> None:
        self._script = store.register_script(_TAKE)
        self._kind = kind
        self.rate = rate
        self.burst = max(rate, 1.0)
        self._want = max(1, min(250, int(rate / _LEASES_PER_S)))
        self._leases: OrderedDict[str, _Lease] = OrderedDict()
        self._alone = Buckets(rate)
        self._alone_until = 0.0

    async def check(self, caller: Caller) -> None:
        """Count a request. Raises Problem 429 with the time after which to come back."""
        name = f"{caller.how}:{caller.name}"
        lease = self._lease(name)
        now = time.monotonic()
        if lease.left and now < lease.until:
            lease.left -= 1
            return
        wait_s = lease.refused_until - now
        if wait_s <= 0:
            wait_s = await self._take(name, lease)
        if wait_s > 0:
            raise Problem(
                429,
                "too-many-requests",
                f"{caller.name} may make {self.rate:g} {self._kind} a second",
                headers={"Retry-After": str(math.ceil(wait_s))},
            )

    def _lease(self, name: str) -> _Lease:
        lease = self._leases.get(name)
        if lease is None:
            lease = self._leases[name] = _Lease()
            if len(self._leases) > _MOST_LEASES:
                self._leases.popitem(last=False)
        return lease

    async def _take(self, name: str, lease: _Lease) -> float:
        if time.monotonic() < self._alone_until:
            return self._alone.take(name)
        try:
            given, wait_ms = await self._script(
                keys=[f"{PREFIX}{self._kind}:{name}"], args=[self.rate, self.burst, self._want]
            )
        except (RedisError, OSError) as error:
            _log.warning("rate_limit_counted_alone", error=str(error))
            self._alone_until = time.monotonic() + _APART_S
            return self._alone.take(name)
        now = time.monotonic()
        if given:
            fresh = now < lease.until
            lease.left = (lease.left if fresh else 0) + given - 1
            lease.until = now + _LEASE_S
            return 0.0
        lease.refused_until = now + wait_ms / 1e3
        return max(wait_ms / 1e3, 1e-3)
