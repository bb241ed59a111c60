"""The parts of the demo, in the order they start and end."""

import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.live import Live

from bus.connect import open_bus
from cli.board import board, open_orders
from cli.demo_feed import DeskFeed
from cli.demo_stored import dead_letters, rows_stored
from cli.demo_tally import Tally
from cli.deployment import POLICY, Deployment, Plan
from cli.failures import say
from cli.output import number, print_json
from cli.servers import connected
from cli.simulate import build_spec
from cli.up_state import let_others_pass
from domain.errors import ServerError
from runtime.logs import set_up_logs
from runtime.private_dirs import make_private_dir, remove_private_dir
from runtime.servers import EMBEDDED
from runtime.settings import load_settings
from runtime.supervise import Supervisor
from runtime.unit import State
from sources.simulator.script import Simulation

REFRESH_S = 0.5
_SETTLE_S = 2.0
_ROWS = 25
_POLICY = replace(POLICY, give_up_s=15.0, drain_s=10.0, waiting=frozenset())


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the demo was told."""

    bus_url: str = EMBEDDED
    seconds: float | None = None
    seed: int = 0
    open_orders: int = 25
    events_per_s: float = 300.0
    faults: tuple[str, ...] = ()
    as_json: bool = False


def run_demo(options: DemoOptions) -> None:
    """Run until the time is over or Ctrl-C, then print the summary.

    Raises ServerError where a server or a process does not start or keeps ending.
    """
    simulation = Simulation(_spec(options), options.seed)
    with _folder() as folder, ExitStack() as stack:
        settings = load_settings(
            {"bus_url": options.bus_url, "status_url": EMBEDDED, "history_url": EMBEDDED,
             "history_dir": str(folder / "history"), "recovery_dir": str(folder / "recovery"),
             "api_host": "127.0.0.1",
             # There are no days before it.
             "usual_days": 0}
        )  # fmt: skip
        set_up_logs("WARNING", settings.log_format)
        cleanup = stack.enter_context(ExitStack())
        deployment = Deployment(
            # Nobody wants to be paged for a desk that does not exist.
            Plan(settings=settings, data_dir=folder, notifies=False),
            lambda _name, _line: None,
            cleanup,
        )
        supervisor = Supervisor(deployment.units, _POLICY)
        stack.callback(supervisor.drain)
        _wait_until_ready(supervisor, quiet=options.as_json)
        servers = deployment.servers()
        say(f"page: {deployment.page() or 'none'}   in another terminal: execmon watch")
        bus = open_bus(servers.bus_url, settings)
        stack.callback(bus.close)
        client = stack.enter_context(connected(servers.status_url))
        feed = DeskFeed(bus, simulation)
        tally = stack.enter_context(Tally(client, feed.published_at))
        stack.enter_context(feed)
        demo = _Demo(options, client, supervisor, feed, tally)
        demo.watch()
        feed.stop()
        demo.settle()
        has_history = supervisor.seats["history"].state is State.READY
        history_url = deployment.history_url() if has_history else ""
        summary = demo.summary(dead_letters(bus), rows_stored(history_url))
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
    """A folder of our own; should we be killed, the next start of any server removes it."""
    folder, lock = make_private_dir()
    let_others_pass(folder)
    try:
        yield folder
    finally:
        remove_private_dir(folder)
        lock.release()


def _wait_until_ready(supervisor: Supervisor, *, quiet: bool) -> None:
    """Until all is ready, or what the live status does not need keeps ending.

    Raises ServerError.
    """
    console = Console(stderr=True, quiet=quiet)
    with console.status("Starting; the first start compiles the kernels …"):
        while not _is_good_enough(supervisor):
            _keep_up(supervisor)


def _is_good_enough(supervisor: Supervisor) -> bool:
    return all(
        seat.state is State.READY or (seat.falls >= _POLICY.crash_loop and not seat.unit.essential)
        for seat in supervisor.seats.values()
    )


def _keep_up(supervisor: Supervisor, seconds: float = 0.05) -> None:
    """Let the supervisor work for a while. Raises ServerError where it gives up."""
    until = time.monotonic() + seconds
    while True:
        outcome = supervisor.step()
        if outcome is not None:
            raise ServerError(outcome.words)
        left = until - time.monotonic()
        if left <= 0:
            return
        time.sleep(min(left, 0.05))


class _Demo:
    """The running demo, as the terminal sees it."""

    def __init__(
        self,
        options: DemoOptions,
        client: Any,
        supervisor: Supervisor,
        feed: DeskFeed,
        tally: Tally,
    ) -> None:
        self._options = options
        self._client = client
        self._supervisor = supervisor
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
        """Work until the next refresh; whether there is one. Raises what went wrong."""
        left = REFRESH_S
        if self._options.seconds is not None:
            left = min(left, self._options.seconds - (time.monotonic() - self._began))
        if left <= 0:
            return False
        _keep_up(self._supervisor, left)
        self._feed.check()
        if not self._timing and self._tally.updates:
            self._timing = True
            self._tally.begin()
        return True

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

    def summary(self, dead: int, rows: int | None) -> dict[str, Any]:
        """The figures of the whole run."""
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
            "rows_stored": rows,
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
    ("rows stored", "rows_stored", 0),
)


def _print(summary: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(summary)
        return
    typer.echo(f"The desk traded for {summary['seconds']:.1f} s; the monitor showed:")
    for words, name, digits in _SHOWN:
        typer.echo(f"  {words:<15} {number(summary[name], digits):>12}")
