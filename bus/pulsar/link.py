"""One connection to Pulsar, made when it is needed and made anew after an outage.

The client's own attempts to reconnect come ever more rarely, up to a minute apart, so it is
replaced as soon as a call has failed.
"""

import os
import threading
import weakref
from contextlib import suppress
from typing import Any

from bus.pulsar.access import Access
from bus.pulsar.errors import in_words, pulsar_module

_IDLE_LOG = os.devnull
"""What the client would log, its errors say too."""
_LEAVE_S = 1.0


class Link:
    """A client of its own. Safe to use from several threads."""

    def __init__(self, access: Access, timeout_s: float) -> None:
        self.access = access
        self.timeout_s = timeout_s
        self._lock = threading.Lock()
        self._client: Any = None
        # A client that outlives the interpreter would abort the process.
        self._at_exit: weakref.finalize[Any, Any] | None = None

    def client(self) -> Any:
        """The client, connected when first used. Raises BusError for what cannot be right."""
        pulsar = pulsar_module()
        with self._lock:
            if self._client is None:
                with in_words(self.access.shown):
                    self._client = pulsar.Client(
                        self.access.service_url,
                        operation_timeout_seconds=max(1, round(self.timeout_s)),
                        connection_timeout_ms=round(1000 * self.timeout_s),
                        logger=pulsar.FileLogger(pulsar.LoggerLevel.Error, _IDLE_LOG),
                        **self.access.client_options(),
                    )
                    self._at_exit = weakref.finalize(self, _shut_down, self._client)
            return self._client

    def is_current(self, client: Any) -> bool:
        """Whether what was made with this client still stands."""
        with self._lock:
            return client is not None and client is self._client

    def drop(self) -> None:
        """End the client with all that was made with it; the next use makes a new one."""
        with self._lock:
            client, self._client = self._client, None
            if self._at_exit is not None:
                self._at_exit.detach()
        if client is not None:
            _part_from(client)


def _part_from(client: Any) -> None:
    """Take leave of a broker that still listens, but not for long.

    One that was not told would look for five seconds whether we are alive before it lets in
    another producer of the same name.
    """
    leave = threading.Thread(target=_close, args=(client,), name="pulsar-close", daemon=True)
    leave.start()
    leave.join(_LEAVE_S)
    _shut_down(client)


def _shut_down(client: Any) -> None:
    with suppress(pulsar_module().PulsarException):
        client.shutdown()


def _close(client: Any) -> None:
    with suppress(pulsar_module().PulsarException):
        client.close()
