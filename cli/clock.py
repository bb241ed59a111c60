"""`execmon clock`."""

import signal
import threading
from typing import Annotated

import structlog
import typer

app = typer.Typer(rich_markup_mode=None)


@app.command()
def clock(
    url: Annotated[
        str | None, typer.Option("--bus-url", help="Bus; as configured if absent.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option(min=0.0, help="End after this many seconds.")
    ] = None,
) -> None:
    """Write the clock messages that move event time through silence, until Ctrl-C.

    A deployment has one such writer; a second one is refused. The demo brings its own.
    """
    from bus.base import Bus
    from bus.clock import ClockWriter
    from bus.connect import open_bus
    from cli.failures import say
    from cli.layout import lay_out
    from cli.servers import bus_address
    from runtime.logs import set_up_logs
    from runtime.settings import load_settings

    settings = load_settings({"bus_url": url})
    set_up_logs(settings.log_level, settings.log_format)
    bus: Bus = open_bus(bus_address(settings), settings)
    try:
        lay_out(bus, settings)
        writer = ClockWriter(
            bus, interval_ms=settings.clock_interval_ms, lag_ms=settings.clock_lag_ms
        )
        stop = threading.Event()
        signal.signal(signal.SIGTERM, lambda *_: stop.set())
        if seconds is not None:
            threading.Timer(seconds, stop.set).start()
        with writer:
            structlog.get_logger("clock").info("ready", interval_ms=settings.clock_interval_ms)
            writer.run(stop)
        say(f"wrote {writer.ticks:,} clock messages to each partition")
    finally:
        bus.close()
