"""Where the embedded servers of this user listen, for commands in other terminals."""

import os
import socket
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import msgspec
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from domain.errors import ServerError
from runtime.private_dirs import base_dir, own_dir

_FILE = "servers.json"


@dataclass(frozen=True, slots=True)
class Servers:
    """Addresses that clients use, embedded or not."""

    bus_url: str
    status_url: str


class _Announcement(msgspec.Struct):
    pid: int
    bus_url: str
    status_url: str


@contextmanager
def announced(servers: Servers, data_dir: Path | None = None) -> Generator[None]:
    """Tell other processes of this user the addresses while the block runs.

    The newest announcement for a `data_dir` (or for none) is the one that is found.
    """
    path = _folder(data_dir) / _FILE
    note = _Announcement(os.getpid(), servers.bus_url, servers.status_url)
    fresh = path.with_suffix(f".{note.pid}")
    fresh.touch(mode=0o600)
    fresh.write_bytes(msgspec.json.encode(note))
    fresh.replace(path)
    try:
        yield
    finally:
        if _read(path) == note:
            path.unlink(missing_ok=True)


def find_servers(data_dir: Path | None = None) -> Servers | None:
    """Addresses announced by a process that still serves them, else None."""
    note = _read(_folder(data_dir) / _FILE)
    if note is None or not all(_answers(url) for url in (note.bus_url, note.status_url)):
        return None
    return Servers(note.bus_url, note.status_url)


def _folder(data_dir: Path | None) -> Path:
    return own_dir(data_dir or base_dir() / f"execmon-of-{os.getuid()}")


def _read(path: Path) -> _Announcement | None:
    try:
        return msgspec.json.decode(path.read_bytes(), type=_Announcement)
    except (OSError, msgspec.MsgspecError):
        return None


def _answers(url: str) -> bool:
    if url.startswith("pulsar"):
        return _is_listened_to(url)
    try:
        with redis.Redis.from_url(
            url,
            socket_timeout=1.0,
            socket_connect_timeout=1.0,
            retry=Retry(NoBackoff(), 0),
        ) as client:
            return bool(client.ping())
    except (redis.RedisError, ValueError):
        return False


def _is_listened_to(url: str) -> bool:
    host = urlsplit(f"//{urlsplit(url).netloc.split(',')[0]}")
    try:
        socket.create_connection((host.hostname, host.port or 6650), timeout=1.0).close()
    except (OSError, ValueError):
        return False
    return True


def needed(servers: Servers | None) -> Servers:
    """The servers, or ServerError that says how to start them."""
    if servers is None:
        raise ServerError(
            "no embedded servers of yours are running: start `execmon demo`, "
            "or name a server with EXECMON_BUS_URL and EXECMON_STATUS_URL"
        )
    return servers
