"""PagerDuty's Events API v2: an alert is an incident, found again by its `dedup_key`."""

from typing import Any

import msgspec

from domain.channels import PagerDuty
from domain.published import Severity
from sinks.notify.http import Poster
from sinks.notify.outcome import Outcome
from sinks.notify.page import Page, PageKind

_PATH = "/v2/enqueue"
_MOST_SUMMARY = 1_024
_ACTIONS = {PageKind.ACKNOWLEDGED: "acknowledge", PageKind.OVER: "resolve"}
_SEVERITIES = {
    Severity.LOW: "info",
    Severity.MEDIUM: "warning",
    Severity.HIGH: "error",
    Severity.CRITICAL: "critical",
}


class PagerDutySender:
    """Sends pages as events."""

    def __init__(self, channel: PagerDuty) -> None:
        self._key = channel.routing_key
        self._poster = Poster(channel.url.rstrip("/") + _PATH, channel.timeout_s)

    def send(self, page: Page) -> Outcome:
        """One event; a test's incident stays open until somebody resolves it."""
        event = pagerduty_event(page, self._key)
        return self._poster.post(msgspec.json.encode(event), {"Idempotency-Key": page.key})

    def close(self) -> None:
        """Drop what is open."""
        self._poster.close()


def pagerduty_event(page: Page, routing_key: str) -> dict[str, Any]:
    """The event: trigger, acknowledge or resolve, under the alert's id."""
    action = _ACTIONS.get(page.kind, "trigger")
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": action,
        "dedup_key": page.alert_id,
    }
    if action != "trigger":
        return event
    event["payload"] = {
        "summary": page.title[:_MOST_SUMMARY],
        "source": page.source or "execmon",
        "severity": _SEVERITIES[page.severity],
        "timestamp": page.at,
        "component": page.desk or None,
        "class": page.type or page.kind,
        "custom_details": {
            **dict(page.facts), "Orders inside": page.lines, "Left out": page.left_out,
            "Repeat": page.is_repeat,
        },
    }  # fmt: skip
    event["client"] = "Execution Monitor"
    if page.link:
        event["client_url"] = page.link
        event["links"] = [{"href": page.link, "text": "Open"}]
    return event
