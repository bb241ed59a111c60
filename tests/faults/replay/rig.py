"""Servers, supervised processes and a replay that runs through them while it is disturbed.

The processes are kept running by the supervisor of `execmon up`, with short pauses. Another bus
is tried by a line in `buses.py`.
"""

import random
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import redis

from bus.connect import open_bus
from cli.deployment import FOLLOWING, POLICY
from cli.history import RECOVERY_FOLDER
from cli.recovery import prepare_recovery
from cli.recovery_store import read_store
from cli.worker import environment
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.history_server import EmbeddedPostgres
from runtime.ports import free_ports
from runtime.servers import EmbeddedServer
from runtime.settings import load_settings
from runtime.supervise import Supervisor
from runtime.unit import Policy, State
from runtime.units import Processes
from sinks.history.migrate import migrate
from tests.faults.replay.buses import TIMEOUT_S, BusServer, settings_of
from tests.faults.replay.outcome import Outcome, outcome
from tests.faults.replay.script import LAST, Said, Teller

RANDOM = "random"
PATIENCE_S = 900.0
"""A busy machine may take so long to compile the kernels."""
_MOST_IDLE_S = 1.0
"""How long to wait for rows of a slice before the next one is told."""
_SHARE = 12
"""Slices of the replay for each kill."""
_MOST_BUSY_S = 10.0
EPOCH_S = 0.3
THRESHOLDS = "SLIPPAGE=0.1 EXECUTION_SPEED=0.95 MARKET_IMPACT_BPS=0.1"
"""So that most orders of a short replay have alerts that begin, change and end."""


@dataclass(frozen=True, slots=True)
class Kill:
    """Where a life of a unit ends: at a point of `hook.py` the `number`-th time, or at random."""

    unit: str
    point: str = RANDOM
    number: int = 1


@dataclass
class Stage:
    """What one run needs; use the context manager `Stage.open`."""

    bus_server: BusServer
    status_server: EmbeddedServer
    store: EmbeddedPostgres
    folder: Path
    stack: ExitStack
    workers: int = 1
    """Processes of the monitor."""
    sizes: deque[int] = field(default_factory=deque)
    """How many there are in each life of the cluster, where that changes."""
    build: str = ""
    kills: dict[str, deque[Kill]] = field(default_factory=dict)
    dice: random.Random = field(default_factory=lambda: random.Random(7))
    addresses: Callable[[int], Sequence[str]] | None = None
    """Gives each process the addresses of the cluster as it is to see them."""
    log: list[str] = field(default_factory=list)
    killed: int = 0
    """Lives that ended as they were meant to."""
    _due: dict[str, float] = field(default_factory=dict)
    _now: dict[str, Kill] = field(default_factory=dict)

    def __post_init__(self) -> None:
        name = f"t{uuid.uuid4().hex[:12]}"
        with psycopg.connect(self.store.url, autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}")
        self.history_url = urlsplit(self.store.url)._replace(path=f"/{name}").geturl()
        migrate(self.history_url)
        self.settings = load_settings(
            {"recovery_dir": str(self.folder / "recovery"), "epoch_s": EPOCH_S,
             "alert_thresholds": THRESHOLDS, **settings_of(self.bus_server)},
            env={},
        )  # fmt: skip
        self.bus = open_bus(self.bus_server.url, self.settings, timeout_s=TIMEOUT_S)
        self.stack.callback(self.bus.close)
        self.bus.set_up(dict(self.settings.partitions), self.settings.groups)
        self.status = redis.Redis.from_url(self.status_server.url, socket_timeout=2.0)
        self.stack.callback(self.status.close)
        prepare_recovery(self.recovery)
        self.units = {name: self._unit(name) for name in ("worker", "history")}
        policy = Policy(
            first_pause_s=0.05, most_pause_s=0.5, give_up_s=PATIENCE_S, crash_loop=10_000,
            hopeless=POLICY.hopeless, waiting=POLICY.waiting,
        )  # fmt: skip
        self.supervisor = Supervisor(list(self.units.values()), policy)
        self.stack.callback(self._end)

    @property
    def recovery(self) -> Path:
        """Folder of the worker's snapshots."""
        return self.folder / "recovery"

    def _end(self) -> None:
        for unit in self.units.values():
            unit.close()

    # Processes

    def _unit(self, name: str) -> Processes:
        return Processes(name, lambda: self._commands(name), self._env, self._on_line,
                         following=FOLLOWING)  # fmt: skip

    def _on_line(self, process: str, line: bytes) -> None:
        self.log.append(f"{process} {line.decode(errors='replace')}")

    def _env(self) -> Mapping[str, str]:
        root = Path(__file__).resolve().parents[3]
        servers = Servers(self.bus_server.url, self.status_server.url)
        env = environment(
            self.settings, servers, EXECMON_EPOCH_S=f"{EPOCH_S}", EXECMON_LOG_FORMAT="json",
            EXECMON_HISTORY_URL=self.history_url, EXECMON_ALERT_THRESHOLDS=THRESHOLDS,
            **{f"EXECMON_{k.upper()}": v for k, v in settings_of(self.bus_server).items()},
        )  # fmt: skip
        return {**env, "PYTHONPATH": str(root)}

    def _commands(self, name: str) -> list[list[str]]:
        """Command lines of a new life of a unit, with how it is to end."""
        argv = [sys.executable, "-m", "tests.faults.replay.hook"]
        waiting = self.kills.get(name)
        if self._now.pop(name, None):
            ending = self.supervisor.seats[name].ending
            # Of a cluster another process may be seen first, which lost the one that died.
            followed = FOLLOWING | {-signal.SIGABRT} if self.workers > 1 else frozenset[int]()
            assert ending is not None
            assert ending.code in {-signal.SIGKILL} | followed, self.tail()
            self.killed += 1
        self._due.pop(name, None)
        if waiting:
            kill = self._now[name] = waiting.popleft()
            if kill.point != RANDOM:
                argv += ["--die-at", f"{kill.point}:{kill.number}"]
        if self.build and name == "worker":
            argv += ["--build", self.build]
        argv.append(name)
        if name == "worker" and self.sizes:
            self.workers = self.sizes.popleft()
        if name == "history" or self.workers == 1:
            return [argv]
        return [
            [*argv, "--process-id", str(number), "--addresses", addresses]
            for number, addresses in enumerate((self.addresses or _addresses)(self.workers))
        ]

    def step(self) -> None:
        """Look after the processes once, and kill what is due at random."""
        for name, kill in list(self._now.items()):
            state = self.supervisor.seats[name].state
            if kill.point == RANDOM and state is State.READY:
                due = self._due.setdefault(name, time.monotonic() + self.dice.uniform(0, 0.9))
                if time.monotonic() >= due:
                    self.kill_one(name)
        result = self.supervisor.step()
        assert result is None, f"{result}\n{self.tail()}"

    def kill_one(self, name: str) -> None:
        """SIGKILL one of a unit's processes."""
        members = self.units[name]._members
        self.dice.choice(members).child._process.kill()

    def tail(self) -> str:
        """The last lines that any process wrote."""
        return "\n".join(self.log[-30:])

    def is_ready(self) -> bool:
        """Whether every process is at work."""
        return self.supervisor.is_ready()

    def wait_for(self, what: Callable[[], object], seconds: float = PATIENCE_S) -> float:
        """Look after the processes until it is so; gives how long it took."""
        began = time.monotonic()
        while not what():
            assert time.monotonic() - began < seconds, self.tail()
            self.step()
            time.sleep(0.005)
        return time.monotonic() - began

    # The replay

    def run(self, said: Sequence[Said], kills: Iterable[Kill] = ()) -> Outcome:
        """Tell everything while the units die as planned; what is left when all has come out."""
        kills = list(kills)
        for kill in kills:
            self.kills.setdefault(kill.unit, deque()).append(kill)
        with Teller(self.bus, said) as teller:
            slice_ = max(len(said) // (_SHARE * len(kills) + 8), 1)
            told = killed = 0
            while self._now or any(self.kills.values()):
                self.wait_for(self.is_ready)
                assert teller.left > slice_, f"the replay ends before {self._now}\n{self.tail()}"
                self.tell(teller, slice_)
                told, killed = (told + 1 if self.killed == killed else 0), self.killed
                if told > _SHARE:
                    self._let_die()
            return self.finish(teller)

    def _let_die(self) -> None:
        """Give a busy machine the time to come to where it dies, before more is told."""
        until = time.monotonic() + _MOST_BUSY_S
        self.wait_for(lambda: not self.is_ready() or time.monotonic() > until)

    def tell(self, teller: Teller, count: int) -> None:
        """Publish so many messages and wait until rows have come of them, but not for long."""
        before = self.written()
        teller.tell(count)
        until = time.monotonic() + _MOST_IDLE_S
        self.pause(0.05)
        self.wait_for(lambda: self.written() != before or time.monotonic() > until)

    def written(self) -> list[str]:
        """The newest position in each partition of the updates."""
        topic = Topic.EXECUTION_UPDATES
        return [self.bus.end((topic, p)) for p in range(self.bus.partitions(topic))]

    def pause(self, seconds: float) -> None:
        """Look after the processes for so long."""
        until = time.monotonic() + seconds
        self.wait_for(lambda: time.monotonic() >= until)

    def finish(self, teller: Teller) -> Outcome:
        """Tell the rest, and wait for the last rows and all that is written with them."""
        teller.tell(teller.left)
        self.wait_for(self.is_done)
        self.wait_for_flushes()
        return outcome(self.bus, self.status, self.history_url)

    def wait_for_flushes(self) -> None:
        """Wait until each flow has closed an epoch that began after now."""
        for folder in (self.recovery, self.recovery / RECOVERY_FOLDER):
            epoch = read_store(folder).resume_epoch

            def is_past(folder: Path = folder, epoch: int = epoch) -> bool:
                time.sleep(0.05)
                return read_store(folder).resume_epoch > epoch + 1

            self.wait_for(is_past)

    def is_done(self) -> bool:
        """Whether every group's last order is in the history and shown as final."""
        time.sleep(0.05)
        with psycopg.connect(self.history_url) as connection:
            found = connection.execute(
                "SELECT count(*) FROM execution_monitoring_ts WHERE order_id LIKE 'LAST-%'"
            ).fetchone()
        if found is None or found[0] < len(LAST):
            return False
        bodies = [self.status.hget(f"execution:status:{order}", "body") for order in LAST]
        return all(body is not None and b'"provisional":false' in body for body in bodies)


def _addresses(count: int) -> Sequence[str]:
    addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(count))
    return [addresses] * count
