"""What a deployment on one machine consists of, in the order it starts."""

import socket
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

from bus.connect import open_bus
from cli.db import storage_settings
from cli.recovery import prepare_recovery
from cli.servers import connected
from cli.worker import environment
from domain.errors import BusDown, BusError, PeerLost, ServerError, ServerRefused
from domain.vocabulary import Topic
from runtime.addresses import Servers, announced
from runtime.history_server import EmbeddedPostgres
from runtime.ports import free_ports
from runtime.servers import EMBEDDED, EmbeddedServer
from runtime.setting_types import default_history_dir
from runtime.settings import Settings
from runtime.unit import Ending, Policy, Unit
from runtime.units import OnLine, Processes
from runtime.work_units import ServerUnit, Task
from sinks.history.migrate import migrate

SERVER_START_S = 600.0
"""A server that reads a long log at its start may take its time."""
CONFIGURATION, SERVER, RECOVERY = 2, 4, 5
POLICY = Policy(
    hopeless=frozenset({CONFIGURATION, RECOVERY}),
    waiting=frozenset({SERVER}),
)
"""A wrong setting and state of another version stay wrong; a server may come back."""
FOLLOWING = frozenset({PeerLost.exit_code})
"""A process of a cluster that ends because another did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What is asked for."""

    settings: Settings
    data_dir: Path
    workers: int = 1
    notifies: bool = True
    """Whether people are told of alerts, and services of events."""


@dataclass(slots=True)
class Deployment:
    """The units of a plan, with the addresses of embedded servers once they run."""

    plan: Plan
    on_line: OnLine
    cleanup: ExitStack
    bus: EmbeddedServer | None = None
    status: EmbeddedServer | None = None
    history: EmbeddedPostgres | None = None
    units: list[Unit] = field(default_factory=list[Unit])
    port: int = 0
    is_blind: bool = False
    """Whether the API began without an address of the history store."""
    api: Processes = field(init=False)

    def __post_init__(self) -> None:
        settings, data_dir = self.plan.settings, self.plan.data_dir
        self.port = settings.api_port
        if settings.bus_url == EMBEDDED:
            self.bus = EmbeddedServer(
                "bus", durable=True, data_dir=data_dir, start_s=SERVER_START_S
            )
            self.units.append(ServerUnit("bus", self.bus))
        if settings.status_url == EMBEDDED:
            self.status = EmbeddedServer("status", durable=False, start_s=SERVER_START_S)
            self.units.append(ServerUnit("status", self.status))
        live = tuple(unit.name for unit in self.units)
        store: tuple[str, ...] = ()
        if settings.history_url == EMBEDDED:
            self.history = EmbeddedPostgres(settings.history_dir, start_s=SERVER_START_S)
            self.units.append(ServerUnit("postgres", self.history, essential=False))
            store = ("postgres",)
        ready = ("topics", "statuses")
        self.units += [
            Task("topics", self._topics, depends_on=live, final=is_refusal),
            Task("statuses", self._reach_status, depends_on=live, final=is_refusal),
            Task("tables", self._tables, depends_on=store, essential=False, final=is_refusal),
            self._process("clock", self._one("clock"), ready),
            self._process("worker", self._cluster, ready),
            self._process("history", self._one("history"), (*ready, "tables"), essential=False),
        ]
        self.api = self._process(
            "api", self._api, ready, after=("tables",), essential=False, bad_luck=self._lost_port
        )
        if self.plan.notifies:
            self.units.append(
                self._process(
                    "notify", self._one("notify"), ready, after=("tables",), essential=False
                )
            )
        if settings.usual_days:
            usual = self._one("reference", "usual", "--daily")
            self.units.append(self._process("usual", usual, (*ready, "tables"), essential=False))
        self.units.append(self.api)

    def servers(self) -> Servers:
        """Addresses of everything. Raises ServerError before the embedded ones run."""
        settings = self.plan.settings
        return Servers(
            self.bus.url if self.bus else settings.bus_url,
            self.status.url if self.status else settings.status_url,
        )

    def history_url(self) -> str:
        """Address of the history store. Raises ServerError before an embedded one runs."""
        return self.history.url if self.history else self.plan.settings.history_url

    def _process(
        self,
        name: str,
        commands: Callable[[], Sequence[Sequence[str]]],
        depends_on: tuple[str, ...],
        *,
        after: tuple[str, ...] = (),
        essential: bool = True,
        bad_luck: Callable[[Ending], bool] = lambda _: False,
    ) -> Processes:
        return Processes(
            name, commands, self.env, self.on_line,
            depends_on=depends_on, after=after, essential=essential, bad_luck=bad_luck,
            following=FOLLOWING,
        )  # fmt: skip

    def env(self) -> Mapping[str, str]:
        """Environment of every process."""
        settings = self.plan.settings
        return environment(
            settings,
            self.servers(),
            EXECMON_DATA_DIR=str(self.plan.data_dir),
            EXECMON_LOG_FORMAT="json",
            EXECMON_LOG_LEVEL=settings.log_level,
            **self._history_env(),
        )

    def _history_env(self) -> dict[str, str]:
        """The history store, or where it would be: the live status does not wait for it."""
        folder = str(self.plan.settings.history_dir)
        url = self.history_url() if self._has_history() else f"postgresql:///?host={folder}"
        return {"EXECMON_HISTORY_DIR": folder, "EXECMON_HISTORY_URL": url}

    def _has_history(self) -> bool:
        try:
            return bool(self.history_url())
        except ServerError:
            return False

    def _topics(self) -> None:
        """Lay out the bus, make the recovery store, and tell other commands the addresses."""
        servers = self.servers()
        settings = self.plan.settings
        bus = open_bus(servers.bus_url, settings)
        try:
            partitions = {Topic(name): count for name, count in settings.partitions.items()}
            bus.set_up(partitions, settings.groups)
        finally:
            bus.close()
        assert self.plan.settings.recovery_dir is not None
        prepare_recovery(self.plan.settings.recovery_dir)
        self.cleanup.enter_context(announced(servers, self.plan.settings.data_dir))

    def _reach_status(self) -> None:
        with connected(self.servers().status_url):
            pass

    def _tables(self) -> None:
        """Bring the tables up to date; an API that began without them begins anew."""
        migrate(self.history_url(), storage_settings(self.plan.settings))
        if self.is_blind and self.api.pids():
            self.api.ask_to_end()

    def _one(self, *arguments: str) -> Callable[[], list[list[str]]]:
        return lambda: [[sys.executable, "-m", "cli.main", *arguments]]

    def _api(self) -> list[list[str]]:
        """The API's process, at the same port at every start as long as that is free."""
        settings = self.plan.settings
        self.is_blind = not self._has_history()
        if settings.origin("api_port") == "default":
            self.port = self.port if is_free(settings.api_host, self.port) else 0
            self.port = self.port or free_ports(1)[0]
        return self._one("api", "--host", settings.api_host, "--port", str(self.port))()

    def _lost_port(self, ending: Ending) -> bool:
        """Whether somebody else was quicker at a port that we had chosen ourselves."""
        chosen = self.plan.settings.origin("api_port") == "default"
        return chosen and "cannot listen on" in ending.words

    def page(self) -> str:
        """Address of the page, empty before the API is ready."""
        return self.api.said("address") or ""

    def _cluster(self) -> list[list[str]]:
        """The monitor's processes: addresses are chosen anew at every start."""
        base = [sys.executable, "-m", "cli.main", "worker"]
        count = self.plan.workers
        if count == 1:
            return [base]
        addresses = ";".join(f"127.0.0.1:{port}" for port in free_ports(count))
        return [
            [*base, "--process-id", str(number), "--addresses", addresses]
            for number in range(count)
        ]


def is_refusal(error: Exception) -> bool:
    """Whether a server answered that it will not, rather than not answering."""
    if isinstance(error, BusError):
        return not isinstance(error, BusDown)
    return isinstance(error, ServerRefused)


def is_free(host: str, port: int) -> bool:
    """Whether a server could listen there now."""
    with socket.socket() as one:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            one.bind((host, port))
        except OSError:
            return False
    return True


def data_folder(settings: Settings) -> Path:
    """Where a deployment keeps its data: as set, else beside where history stays."""
    return (settings.data_dir or default_history_dir().parent).absolute()
