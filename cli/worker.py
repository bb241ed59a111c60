"""`execmon worker`."""

import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cli.cluster import watched
from cli.ending import ended_in_time
from cli.recovery import prepare_recovery
from cli.recovery_layout import Layout, fitting
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from runtime.addresses import Servers
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None)
FLOW = "dataflows.monitor:flow"
GRACE_S = 5.0
"""How long the end waits for servers to take what is left."""
_AWAY = (
    "a server is away that was still to be told; with a recovery folder the next start tells "
    "it what it lacks"
)


@app.command()
def worker(
    process_id: Annotated[
        int | None, typer.Option(min=0, help="Which process of a cluster this is, from 0.")
    ] = None,
    addresses: Annotated[
        str | None,
        typer.Option(metavar="HOST:PORT;…", help="Every process of the cluster, in order."),
    ] = None,
    workers: Annotated[int, typer.Option(min=1, max=16, help="Worker threads.")] = 1,
    recovery_dir: Annotated[
        Path | None, typer.Option(help="Folder of snapshots; as configured if absent.")
    ] = None,
    bus_url: Annotated[str | None, typer.Option(help="Bus; as configured if absent.")] = None,
    status_url: Annotated[
        str | None, typer.Option(help="Status store; as configured if absent.")
    ] = None,
) -> None:
    """Run one process of the monitoring dataflow until it is stopped.

    With a recovery folder a restart goes on where the last snapshot stood; every process of
    a cluster needs the same folder. Without one a restart begins anew.
    """
    from cli.servers import servers_of
    from runtime.settings import load_settings

    if (process_id is None) != (addresses is None):
        raise ConfigurationError("--process-id and --addresses go together, for a cluster")
    if process_id is not None and addresses is not None:
        count = len(addresses.split(";"))
        if process_id >= count:
            raise ConfigurationError(
                f"--process-id must be below the {count} addresses given, was {process_id}"
            )
    settings = load_settings(
        {"bus_url": bus_url, "status_url": status_url,
         "recovery_dir": None if recovery_dir is None else str(recovery_dir)}
    )  # fmt: skip
    servers = servers_of(settings)
    if settings.recovery_dir is not None:
        prepare_recovery(settings.recovery_dir)
    os.environ.update(environment(settings, servers))
    run(settings, workers=workers, process_id=process_id or 0, addresses=addresses)


def run(settings: "Settings", *, workers: int, process_id: int, addresses: str | None) -> None:
    """Run the monitor in this process, as `python -m bytewax.run` would, until it is stopped.

    Unlike that, errors keep their words and Ctrl-C ends without a trace.
    """
    from bytewax.recovery import RecoveryConfig
    from bytewax.testing import cluster_main

    from dataflows.monitor import SINK_IDS, flow, layout
    from sinks.background import any_waits
    from sources.pulse import Pulse

    recovery = None
    pulse = Pulse() if addresses else None
    monitor = flow(pulse, workers * (len(addresses.split(";")) if addresses else 1))
    with ExitStack() as stack:
        if settings.recovery_dir is not None:
            stack.enter_context(
                fitting(
                    settings.recovery_dir,
                    Layout(**layout(settings)),
                    SINK_IDS,
                    is_first=process_id == 0,
                )
            )
            recovery = RecoveryConfig(settings.recovery_dir, backup_interval=timedelta(0))
            if pulse is not None:
                stack.enter_context(watched(pulse, any_waits, settings.recovery_dir, process_id))
        stack.enter_context(ended_in_time(GRACE_S, _AWAY))
        cluster_main(
            monitor,
            addresses.split(";") if addresses else [],
            process_id,
            epoch_interval=timedelta(seconds=settings.epoch_s),
            recovery_config=recovery,
            worker_count_per_proc=workers,
        )


def command(settings: "Settings", *, workers: int = 1, more: Sequence[str] = ()) -> list[str]:
    """The engine's command line for the monitor."""
    argv = [sys.executable, "-m", "bytewax.run", FLOW, "-s", f"{settings.epoch_s:g}"]
    if workers > 1:
        argv += ["-w", str(workers)]
    if settings.recovery_dir is not None:
        argv += ["-r", str(settings.recovery_dir), "-b", "0"]
    return [*argv, *more]


def environment(settings: "Settings", servers: "Servers", **more: str) -> Mapping[str, str]:
    """This process's environment with the addresses as they were found, and the import path."""
    root = str(Path(__file__).resolve().parents[1])
    path = os.environ.get("PYTHONPATH")
    found = {
        **os.environ,
        "PYTHONPATH": root if not path else os.pathsep.join((root, path)),
        "EXECMON_BUS_URL": servers.bus_url,
        "EXECMON_STATUS_URL": servers.status_url,
        **more,
    }
    if settings.recovery_dir is not None:
        found["EXECMON_RECOVERY_DIR"] = str(settings.recovery_dir)
    return found
