"""What `doctor` asks the bus and the status store: Redis or Valkey servers that run."""

import time
from collections.abc import Callable
from typing import Any

from redis import Redis
from redis.exceptions import AuthenticationError, RedisError, ResponseError

from cli.check_base import Check
from domain.topics import BUS_META
from runtime.addresses import Servers, find_servers
from runtime.servers import EMBEDDED
from runtime.setting_types import masked
from runtime.settings import Settings, load_settings

_TIMEOUT_S = 3.0
_OLDEST = (6, 2)
_FULL_RATE = 0.8
_SKEW_WARN_S = 0.1
Info = dict[str, Any]


def check_bus(settings: Settings | None = None) -> Check:
    """The bus answers, keeps every write, drops none, and has our layout."""
    settings = settings or load_settings()
    return _check("bus", "EXECMON_BUS_URL", settings, lambda s: s.bus_url, _bus_faults)


def check_status(settings: Settings | None = None) -> Check:
    """The status store answers, and drops no status by itself."""
    settings = settings or load_settings()
    return _check("status store", "EXECMON_STATUS_URL", settings, lambda s: s.status_url)


def _check(
    name: str,
    variable: str,
    settings: Settings,
    address: Callable[[Settings | Servers], str],
    more_faults: Callable[[Check, Any, Info, Settings], Check | None] = lambda *_: None,
) -> Check:
    url = address(settings)
    if url == EMBEDDED:
        running = find_servers(settings.data_dir)
        if running is None:
            return Check(name, "ok", "embedded, not running now")
        url = address(running)
    if url.startswith("pulsar"):
        from cli.check_pulsar import check_pulsar

        return check_pulsar(url, settings)
    try:
        with Redis.from_url(
            url, socket_timeout=_TIMEOUT_S, socket_connect_timeout=_TIMEOUT_S
        ) as client:
            info: Info = client.info()  # pyright: ignore[reportAssignmentType]
            found = Check(name, "ok", f"{_product(info)} at {masked(url)}, {_memory(info)}")
            return (
                _common_faults(found, client, info, settings)
                or more_faults(found, client, info, settings)
                or found
            )
    except AuthenticationError as error:
        return Check(name, "fail", f"{masked(url)} refused us: {error}",
                     f"correct user and password in {variable}")  # fmt: skip
    except (RedisError, OSError, ValueError) as error:
        return Check(name, "fail", f"{masked(url)} does not answer: {error}",
                     f"start it, or correct {variable}")  # fmt: skip


def _product(info: Info) -> str:
    if "valkey_version" in info:
        return f"Valkey {info['valkey_version']}"
    return f"Redis {info.get('redis_version', 'of unknown version')}"


def _memory(info: Info) -> str:
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    limit = f" of {most / 1e6:,.0f}" if most else ""
    return f"{used / 1e6:,.0f}{limit} MB of memory used"


def _common_faults(found: Check, client: Any, info: Info, settings: Settings) -> Check | None:
    numbers = str(info.get("redis_version", "0")).split(".")
    if tuple(int(n) for n in numbers[:2] if n.isdigit()) < _OLDEST:
        return _worse(found, "fail", "is too old", "install Valkey, or Redis 6.2 or newer")
    if info.get("role") != "master":
        return _worse(found, "fail", "is a replica and takes no writes", "name the primary")
    if info.get("loading"):
        return _worse(found, "warn", "is still reading its log", "wait, and run doctor again")
    policy = _config(client, "maxmemory-policy")
    if policy not in {None, "noeviction"}:
        return _worse(
            found, "fail", f"would drop data when full (maxmemory-policy {policy})",
            "set maxmemory-policy noeviction: writers then wait, and nothing is lost",
        )  # fmt: skip
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if most and used > _FULL_RATE * most:
        return _worse(
            found, "warn", "is nearly full", "raise maxmemory before writers have to wait"
        )
    return _skew(found, client, settings)


def _skew(found: Check, client: Any, settings: Settings) -> Check | None:
    """How far the server's clock is from ours, as well as one round trip can tell."""
    before = time.time()
    seconds, micros = client.time()
    after = time.time()
    skew_s = seconds + micros / 1e6 - (before + after) / 2
    sure_s = max(abs(skew_s) - (after - before) / 2, 0.0)
    if sure_s > settings.max_ahead_s:
        return _worse(
            found, "fail", f"has a clock {skew_s:+,.2f} s from ours",
            "run an NTP service on both: events would be refused as dated in the future",
        )  # fmt: skip
    if sure_s > _SKEW_WARN_S:
        return _worse(found, "warn", f"has a clock {skew_s:+,.2f} s from ours",
                      "run an NTP service on both machines")  # fmt: skip
    return None


def _bus_faults(found: Check, client: Any, info: Info, settings: Settings) -> Check | None:
    if not info.get("aof_enabled"):
        return _worse(
            found, "warn", "keeps no append-only file: a crash loses messages",
            "set appendonly yes and appendfsync always",
        )  # fmt: skip
    if info.get("aof_last_write_status") not in {None, "ok"}:
        return _worse(found, "fail", "cannot write its append-only file", "free room on its disk")
    fsync = _config(client, "appendfsync")
    if fsync not in {None, "always"}:
        return _worse(
            found, "warn", f"may lose its last second in a crash (appendfsync {fsync})",
            "set appendfsync always",
        )  # fmt: skip
    groups = client.hget(BUS_META, "groups")
    if groups is not None and int(groups) != settings.groups:
        return _worse(
            found, "fail", f"was set up with {int(groups)} groups, the settings say "
            f"{settings.groups}", "keep the old number, or start with an empty bus",
        )  # fmt: skip
    return None


def _worse(found: Check, state: Any, words: str, advice: str) -> Check:
    return Check(found.name, state, f"{found.found}; it {words}", advice)


def _config(client: Any, name: str) -> str | None:
    """A setting of the server, None where it does not tell us."""
    try:
        found = client.config_get(name)
    except ResponseError:
        return None
    values = [v.decode() if isinstance(v, bytes) else str(v) for v in found.values()]
    return values[0] if values else None
