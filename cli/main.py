"""The `execmon` command: every subcommand in one place, loaded when it is used."""

import signal
import sys
from collections.abc import Sequence
from importlib import import_module
from types import FrameType
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from cli.failures import Terminated, guarded

_DEBUG = "--debug"
COMMANDS = {
    "demo": ("cli.demo", "Watch a simulated desk trade, everything embedded."),
    "watch": ("cli.watch", "Live table of open orders, those that need attention first."),
    "status": ("cli.status", "What is known of one order now."),
    "alerts": ("cli.alerts", "Alerts: list, show, acknowledge, snooze, close, test a channel."),
    "replay": ("cli.replay.app", "Run files through the monitor, without any server."),
    "simulate": ("cli.simulate", "Write the events of a simulated desk to a file."),
    "dead-letters": ("cli.dead_letters", "Messages that could not be read."),
    "reference": ("cli.reference", "Volumes, volatilities, curves, calendars, rates."),
    "up": ("cli.up", "Run every process of a deployment on this machine."),
    "recovery": ("cli.snapshots", "What snapshots hold, and the room they do not need."),
    "worker": ("cli.worker", "Run one process of the monitoring dataflow."),
    "history": ("cli.history", "Write final rows from the bus to the history store."),
    "notify": ("cli.notify", "Send alerts to people and events to services; test a channel."),
    "db": ("cli.db", "Migrate the history store's schema, or show how far it is."),
    "api": ("cli.api", "Serve status, streams, history and the page over HTTP."),
    "keys": ("cli.keys", "Make, list and revoke the API's keys."),
    "clock": ("cli.clock", "Write the clock messages that move event time."),
    "topics": ("cli.topics", "Make, list and check the topics of a Pulsar bus."),
    "doctor": ("cli.doctor", "Check that this machine can run the product."),
    "config": ("cli.config", "Show every setting and where its value came from."),
    "version": ("cli.version", "Show versions of the product and of what it stands on."),
}
"""Module and one line of help of each command; the module has a typer `app`."""


class _LazyGroup(TyperGroup):
    """Commands are listed without importing them; the one that runs is imported."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> TyperCommand | None:  # noqa: ARG002
        if cmd_name not in COMMANDS:
            return None
        return TyperCommand(cmd_name, help=COMMANDS[cmd_name][1])

    def resolve_command(self, ctx: Any, args: list[str]) -> tuple[str | None, Any, list[str]]:
        name, stub, rest = super().resolve_command(ctx, args)
        return (name, stub, rest) if name is None else (name, load_command(name), rest)


def load_command(name: str) -> TyperCommand | TyperGroup:
    """Import a command."""
    # Kernels are compiled into a folder that is chosen before numba is imported.
    if name != "version" and "numba" not in sys.modules:
        from runtime.kernels import use_kernel_cache

        use_kernel_cache()
    command: Any = typer.main.get_command(import_module(COMMANDS[name][0]).app)
    command.name = name
    return command


app = typer.Typer(
    cls=_LazyGroup,
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    epilog=(
        "Exit codes: 0 done; 1 a defect, or doctor found a fault; 2 command line or setting; "
        "3 input; 4 bus or server; 5 state of another version; 6 two ways to one number "
        "disagree; 7 `up` gave up; 8 another process of the cluster is gone; 130 Ctrl-C; "
        "143 SIGTERM. More in docs/cli.md."
    ),
)


@app.callback()
def execmon(
    debug: Annotated[bool, typer.Option(_DEBUG, help="Show where an error came from.")] = False,
) -> None:
    """Live execution quality for trading desks.

    Settings come from EXECMON_… variables or a TOML file; see `execmon config show`.
    """
    _ = debug


def run(arguments: Sequence[str]) -> int:
    """Run a command line and give its exit code."""
    command = typer.main.get_command(app)
    return guarded(
        lambda: command.main(list(arguments), prog_name="execmon", standalone_mode=False),
        debug=_DEBUG in arguments[:1],
    )


def main() -> None:
    """Entry point: run `sys.argv` and leave with the exit code."""
    signal.signal(signal.SIGTERM, _terminate)
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, _terminate)
    sys.exit(run(sys.argv[1:]))


def _terminate(signum: int, frame: FrameType | None) -> None:
    _ = signum, frame
    raise Terminated


if __name__ == "__main__":
    main()
