"""`execmon history`."""

import os
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.ending import ended_in_time

if TYPE_CHECKING:
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None)
FLOW = "dataflows.history:flow"
RECOVERY_FOLDER = "history"
"""Below the recovery folder: the snapshots of two flows must not meet."""

GRACE_S = 10.0
"""How long the end waits for the store to take what is left."""
_AWAY = "the history store is away; what it lacks is still on the bus and comes at the next start"


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

    from cli.recovery import prepare_recovery
    from cli.recovery_layout import Layout, fitting
    from dataflows.history import SINK_IDS, flow, layout

    recovery = None
    history = flow()
    with ExitStack() as stack:
        if settings.recovery_dir is not None:
            folder = settings.recovery_dir / RECOVERY_FOLDER
            prepare_recovery(folder)
            stack.enter_context(fitting(folder, Layout(**layout(settings)), SINK_IDS))
            recovery = RecoveryConfig(folder, backup_interval=timedelta(0))
        stack.enter_context(ended_in_time(GRACE_S, _AWAY))
        cluster_main(
            history,
            [],
            0,
            epoch_interval=timedelta(seconds=settings.epoch_s),
            recovery_config=recovery,
            worker_count_per_proc=1,
        )
