"""The parts of the demo, in the order they start and end."""

import json
import shutil
import tempfile
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.live import Live

from bus.base import START, Bus
from bus.clock import ClockThread, ClockWriter
from bus.connect import open_bus
from cli.board import board, open_orders
from cli.child import Child
from cli.demo_feed import DeskFeed
from cli.demo_tally import Tally
from cli.output import number, print_json
from cli.servers import connected
from cli.simulate import build_spec
from cli.worker import command, environment, prepare_recovery
from domain.errors import ServerError
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.logs import set_up_logs
from runtime.servers import open_servers
from runtime.settings import Settings, load_settings
from sources.simulator.script import Simulation

REFRESH_S = 0.5
READY_S = 600.0
_SETTLE_S = 2.0
_ROWS = 25


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the demo was told."""

    seconds: float | None = None
    seed: int = 0
    open_orders: int = 25
    events_per_s: float = 300.0
    faults: tuple[str, ...] = ()
    as_json: bool = False


def run_demo(options: DemoOptions) -> None:
    """Run until the time is over or Ctrl-C, then print the summary.

    Raises ServerError where a server or the worker does not start or ends by itself.
    """
    simulation = Simulation(_spec(options), options.seed)
    with _folder() as folder, ExitStack() as stack:
        settings = load_settings(
            {"bus_url": "embedded", "status_url": "embedded",
             "recovery_dir": str(folder / "recovery")}
        )  # fmt: skip
        set_up_logs("WARNING", settings.log_format)
        servers = stack.enter_context(open_servers())
        bus = open_bus(servers.bus_url)
        stack.callback(bus.close)
        bus.set_up({Topic(n): count for n, count in settings.partitions.items()}, settings.groups)
        worker = stack.enter_context(_worker(settings, servers, folder))
        _wait_until_ready(worker, quiet=options.as_json)
        writer = ClockWriter(
            bus, interval_ms=settings.clock_interval_ms, lag_ms=settings.clock_lag_ms
        )
        clock = stack.enter_context(ClockThread(writer))
        client = stack.enter_context(connected(servers.status_url))
        feed = DeskFeed(bus, simulation)
        tally = stack.enter_context(Tally(client, feed.published_at))
        stack.enter_context(feed)
        demo = _Demo(options, bus, client, worker, clock, feed, tally)
        demo.watch()
        feed.stop()
        demo.settle()
        summary = demo.summary()
    _print(summary, as_json=options.as_json)


def _spec(options: DemoOptions) -> Any:
    import msgspec

    spec = build_spec(
        minutes=1.0, symbols=(), day=False, open_orders=options.open_orders,
        events_per_s=options.events_per_s, faults=options.faults,
    )  # fmt: skip
    return msgspec.structs.replace(spec, duration_s=None)


@contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="execmon-demo-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _worker(settings: Settings, servers: Servers, folder: Path) -> Child:
    assert settings.recovery_dir is not None
    prepare_recovery(settings.recovery_dir)
    env = environment(settings, servers, EXECMON_LOG_FORMAT="json", EXECMON_LOG_LEVEL="INFO")
    return Child(command(settings), env, folder / "worker.log")


def _wait_until_ready(worker: Child, *, quiet: bool) -> None:
    """Wait for the worker's log line that says so. Raises ServerError."""
    console = Console(stderr=True, quiet=quiet)
    began = time.monotonic()
    with console.status("Starting the worker; the first start compiles its kernels …"):
        while not is_ready(worker.log):
            if worker.exit_code is not None:
                raise ServerError(f"the worker ended before it was ready: {worker.last_words()}")
            if time.monotonic() - began > READY_S:
                raise ServerError(
                    f"the worker was not ready after {READY_S:g} s: {worker.last_words()}"
                )
            time.sleep(0.05)


def is_ready(log: Path) -> bool:
    """Whether the worker's log, JSON lines, has the event `ready`."""
    for line in log.read_text(errors="replace").splitlines():
        try:
            found = json.loads(line)
        except ValueError:
            continue
        if isinstance(found, dict) and found.get("event") == "ready":
            return True
    return False


class _Demo:
    """The running demo, as the terminal sees it."""

    def __init__(
        self,
        options: DemoOptions,
        bus: Bus,
        client: Any,
        worker: Child,
        clock: ClockThread,
        feed: DeskFeed,
        tally: Tally,
    ) -> None:
        self._options = options
        self._bus = bus
        self._client = client
        self._worker = worker
        self._clock = clock
        self._feed = feed
        self._tally = tally
        self._began = time.monotonic()
        self._traded_s = 0.0
        self._timing = False
        self.interrupted = False

    def watch(self) -> None:
        """Show open orders twice a second until the time is over or Ctrl-C."""
        console = Console(quiet=self._options.as_json)
        try:
            if console.is_terminal and not self._options.as_json:
                with Live(console=console, auto_refresh=False, transient=True) as live:
                    while self._goes_on():
                        live.update(self._table(console.width), refresh=True)
            else:
                while self._goes_on():
                    pass
        except KeyboardInterrupt:
            self.interrupted = True
        self._traded_s = time.monotonic() - self._began

    def _goes_on(self) -> bool:
        """Sleep until the next refresh; whether there is one. Raises what went wrong."""
        left = REFRESH_S
        if self._options.seconds is not None:
            left = min(left, self._options.seconds - (time.monotonic() - self._began))
        if left <= 0:
            return False
        time.sleep(left)
        self._check()
        if not self._timing and self._tally.updates:
            self._timing = True
            self._tally.begin()
        return True

    def _check(self) -> None:
        self._feed.check()
        self._clock.check()
        if self._worker.exit_code is not None:
            raise ServerError(
                f"the worker ended with {self._worker.exit_code}: {self._worker.last_words()}"
            )

    def _table(self, width: int) -> Any:
        shown = self._tally.latencies()
        title = (
            f"execmon demo   {time.monotonic() - self._began:,.0f} s   "
            f"{self._tally.orders:,} orders   {self._tally.fills:,} fills   "
            f"{self._tally.updates:,} updates   "
            f"p50 {number(shown.p50_ms, 1)} ms   p99 {number(shown.p99_ms, 1)} ms   Ctrl-C ends"
        )
        return board(open_orders(self._client, limit=_ROWS), title=title, width=width)

    def settle(self) -> None:
        """Give what is on its way time to arrive."""
        until = time.monotonic() + _SETTLE_S
        seen = -1
        while time.monotonic() < until and seen != self._tally.updates:
            seen = self._tally.updates
            time.sleep(0.3)

    def summary(self) -> dict[str, Any]:
        """The figures of the whole run."""
        dead = sum(
            self._bus.lag((Topic.DEAD_LETTER, p), START)
            for p in range(self._bus.partitions(Topic.DEAD_LETTER))
        )
        latencies = self._tally.latencies()
        counts = self._feed.counts
        return {
            "seconds": self._traded_s,
            "orders": self._tally.orders,
            "fills": self._tally.fills,
            "updates": self._tally.updates,
            "latency_p50_ms": latencies.p50_ms,
            "latency_p99_ms": latencies.p99_ms,
            "latency_p999_ms": latencies.p999_ms,
            "latency_count": latencies.count,
            "dead_letters": dead,
            "published": dict(sorted(counts.items())),
            "published_total": counts.total(),
            "interrupted": self.interrupted,
        }


_SHOWN = (
    ("orders", "orders", 0),
    ("fills", "fills", 0),
    ("updates", "updates", 0),
    ("latency p50 ms", "latency_p50_ms", 2),
    ("latency p99 ms", "latency_p99_ms", 2),
    ("dead letters", "dead_letters", 0),
)


def _print(summary: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    typer.echo(f"The desk traded for {summary['seconds']:.1f} s; the monitor showed:")
    for words, name, digits in _SHOWN:
        typer.echo(f"  {words:<15} {number(summary[name], digits):>12}")
