"""What every benchmark shares: the machine's description, repeated timing, printing."""

import argparse
import json
import math
import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from typing import Any, TypeVar

import psutil

Result = TypeVar("Result")
_LIBRARIES = ("bytewax", "numba", "numpy", "polars")


def machine() -> dict[str, Any]:
    """CPU model, cores, memory in GB, versions and the date: what a figure depends on."""
    return {
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(psutil.virtual_memory().total / 1e9, 1),
        "python": platform.python_version(),
        "libraries": {name: version(name) for name in _LIBRARIES},
        "load_1min": round(os.getloadavg()[0], 2),
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
    }


def _cpu_model() -> str:
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = (line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.processor() or platform.machine())


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds of each repetition."""

    seconds: tuple[float, ...]

    @property
    def median_s(self) -> float:
        """The figure that is reported; NaN without a repetition."""
        return statistics.median(self.seconds) if self.seconds else math.nan

    @property
    def spread_s(self) -> float:
        """Slowest less fastest repetition."""
        return max(self.seconds) - min(self.seconds)


def timed(action: Callable[[], object], times: int, *, warm: int = 1) -> Timing:
    """Run `warm` times without looking, then `times` with the clock."""
    for _ in range(warm):
        action()
    seconds: list[float] = []
    for _ in range(times):
        began = time.perf_counter()
        action()
        seconds.append(time.perf_counter() - began)
    return Timing(tuple(seconds))


def peak_mb() -> float:
    """Most memory that this process has held, MB."""
    status = Path("/proc/self/status")
    lines = status.read_text().splitlines() if status.exists() else []
    # getrusage would count what the parent held before it started this process.
    found = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    peak = found[0] if found else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / 1024, 1)


def apart(action: Callable[..., Result], *arguments: object) -> tuple[Result, float]:
    """Run a module's function in a fresh process: its result and that process's peak, MB.

    So that one way's memory is not counted as another's, and neither warms the other up.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        result = pool.submit(action, *arguments).result()
        return result, pool.submit(peak_mb).result()


def parser(name: str, words: str) -> argparse.ArgumentParser:
    """A command line with `--json` and `--repeat`, which every benchmark has."""
    out = argparse.ArgumentParser(prog=f"python -m benchmarks.{name}", description=words)
    out.add_argument("--json", action="store_true", help="print one JSON object and nothing else")
    out.add_argument("--repeat", type=int, default=3, metavar="N", help="timed repetitions")
    return out


def show(name: str, figures: Mapping[str, Any], *, as_json: bool) -> None:
    """Print the figures with the machine they were measured on."""
    whole = {"benchmark": name, **figures, "machine": machine()}
    if as_json:
        print(json.dumps(whole))
        return
    print(f"\n{name}")
    for key, value in whole.items():
        if key != "benchmark":
            print(f"  {key:28} {_readable(value)}")


def _readable(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}" if abs(value) < 1e5 else f"{value:,.0f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    if isinstance(value, Mapping):
        return ", ".join(f"{k} {_readable(v)}" for k, v in value.items())
    return str(value)


def note(words: str) -> None:
    """Say on stderr what is going on, so that stdout holds the figures alone."""
    print(words, file=sys.stderr, flush=True)
