"""What sends a page by each kind of channel."""

import time
import uuid
from typing import Any, Protocol

from domain.channels import Channel, Notify, PagerDuty, Slack, Smtp, Teams, Webhook
from domain.errors import ConfigurationError
from domain.instants import format_rfc3339
from sinks.notify.mail import MailSender
from sinks.notify.outcome import Outcome
from sinks.notify.page import Page, trial_page
from sinks.notify.pagerduty import PagerDutySender
from sinks.notify.slack import SlackSender
from sinks.notify.teams import TeamsSender
from sinks.notify.trials import no_channel
from sinks.notify.webhook import WebhookSender


class Sender(Protocol):
    """One channel; for one thread."""

    def send(self, page: Page) -> Outcome:
        """Send once. Never raises for what the other side or the network does."""
        ...

    def close(self) -> None:
        """Drop what is open."""
        ...


_SENDERS: dict[type, Any] = {
    Webhook: WebhookSender,
    Slack: SlackSender,
    Teams: TeamsSender,
    PagerDuty: PagerDutySender,
    Smtp: MailSender,
}
FOR_PEOPLE = (Slack, Teams, Smtp)
"""Channels that people read: too many pages at once come as one."""


def open_sender(channel: Channel) -> Sender:
    """What sends by this channel."""
    return _SENDERS[type(channel)](channel)


def send_test(notify: Notify, name: str) -> Outcome:
    """Send a page by this channel that tells only that it works; once, without a store.

    Raises ConfigurationError where there is no such channel.
    """
    channel = notify.channels.get(name)
    if channel is None:
        raise ConfigurationError(no_channel(notify, name))
    at = format_rfc3339(time.time_ns())
    sender = open_sender(channel)
    try:
        return sender.send(trial_page(str(uuid.uuid4()), name, at=at, link=notify.link))
    finally:
        sender.close()
