"""Slack's incoming webhooks, and whoever takes the same JSON."""

from typing import Any

import msgspec

from domain.channels import Slack
from domain.published import Severity
from sinks.notify.http import Poster
from sinks.notify.outcome import Outcome
from sinks.notify.page import Page, text_of

_MOST_TEXT = 2_900
_COLOURS = {
    Severity.LOW: "#6b7280",
    Severity.MEDIUM: "#d97706",
    Severity.HIGH: "#ea580c",
    Severity.CRITICAL: "#b91c1c",
}


class SlackSender:
    """Sends pages to a Slack-compatible webhook."""

    def __init__(self, channel: Slack) -> None:
        self._poster = Poster(channel.url, channel.timeout_s)

    def send(self, page: Page) -> Outcome:
        """One message: the subject as text, the rest as an attachment of the severity's colour."""
        return self._poster.post(
            msgspec.json.encode(slack_message(page)), {"Idempotency-Key": page.key}
        )

    def close(self) -> None:
        """Drop what is open."""
        self._poster.close()


def slack_message(page: Page) -> dict[str, Any]:
    """The JSON of an incoming webhook."""
    title = f"<{page.link}|{_safe(page.title)}>" if page.link else _safe(page.title)
    block = {"type": "section", "text": {"type": "mrkdwn", "text": _cut(_safe(text_of(page)))}}
    return {
        "text": title,
        "attachments": [
            {"color": _COLOURS[page.severity], "fallback": _safe(page.title), "blocks": [block]}
        ],
    }


def _safe(text: str) -> str:
    """Slack gives `&`, `<` and `>` a meaning."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(text: str) -> str:
    return text if len(text) <= _MOST_TEXT else f"{text[:_MOST_TEXT]} …"
