"""Our own JSON to any address, signed."""

import time

import msgspec

from domain.channels import Webhook
from sinks.notify.http import Poster
from sinks.notify.outcome import Outcome
from sinks.notify.page import Page, record_of, text_of
from sinks.notify.signature import signed


class WebhookSender:
    """Sends pages to a webhook."""

    def __init__(self, channel: Webhook) -> None:
        self._secret = channel.secret
        self._poster = Poster(channel.url, channel.timeout_s)

    def send(self, page: Page) -> Outcome:
        """One POST with `Idempotency-Key`, and `X-Execmon-Repeat` where it is a repeat."""
        body = msgspec.json.encode({**record_of(page), "text": text_of(page)})
        headers = {"Idempotency-Key": page.key, **signed(self._secret, body, time.time())}
        if page.is_repeat:
            headers["X-Execmon-Repeat"] = "true"
        return self._poster.post(body, headers)

    def close(self) -> None:
        """Drop what is open."""
        self._poster.close()
