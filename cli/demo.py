"""`execmon demo`: everything on one machine, nothing to install, nothing left behind."""

from typing import Annotated

import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def demo(
    seconds: Annotated[
        float | None,
        typer.Option(min=0.0, help="End after this much trading; by Ctrl-C if absent."),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated desk.")] = 0,
    open_orders: Annotated[int, typer.Option(min=1, help="Parent orders worked at once.")] = 25,
    events_per_s: Annotated[float, typer.Option(min=1.0, help="Market events a second.")] = 300.0,
    fault: Annotated[
        list[str] | None,
        typer.Option(metavar="KIND[:NAME=VALUE,…]", help="As for `execmon simulate`."),
    ] = None,
    bus_url: Annotated[
        str | None, typer.Option(help="An empty bus to trade on; one of its own if absent.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the summary as one JSON object.")
    ] = False,
) -> None:
    """Watch a simulated desk trade through the bus and the real dataflow.

    Starts its own servers, clock and worker, shows the orders live, and ends with a summary.
    Ctrl-C ends it at any time. The first start compiles the kernels, about a minute.
    """
    from cli.demo_run import DemoOptions, run_demo
    from runtime.servers import EMBEDDED

    run_demo(
        DemoOptions(
            bus_url=bus_url or EMBEDDED,
            seconds=seconds,
            seed=seed,
            open_orders=open_orders,
            events_per_s=events_per_s,
            faults=tuple(fault or ()),
            as_json=as_json,
        )
    )
