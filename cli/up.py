"""`execmon up`."""

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def up(
    workers: Annotated[
        int, typer.Option(min=1, max=16, help="Processes of the monitoring dataflow.")
    ] = 1,
    data_dir: Annotated[
        Path | None,
        typer.Option(help="Folder of everything that is kept; as configured if absent."),
    ] = None,
    bus_url: Annotated[
        str | None, typer.Option("--bus-url", "--bus", help="Bus; as configured if absent.")
    ] = None,
    status_url: Annotated[
        str | None, typer.Option(help="Status store; as configured if absent.")
    ] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
    host: Annotated[
        str | None, typer.Option(help="Address of the API and the page; as configured if absent.")
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(min=0, max=65_535, help="Their port; if absent, a free one will do."),
    ] = None,
    show_status: Annotated[
        bool, typer.Option("--status", help="Show the deployment that runs on the data folder.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="With --status: print one JSON object.")
    ] = False,
) -> None:
    """Run every process of a deployment on this machine until Ctrl-C or SIGTERM.

    Starts servers whose address is not given, sets up topics and tables, and keeps the
    clock, the workers, the history and the API running. A process that ends is started again.
    """
    from cli.deployment import Plan, data_folder
    from cli.up_run import run_up
    from cli.up_show import show
    from domain.errors import ConfigurationError
    from runtime.settings import load_settings

    given = {
        "bus_url": bus_url,
        "status_url": status_url,
        "history_url": history_url,
        "api_host": host,
        "api_port": port,
        "data_dir": None if data_dir is None else str(data_dir),
    }
    settings = load_settings(given)
    folder = data_folder(settings)
    if show_status:
        show(folder, as_json=as_json)
        return
    if as_json:
        raise ConfigurationError(
            "--json goes with --status; for logs as JSON set EXECMON_LOG_FORMAT"
        )
    if workers > settings.groups:
        raise ConfigurationError(
            f"--workers must be at most the {settings.groups} groups, was {workers}"
        )
    if settings.recovery_dir is None:
        settings = load_settings({**given, "recovery_dir": str(folder / "recovery")})
    run_up(Plan(settings=settings, data_dir=folder, workers=workers))
