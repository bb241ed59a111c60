"""`execmon alerts`: what is open, one with its life, what people do, and a preview."""

import time
import uuid
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli import audit
from cli.alerts_act import PATIENCE_S, act, found_alert, tell
from cli.alerts_preview import preview
from cli.output import print_json
from domain.alerts import CloseReason
from domain.errors import ConfigurationError, ServerError
from domain.published import Severity

if TYPE_CHECKING:
    from domain.alert_records import Record

app = typer.Typer(
    help="Alerts: list, look at one, acknowledge, snooze or close it; try thresholds.",
    no_args_is_help=True,
    rich_markup_mode=None,
)
app.command()(preview)
_MOST_SNOOZE_MIN = 60.0
_Id = Annotated[str, typer.Argument(metavar="ID", help="As `execmon alerts ls` has it.")]
_Why = Annotated[str, typer.Option(help="Words for those who read it later.")]
_StatusUrl = Annotated[
    str | None, typer.Option("--status-url", help="Status store; as configured if absent.")
]
_BusUrl = Annotated[str | None, typer.Option("--bus-url", help="Bus; as configured if absent.")]
_HistoryUrl = Annotated[
    str | None,
    typer.Option("--history-url", help="History store with the audit; as configured if absent."),
]
_Json = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command("ls")
def list_them(
    desk: Annotated[str, typer.Option(help="Only this desk's; `-` for orders without one.")] = "",
    min_severity: Annotated[
        str | None, typer.Option(help="This severity and those above it.")
    ] = None,
    order: Annotated[
        str | None, typer.Option(help="Only those about this order, its venues and algorithms.")
    ] = None,
    status_url: _StatusUrl = None,
    as_json: _Json = False,
) -> None:
    """List open alerts, the most severe first."""
    from cli.alert_rows import alerts_table, open_alerts
    from cli.servers import status_store

    least = _word(Severity, "--min-severity", min_severity)
    with status_store(status_url) as client:
        found = open_alerts(client, desk=desk, least=least, order_id=order)
    if as_json:
        print_json({"alerts": found})
        return
    from rich.console import Console

    Console().print(alerts_table(found))


@app.command()
def show(alert_id: _Id, status_url: _StatusUrl = None, as_json: _Json = False) -> None:
    """Show one alert with its evidence and every step. Ends with 3 where there is none."""
    from cli.alert_rows import whole_record
    from cli.servers import status_store

    with status_store(status_url) as client:
        record = whole_record(*found_alert(client, alert_id))
    if as_json:
        print_json(record)
    else:
        _print(record)


@app.command()
def ack(
    alert_id: _Id,
    why: _Why = "",
    status_url: _StatusUrl = None,
    bus_url: _BusUrl = None,
    history_url: _HistoryUrl = None,
    as_json: _Json = False,
) -> None:
    """Say that somebody looks at it."""
    urls = {"status_url": status_url, "bus_url": bus_url, "history_url": history_url}
    act(alert_id, "alert_acknowledged", {"why": why}, urls, as_json=as_json)


@app.command()
def snooze(
    alert_id: _Id,
    minutes: Annotated[float, typer.Option(help="For how long, 60 at most.")],
    why: _Why = "",
    status_url: _StatusUrl = None,
    bus_url: _BusUrl = None,
    history_url: _HistoryUrl = None,
    as_json: _Json = False,
) -> None:
    """Leave it alone for a while; it wakes if its severity rises."""
    from domain.instants import SECOND, format_rfc3339

    if not 0 < minutes <= _MOST_SNOOZE_MIN:
        raise ConfigurationError(f"--minutes must be more than 0 and at most 60, was {minutes:g}")
    until = format_rfc3339(time.time_ns() + round(minutes * 60 * SECOND))
    urls = {"status_url": status_url, "bus_url": bus_url, "history_url": history_url}
    act(alert_id, "alert_snoozed", {"until": until, "why": why}, urls, as_json=as_json)


@app.command()
def close(
    alert_id: _Id,
    reason: Annotated[str, typer.Option(help=f"One of {', '.join(CloseReason)}.")],
    why: _Why = "",
    status_url: _StatusUrl = None,
    bus_url: _BusUrl = None,
    history_url: _HistoryUrl = None,
    as_json: _Json = False,
) -> None:
    """Close it and say what was found."""
    found = _word(CloseReason, "--reason", reason)
    urls = {"status_url": status_url, "bus_url": bus_url, "history_url": history_url}
    act(alert_id, "alert_closed", {"reason": found, "why": why}, urls, as_json=as_json)


@app.command("test")
def send_test(
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of a channel.")],
    bus_url: _BusUrl = None,
    history_url: _HistoryUrl = None,
    as_json: _Json = False,
) -> None:
    """Send a test message through a channel of the running `execmon notify`.

    Says what became of it, and ends with 1 where it was not delivered.
    """
    from cli.deliveries import DELIVERED, awaited
    from cli.servers import message_bus
    from domain.channels import Trial
    from runtime.settings import load_settings

    settings = load_settings({"bus_url": bus_url, "history_url": history_url})
    test_id = uuid.uuid4().hex
    with message_bus(settings) as bus:
        tell(bus, "send_tested", {"channel": channel, "test_id": test_id})
    noted = audit.note(settings, "execmon alerts test", f"channel:{channel}", "done")
    key = Trial(ts_event="", channel=channel, test_id=test_id).key
    found = awaited(settings, key, PATIENCE_S)
    if found is None:
        raise ServerError(
            f"it was asked for, and nothing is known of it after {PATIENCE_S:g} s: is "
            f"`execmon notify` running? What becomes of it will be said under key {key}"
        )
    state, words = found
    if as_json:
        print_json(
            {"channel": channel, "key": key, "state": state, "words": words, "audited": noted}
        )
    else:
        typer.echo(f"{channel}: {state.lower()}{words and f', {words}'}")
    if state != DELIVERED:
        raise typer.Exit(1)


def _word(words: Any, option: str, given: str | None) -> Any:
    if given is None:
        return None
    if given.upper() not in words.__members__:
        raise ConfigurationError(f"{option} must be one of {', '.join(words)}, was {given!r}")
    return words[given.upper()]


def _print(record: "Record") -> None:
    steps, changes = record.pop("transitions"), record.pop("severity_history")
    evidence = record.pop("evidence")
    for name, value in {**record, **evidence}.items():
        if value not in (None, "", []):
            shown = ", ".join(value) if isinstance(value, list) else value
            typer.echo(f"{name:<18} {shown}")
    for one in changes:
        typer.echo(f"{'':<18} {one['severity']} from {one['at']}")
    for step in steps:
        why = f": {step['why']}" if step["why"] else ""
        typer.echo(f"{step['at']}  {step['change']} by {step['by']}{why}")
