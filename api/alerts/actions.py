"""What a person does to an alert: said on topic `control`, done by the pipeline."""

import asyncio
import time
from typing import Any

from starlette.requests import Request

from api.alerts.find import visible_alert
from api.alerts.live import Live, live_alert
from api.context import Context
from api.control import tell
from api.deps import note
from api.gate import request_id
from api.identity.caller import Caller
from api.problems import Problem, unavailable
from domain.alert_records import Record
from domain.alerts import Change
from rules.lifecycle import why_not

_LOOK_S = 0.02
_CHANGES = {
    "alert_acknowledged": Change.ACKNOWLEDGED,
    "alert_snoozed": Change.SNOOZED,
    "alert_closed": Change.CLOSED,
}


async def act(
    request: Request,
    context: Context,
    caller: Caller,
    alert_id: str,
    type_: str,
    members: dict[str, Any],
) -> tuple[bool, Record]:
    """Pass the action on; gives whether the pipeline has done it, and the alert as it stands.

    It waits as long as `action_wait_s` says. Raises Problem 404 for an alert that is not
    there to be seen, 409 where it cannot be done.
    """
    live, record = await visible_alert(request, context, caller, alert_id)
    if live is None:
        raise _not_live(record)
    words = why_not(live.alert, type_)
    if words:
        note(request, caller.name, "refused", target=alert_id, why=words)
        raise _impossible(words)
    told = {
        "scope": live.alert.desk, "alert_id": alert_id, "request_id": request_id(request.scope),
        **members,
    }  # fmt: skip
    await tell(context, type_, caller.name, told)
    note(request, caller.name, "done", target=alert_id, **members)
    done = await _done(context, live, _CHANGES[type_])
    found = await live_alert(context.status, alert_id)
    return done, record if found is None else found.record()


async def _done(context: Context, before: Live, change: Change) -> bool:
    until = time.monotonic() + context.config.action_wait_s
    while True:
        found = await live_alert(context.status, before.alert.alert_id)
        newer = () if found is None else found.transitions
        if any(step.seq > before.alert.seq and step.change is change for step in newer):
            return True
        if time.monotonic() >= until:
            return False
        await asyncio.sleep(_LOOK_S)


def _not_live(record: Record) -> Problem:
    if record["ended_at"] is not None:
        return _impossible(
            f"alert {record['alert_id']} is {record['state']}: nothing more happens to it"
        )
    return unavailable("status store", "the status store does not have the alert (yet); try again")


def _impossible(words: str) -> Problem:
    return Problem(409, "not-possible", words)
