"""What a person does about an alert: passed on to the pipeline, and waited for."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import typer

from cli import audit
from cli.output import print_json
from domain.errors import InputError, ServerError

if TYPE_CHECKING:
    from domain.alerts import Alert, Transition

PATIENCE_S = 5.0
"""How long an action waits for the pipeline to have done it."""
_LOOK_S = 0.02


def act(
    alert_id: str, type_: str, members: dict[str, Any], urls: Mapping[str, str | None], *,
    as_json: bool,
) -> None:  # fmt: skip
    """Pass the action on, wait for the pipeline to have done it, and show the alert."""
    from cli.alert_rows import whole_record
    from cli.servers import message_bus, status_store
    from rules.lifecycle import why_not
    from runtime.settings import load_settings

    settings = load_settings(urls)
    action = f"execmon alerts {_COMMANDS[type_]}"
    with status_store(urls["status_url"]) as client, message_bus(settings) as bus:
        alert, _ = found_alert(client, alert_id)
        words = why_not(alert, type_)
        if words:
            audit.note(settings, action, alert_id, "refused", why=words)
            raise InputError(words)
        told = {name: value for name, value in members.items() if value}
        tell(bus, type_, {"scope": alert.desk, "alert_id": alert_id, **told})
        noted = audit.note(settings, action, alert_id, "done", **told)
        done = _done(client, alert, type_)
    if done is None:
        raise ServerError(
            f"it was passed on, and alert {alert_id} is {alert.state} still after "
            f"{PATIENCE_S:g} s: is `execmon worker` running?"
        )
    record = whole_record(*done)
    if as_json:
        print_json({**record, "audited": noted})
    else:
        typer.echo(f"{alert_id} {record['state']} by {audit.user()}")


_COMMANDS = {"alert_acknowledged": "ack", "alert_snoozed": "snooze", "alert_closed": "close"}
_CHANGES = {
    "alert_acknowledged": "ACKNOWLEDGED", "alert_snoozed": "SNOOZED", "alert_closed": "CLOSED",
}  # fmt: skip


def _done(client: Any, before: "Alert", type_: str) -> "tuple[Alert, list[Transition]] | None":
    from cli.alert_rows import alert_of

    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until:
        found = alert_of(client, before.alert_id)
        steps = [] if found is None else found[1]
        if any(step.seq > before.seq and step.change == _CHANGES[type_] for step in steps):
            return found
        time.sleep(_LOOK_S)
    return None


def tell(bus: Any, type_: str, members: dict[str, Any]) -> None:
    """Put a control message of the person at the terminal on the bus."""
    from bus.publish import publish
    from domain.instants import format_rfc3339
    from domain.vocabulary import Topic

    event = {
        "type": type_, **members, "by": audit.user(), "ts_event": format_rfc3339(time.time_ns()),
    }  # fmt: skip
    publish(bus, [event], Topic.CONTROL)


def found_alert(client: Any, alert_id: str) -> "tuple[Alert, list[Transition]]":
    """An alert with its steps. Raises InputError where there is none."""
    from cli.alert_rows import alert_of

    found = alert_of(client, alert_id)
    if found is None:
        raise InputError(
            f"there is no alert {alert_id} (any more); `execmon alerts ls` lists the open ones, "
            "and the API has those of history"
        )
    return found
