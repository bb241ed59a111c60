"""`execmon notify`."""

import os
from contextlib import ExitStack, closing
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.ending import ended_in_time
from cli.failures import say
from cli.output import number, print_json
from domain.errors import ConfigurationError

if TYPE_CHECKING:
    from runtime.settings import Settings

app = typer.Typer(rich_markup_mode=None)
FLOW = "dataflows.notify:flow"
RECOVERY_FOLDER = "notify"
"""Below the recovery folder: the snapshots of two flows must not meet."""
GRACE_S = 10.0
_AWAY = "a page is still being sent; if it is not confirmed, the next start sends it once more"
_STATES = ("WAITING", "SENDING", "DELIVERED", "UNDELIVERED", "WITHDRAWN", "COLLECTED")
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.callback(invoke_without_command=True)
def notify(
    context: typer.Context,
    recovery_dir: Annotated[
        Path | None, typer.Option(help="Folder of snapshots; as configured if absent.")
    ] = None,
    bus_url: Annotated[str | None, typer.Option(help="Bus; as configured if absent.")] = None,
    history_url: Annotated[
        str | None, typer.Option(help="History store; as configured if absent.")
    ] = None,
) -> None:
    """Send alerts to people, and events to subscribed services, until stopped.

    Channels and routes are the setting `notify`. What waits to be sent is kept in a folder
    (`notify_dir`) and goes on after a restart; while the history store is away pages go out
    all the same.
    """
    if context.invoked_subcommand is not None:
        return
    from cli.servers import bus_address
    from runtime.settings import load_settings

    settings = load_settings(
        {"bus_url": bus_url, "history_url": history_url,
         "recovery_dir": None if recovery_dir is None else str(recovery_dir)}
    )  # fmt: skip
    os.environ["EXECMON_BUS_URL"] = bus_address(settings)
    if history_url is not None:
        os.environ["EXECMON_HISTORY_URL"] = history_url
    run(settings)


def run(settings: "Settings") -> None:
    """Run the flow in this process until it is stopped; errors keep their words."""
    from bytewax.recovery import RecoveryConfig
    from bytewax.testing import cluster_main

    from cli.recovery import prepare_recovery
    from cli.recovery_layout import Layout, fitting
    from dataflows.notify import SINK_IDS, flow, layout

    recovery = None
    graph = flow()
    with ExitStack() as stack:
        if settings.recovery_dir is not None:
            folder = settings.recovery_dir / RECOVERY_FOLDER
            prepare_recovery(folder)
            stack.enter_context(fitting(folder, Layout(**layout(settings)), SINK_IDS))
            recovery = RecoveryConfig(folder, backup_interval=timedelta(0))
        stack.enter_context(ended_in_time(GRACE_S, _AWAY))
        cluster_main(
            graph,
            [],
            0,
            epoch_interval=timedelta(seconds=settings.epoch_s),
            recovery_config=recovery,
            worker_count_per_proc=1,
        )


@app.command("test")
def try_channel(
    channel: Annotated[str, typer.Argument(help="Name of a channel of the setting `notify`.")],
    as_json: _Json = False,
) -> None:
    """Send a message that says only that the channel works. Ends with 1 where it was not taken."""
    from cli import audit
    from runtime.settings import load_settings
    from sinks.notify.outcome import End
    from sinks.notify.senders import send_test

    settings = load_settings()
    outcome = send_test(settings.notify, channel)
    is_taken = outcome.end is End.DELIVERED
    audit.note(settings, "execmon notify test", channel, "done" if is_taken else "failed",
               words=outcome.words)  # fmt: skip
    if as_json:
        print_json({"channel": channel, "outcome": outcome.end.value, "words": outcome.words})
    else:
        say(f"{channel}: {outcome.end.value}, {outcome.words}")
    if not is_taken:
        raise typer.Exit(1)


@app.command("ls")
def list_them(
    state: Annotated[
        str | None, typer.Option(help="Only those in this state, such as undelivered.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="Only those of this channel.")] = None,
    limit: Annotated[int, typer.Option(min=1, help="Most that are listed.")] = 50,
    as_json: _Json = False,
) -> None:
    """List what was or is to be sent, the newest first, with what became of it and why.

    Reads the folder of this machine's notify process, whether that runs or not.
    """
    from dataflows.notify import notify_folder
    from runtime.settings import load_settings
    from sinks.notify.store import read_only

    if state is not None and state.upper() not in _STATES:
        raise ConfigurationError(f"--state must be one of {', '.join(_STATES)}, was {state!r}")
    query = (
        "SELECT * FROM notifications WHERE (?1 IS NULL OR state = ?1) "
        "AND (?2 IS NULL OR channel = ?2) ORDER BY number DESC LIMIT ?3"
    )
    with closing(read_only(notify_folder(load_settings()))) as db:
        rows = db.execute(query, (state and state.upper(), channel, limit)).fetchall()
        counts = dict(db.execute("SELECT state, count(*) FROM notifications GROUP BY state"))
    found = [_record(row) for row in rows]
    if as_json:
        print_json({"notifications": found, "states": counts})
        return
    _print_table(found)
    told = ", ".join(f"{number(count)} {name.lower()}" for name, count in sorted(counts.items()))
    typer.echo(told or "nothing was to be sent")


def _record(row: Any) -> dict[str, Any]:
    from domain.instants import format_rfc3339

    return {
        "key": row["key"],
        "channel": row["channel"],
        "kind": row["kind"],
        "severity": row["severity"],
        "subject": row["subject"],
        "desk": row["desk"],
        "alert_id": row["alert_id"],
        "state": row["state"],
        "words": row["words"],
        "attempts": row["attempts"],
        "is_repeat": bool(row["is_repeat"]),
        "digest": row["digest"],
        "due_at": format_rfc3339(row["due"]),
        "created_at": format_rfc3339(row["created"]),
        "changed_at": format_rfc3339(row["changed"]),
    }


def _print_table(found: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD)
    for name in ("changed at", "channel", "state", "severity", "tries", "subject", "words"):
        table.add_column(name, justify="right" if name == "tries" else "left")
    for one in found:
        table.add_row(
            one["changed_at"], one["channel"], one["state"], one["severity"],
            number(one["attempts"]), Text(one["subject"]), Text(one["words"]),
        )  # fmt: skip
    Console().print(table)
