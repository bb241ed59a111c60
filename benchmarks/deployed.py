"""The product's own processes under a benchmark, on embedded servers of their own."""

import os
import sys
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from api.store.keys import create
from bus.base import Bus
from bus.connect import open_bus
from domain.vocabulary import Topic
from runtime.addresses import Servers
from runtime.history_server import EmbeddedPostgres
from runtime.servers import open_servers
from runtime.units import Processes
from sinks.history.migrate import migrate

PARTITIONS = 4
GROUPS = 16
DESK = "US-CASH"
_START_S = 300.0
"""The first start on a machine compiles the kernels."""
_NO_LIMIT = "1000000000"


class Deployed:
    """Servers, and whichever processes a benchmark starts."""

    def __init__(self, stack: ExitStack) -> None:
        self.folder = Path(stack.enter_context(TemporaryDirectory(prefix="execmon-bench-")))
        self.servers: Servers = stack.enter_context(open_servers())
        self.bus: Bus = open_bus(self.servers.bus_url)
        stack.callback(self.bus.close)
        self.bus.set_up(dict.fromkeys(Topic, PARTITIONS), GROUPS)
        self.history_url = ""
        self._stack = stack

    def start(
        self, name: str, commands: Sequence[Sequence[str]] = (), **settings: str
    ) -> Processes:
        """Run `execmon NAME`, or these command lines for it, and wait until it is ready."""
        argvs = commands or [[sys.executable, "-m", "cli.main", name]]
        unit = Processes(name, lambda: argvs, lambda: self._env(settings), lambda *_: None)
        self._stack.callback(unit.kill)
        unit.start()
        until = time.monotonic() + _START_S
        while not unit.is_ready():
            ended = unit.ended()
            if ended is not None or time.monotonic() > until:
                words = ended.words if ended else "it did not say that it is ready"
                raise SystemExit(f"execmon {name} did not start: {words}")
            time.sleep(0.05)
        return unit

    def start_monitor(self, **settings: str) -> Processes:
        """The clock and one worker with snapshots on; gives the worker."""
        self.start("clock")
        recovery = str(self.folder / "recovery")
        return self.start("worker", EXECMON_RECOVERY_DIR=recovery, **settings)

    def start_api(self, **settings: str) -> tuple[str, int, int]:
        """An API with identity as deployed: (a key that may read, its port, its process id)."""
        store = self._stack.enter_context(EmbeddedPostgres())
        self.history_url = store.url
        migrate(store.url)
        with psycopg.connect(store.url) as connection:
            _, key = create(connection, "bench", ["read"], [DESK], by="bench")
        api = self.start(
            "api", EXECMON_API_PORT="0", EXECMON_API_READS_PER_S=_NO_LIMIT,
            EXECMON_API_WRITES_PER_S=_NO_LIMIT, **settings,
        )  # fmt: skip
        return key, int(str(api.said("address")).rpartition(":")[2]), api.pids()[0]

    def _env(self, settings: Mapping[str, str]) -> Mapping[str, str]:
        return {
            **os.environ,
            "PYTHONPATH": str(Path(__file__).resolve().parents[1]),
            "EXECMON_BUS_URL": self.servers.bus_url,
            "EXECMON_STATUS_URL": self.servers.status_url,
            "EXECMON_HISTORY_URL": self.history_url or "postgresql://nobody@127.0.0.1:1/none",
            "EXECMON_LOG_FORMAT": "json",
            **settings,
        }


@contextmanager
def deployed() -> Generator[Deployed]:
    """Servers for one run; everything that was started ends with the block."""
    with ExitStack() as stack:
        yield Deployed(stack)
