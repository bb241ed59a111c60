"""Microsoft Teams: a workflow that posts the adaptive card it receives."""

from typing import Any

import msgspec

from domain.channels import Teams
from domain.published import Severity
from sinks.notify.http import Poster
from sinks.notify.outcome import Outcome
from sinks.notify.page import Page

_COLOURS = {
    Severity.LOW: "Default",
    Severity.MEDIUM: "Warning",
    Severity.HIGH: "Attention",
    Severity.CRITICAL: "Attention",
}


class TeamsSender:
    """Sends pages to a Teams workflow."""

    def __init__(self, channel: Teams) -> None:
        self._poster = Poster(channel.url, channel.timeout_s)

    def send(self, page: Page) -> Outcome:
        """One message with one card."""
        return self._poster.post(
            msgspec.json.encode(teams_message(page)), {"Idempotency-Key": page.key}
        )

    def close(self) -> None:
        """Drop what is open."""
        self._poster.close()


def teams_message(page: Page) -> dict[str, Any]:
    """A message whose attachment is an adaptive card."""
    body: list[dict[str, Any]] = [
        {"type": "TextBlock", "text": page.title, "weight": "Bolder", "size": "Medium",
         "color": _COLOURS[page.severity], "wrap": True},
        {"type": "FactSet", "facts": [{"title": name, "value": value} for name, value in
                                      page.facts]},
    ]  # fmt: skip
    lines = [*page.lines, *([f"and {page.left_out:,} more"] if page.left_out else [])]
    if lines:
        text = "\n".join(f"- {line}" for line in lines)
        body.append({"type": "TextBlock", "text": text, "wrap": True})
    card: dict[str, Any] = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": body,
    }
    if page.link:
        card["actions"] = [{"type": "Action.OpenUrl", "title": "Open", "url": page.link}]
    attachment = {"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None,
                  "content": card}  # fmt: skip
    return {"type": "message", "attachments": [attachment]}
