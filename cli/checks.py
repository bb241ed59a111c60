"""What `doctor` looks at. Each check says what it found and, where needed, what to do."""

import ctypes
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from redis import Redis

from cli.check_base import Check, State
from cli.check_history import check_history, check_port
from cli.check_up import check_data, check_deployment
from cli.check_valkey import check_bus, check_status
from domain.errors import ExecmonError
from runtime.kernels import VARIABLE, use_kernel_cache
from runtime.private_dirs import base_dir
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings

_MB = 1_000_000
_NEEDED_DISK_MB = 200
_GOOD_DISK_MB = 1_000
_GOOD_MEMORY_MB = 1_000
_UNSYNCHRONISED = 5
_TIMEX_BYTES = 512
_SECONDS_2024 = 1_704_067_200
_PYTHONS = ((3, 11), (3, 12))
_SAMPLE = "EXECMON_TEST_DATA"


def run_checks() -> list[Check]:
    """Every check, in order. A check that breaks is a failed one."""
    return [_guarded(name, check) for name, check in CHECKS.items()]


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except ExecmonError as error:
        return Check(name, "fail", str(error), "correct it and run doctor again")
    except Exception as error:
        return Check(name, "fail", f"{type(error).__name__}: {error}", "report this defect")


def check_python(version: tuple[int, int] | None = None) -> Check:
    """3.11 and 3.12 are the versions the stream engine exists for."""
    found = version or (sys.version_info.major, sys.version_info.minor)
    text = ".".join(map(str, found)) if version else platform.python_version()
    if found in _PYTHONS:
        return Check("python", "ok", text)
    return Check(
        "python", "fail", text, "install Python 3.11 or 3.12: Bytewax has no build for others"
    )


def check_libc(system: str | None = None, libc: str | None = None) -> Check:
    """glibc on Linux; elsewhere nothing to check."""
    system = system or platform.system()
    name, number = platform.libc_ver() if libc is None else (libc, "")
    if system != "Linux":
        return Check("libc", "ok", f"{system}, not needed")
    if name == "glibc":
        return Check("libc", "ok", f"glibc {number}".strip())
    return Check(
        "libc", "fail", name or "not glibc (musl?)",
        "use a glibc system such as Debian or Ubuntu: Bytewax has no build for musl",
    )  # fmt: skip


def check_machine() -> Check:
    """Processors and memory."""
    import psutil

    free_mb = psutil.virtual_memory().available // _MB
    found = f"{os.cpu_count()} processors, {free_mb:,} MB of memory free"
    if free_mb < _GOOD_MEMORY_MB:
        return Check("machine", "warn", found, f"have {_GOOD_MEMORY_MB:,} MB free for the demo")
    return Check("machine", "ok", found)


def check_disk(folder: Path | None = None) -> Check:
    """Room where servers and snapshots write."""
    place = folder or Path(tempfile.gettempdir())
    free_mb = shutil.disk_usage(place).free // _MB
    found = f"{free_mb:,} MB free in {place}"
    if free_mb < _NEEDED_DISK_MB:
        return Check("disk", "fail", found, f"free {_NEEDED_DISK_MB} MB, or set TMPDIR elsewhere")
    if free_mb < _GOOD_DISK_MB:
        return Check("disk", "warn", found, f"{_GOOD_DISK_MB:,} MB would be comfortable")
    return Check("disk", "ok", found)


def check_kernels() -> Check:
    """The folder of compiled kernels: writable, and there at the next start."""
    if "numba" in sys.modules and VARIABLE not in os.environ:
        return Check("kernel cache", "ok", "beside the sources, chosen before this began")
    path = use_kernel_cache()
    if not os.access(path, os.W_OK):
        return Check(
            "kernel cache", "fail", f"{path} is not writable",
            "set NUMBA_CACHE_DIR to a folder you can write to",
        )  # fmt: skip
    if path.name.startswith("execmon-kernels-"):
        return Check(
            "kernel cache", "warn", f"{path}, only for this process",
            "every start compiles for a minute: set NUMBA_CACHE_DIR to a folder that stays",
        )  # fmt: skip
    compiled = any(path.rglob("*.nbi"))
    return Check(
        "kernel cache", "ok", f"{path}{'' if compiled else ', empty: first start compiles'}"
    )


def check_settings() -> Check:
    """Settings can be read."""
    settings = load_settings()
    given = sum(origin != "default" for _, _, origin in settings.rows())
    return Check("settings", "ok", f"{given} set, the rest default; see `execmon config show`")


def check_sockets() -> Check:
    """A folder short enough for unix sockets."""
    return Check("sockets", "ok", f"in {base_dir()}")


def check_servers() -> Check:
    """Both embedded servers start, answer and stop."""
    began = time.perf_counter()
    with (
        EmbeddedServer("bus", durable=True) as bus,
        EmbeddedServer("status", durable=False) as status,
    ):
        version = ""
        for server in (bus, status):
            with Redis.from_url(server.url, socket_timeout=5.0) as client:
                info: dict[str, str] = client.info("server")  # pyright: ignore[reportAssignmentType]
                version = info.get("valkey_version") or info.get("redis_version", "")
    took_ms = (time.perf_counter() - began) * 1e3
    return Check(
        "servers", "ok", f"Valkey {version}, both started and stopped in {took_ms:,.0f} ms"
    )


def check_clock() -> Check:
    """The wall clock is set and kept by a time service."""
    now_s = time.time()
    if now_s < _SECONDS_2024:
        return Check(
            "clock", "fail", time.strftime("%Y-%m-%d", time.gmtime(now_s)), "set the clock"
        )
    state = _adjtimex()
    if state == _UNSYNCHRONISED:
        return Check(
            "clock", "warn", "the kernel says that it is not synchronised",
            "run an NTP service before you compare times with other machines",
        )  # fmt: skip
    return Check("clock", "ok", "set" if state is None else "set and synchronised")


def _adjtimex() -> int | None:
    """State of the kernel's clock, None where it cannot be asked."""
    if sys.platform != "linux":
        return None
    state = ctypes.CDLL(None).adjtimex(ctypes.create_string_buffer(_TIMEX_BYTES))
    return None if state < 0 else int(state)


def check_sample() -> Check:
    """Real data for the tests, which are skipped without it."""
    given = os.environ.get(_SAMPLE)
    folder = Path(given) if given else Path(__file__).resolve().parents[2] / "shared" / "data"
    if folder.is_dir():
        return Check("sample data", "ok", str(folder))
    state: State = "warn" if given else "ok"
    advice = f"correct {_SAMPLE}" if given else ""
    return Check("sample data", state, "not here, and only needed by some tests", advice)


CHECKS: dict[str, Callable[[], Check]] = {
    "python": check_python,
    "libc": check_libc,
    "machine": check_machine,
    "disk": check_disk,
    "kernel cache": check_kernels,
    "settings": check_settings,
    "sockets": check_sockets,
    "servers": check_servers,
    "bus": check_bus,
    "status store": check_status,
    "history": check_history,
    "port": check_port,
    "data": check_data,
    "deployment": check_deployment,
    "clock": check_clock,
    "sample data": check_sample,
}
