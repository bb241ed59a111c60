"""`execmon history`."""

import os
import signal
import threading
from collections.abc import Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Annotated

import typer

from cli.failures import INTERRUPTED, TERMINATED, say

if TYPE_CHECKING:
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None)
FLOW = "dataflows.history:flow"
RECOVERY_FOLDER = "history"
"""Below the recovery folder: the snapshots of two flows must not meet."""

GRACE_S = 10.0
"""How long the end waits for the store to take what is left."""
_CODES: dict[int, int] = {signal.SIGTERM: TERMINATED, signal.SIGINT: INTERRUPTED}


@app.command()
def history(
    migrate: Annotated[
        bool, typer.Option("--migrate", help="Bring the schema up to date first.")
    ] = False,
    recovery_dir: Annotated[
        Path | None, typer.Option(help="Folder of snapshots; as configured if absent.")
    ] = None,
    bus_url: Annotated[str | None, typer.Option(help="Bus; as configured if absent.")] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
    history_dir: Annotated[
        Path | None, typer.Option(help="Data of an embedded store; as configured if absent.")
    ] = None,
) -> None:
    """Write final rows from the bus to the history store until stopped.

    An embedded store is started and migrated; another is migrated only if told to. With a
    recovery folder a restart goes on where the last snapshot stood; without one it reads the
    bus from the beginning, which changes nothing that is stored.
    """
    from cli.db import storage_settings
    from cli.servers import bus_address
    from runtime.history_server import open_history
    from runtime.servers import EMBEDDED
    from runtime.settings import load_settings
    from sinks.history.migrate import migrate as bring

    settings = load_settings(
        {"bus_url": bus_url, "history_url": history_url,
         "history_dir": None if history_dir is None else str(history_dir),
         "recovery_dir": None if recovery_dir is None else str(recovery_dir)}
    )  # fmt: skip
    address = bus_address(settings)
    with open_history(settings.history_url, settings.history_dir) as store:
        if migrate or settings.history_url == EMBEDDED:
            bring(store, storage_settings(settings))
        os.environ.update({"EXECMON_BUS_URL": address, "EXECMON_HISTORY_URL": store})
        run(settings)


def run(settings: "Settings") -> None:
    """Run the flow in this process until it is stopped; errors keep their words."""
    from bytewax.recovery import RecoveryConfig
    from bytewax.testing import cluster_main

    from cli.worker import prepare_recovery
    from dataflows.history import flow

    recovery = None
    if settings.recovery_dir is not None:
        folder = settings.recovery_dir / RECOVERY_FOLDER
        prepare_recovery(folder)
        recovery = RecoveryConfig(folder, backup_interval=timedelta(0))
    with _ended_in_time():
        cluster_main(
            flow(),
            [],
            0,
            epoch_interval=timedelta(seconds=settings.epoch_s),
            recovery_config=recovery,
            worker_count_per_proc=1,
        )


@contextmanager
def _ended_in_time() -> Generator[None]:
    """Once told to stop, end within `GRACE_S`, also where a store that is away holds a worker."""
    timers: list[threading.Timer] = []
    before = {signum: signal.getsignal(signum) for signum in _CODES}

    def told(signum: int, frame: FrameType | None) -> None:
        timer = threading.Timer(GRACE_S, _give_up, (_CODES[signum],))
        timer.daemon = True
        timer.start()
        timers.append(timer)
        handler = before[signum]
        if callable(handler):
            handler(signum, frame)

    for signum in _CODES:
        signal.signal(signum, told)
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)
        for timer in timers:
            timer.cancel()


def _give_up(code: int) -> None:
    say("the history store is away; what it lacks is still on the bus and comes at the next start")
    os._exit(code)
