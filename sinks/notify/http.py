"""One POST, and what became of it in words."""

import contextlib
import logging
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

import httpx

from sinks.notify.outcome import End, Outcome

for _name in ("httpx", "httpcore"):
    # They write every address down, and some are secrets.
    logging.getLogger(_name).setLevel(logging.WARNING)
_LATER = frozenset({408, 425, 429})
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)
_MOST_WORDS = 200
_MOST_WAIT_S = 600.0
_AGENT = {"User-Agent": "execmon", "Content-Type": "application/json"}


class Poster:
    """Posts to one address, each time over a connection of its own.

    A connection kept from before may be dead: its end is told only after the body went out,
    and nobody would know whether that arrived.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        self._url = url
        self._client = httpx.Client(
            timeout=timeout_s,
            limits=httpx.Limits(max_keepalive_connections=0),
        )

    def post(self, body: bytes, headers: Mapping[str, str]) -> Outcome:
        """Send the body; never raises for what the other side or the network does."""
        try:
            answer = self._client.post(self._url, content=body, headers={**_AGENT, **headers})
        except _NOT_SENT as error:
            return Outcome(End.LATER, f"cannot be reached: {_words(error)}")
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            return Outcome(End.REFUSED, f"the address is none: {_words(error)}")
        except httpx.HTTPError as error:
            return Outcome(End.UNCONFIRMED, f"no answer came: {_words(error)}")
        return _judged(answer)

    def close(self) -> None:
        """Drop what is open."""
        self._client.close()


def _judged(answer: httpx.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return Outcome(End.DELIVERED, f"answered {status}")
    said = " ".join(answer.text[:_MOST_WORDS].split())
    words = f"answered {status}" + (f": {said}" if said else "")
    if status in _LATER or status >= 500:
        return Outcome(End.LATER, words, _wait_s(answer.headers.get("Retry-After", "")))
    return Outcome(End.REFUSED, words)


def _wait_s(text: str) -> float | None:
    """`Retry-After`, in seconds or as a date; None where there is none."""
    found: float | None = None
    if text.isascii() and text.isdecimal():
        found = float(text)
    else:
        with contextlib.suppress(ValueError, TypeError):
            found = parsedate_to_datetime(text).timestamp() - time.time()
    return None if found is None else min(max(found, 0.0), _MOST_WAIT_S)


def _words(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
