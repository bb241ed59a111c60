"""Pulsar's admin REST interface: topics, policies, what a partition holds."""

import re
from dataclasses import dataclass
from typing import Any

from bus.base import Place
from bus.pulsar.access import Access
from bus.pulsar.positions import BEGINNING, WHOLE, Rank
from domain.errors import BusDown, BusError
from domain.vocabulary import Topic

_NOBODYS = ("pulsar.", "reader-")
"""Cursors of the broker itself, and of readers without a subscription."""
_NOT_FOUND = 404
_CONFLICT = frozenset({409, 412})
_REFUSES_US = frozenset({401, 403})


@dataclass(frozen=True, slots=True)
class Ledgers:
    """What is stored of a partition."""

    entries: tuple[tuple[int, int], ...]
    """(ledger, entries in it), the oldest first."""
    end: Rank
    """The newest entry; entry −1 of a ledger that is still empty."""
    done: dict[str, Rank]
    """Up to where each durable subscription has acknowledged, by its name."""


class Admin:
    """Calls that raise BusDown where nobody answers and BusError where we are refused."""

    def __init__(self, access: Access, timeout_s: float) -> None:
        self._access = access
        self._timeout_s = timeout_s
        self._client: Any = None

    def get(self, path: str) -> Any:
        """The answer decoded, None where there is no such thing."""
        return self.ask("GET", path)

    def create(self, method: str, path: str, body: Any = None) -> bool:
        """Make something; False where it is there already."""
        return self.ask(method, path, body, conflict=True) is not False

    def ask(self, method: str, path: str, body: Any = None, *, conflict: bool = False) -> Any:
        """Any call; None for 404, False for a conflict where that is allowed."""
        answer = self._send(method, path, body)
        if answer.status_code == _NOT_FOUND and method == "GET":
            return None
        if answer.status_code in _CONFLICT and conflict:
            return False
        if answer.is_success:
            return answer.json() if answer.content else True
        where = f"{self._access.admin_url}: {method} {path}: {answer.status_code}"
        words = _reason(answer)
        if answer.status_code in _REFUSES_US:
            raise BusError(
                f"Pulsar's admin interface does not let us in ({where} {words}): it wants a "
                "token that administers the namespace, in EXECMON_PULSAR_TOKEN or a file"
            )
        if answer.is_server_error:
            raise BusDown(f"Pulsar's admin interface does not answer now ({where} {words})")
        raise BusError(f"Pulsar's admin interface refused ({where} {words})")

    def _send(self, method: str, path: str, body: Any) -> Any:
        import httpx

        try:
            if self._client is None:
                self._client = _client(self._access, self._timeout_s)
            token = self._access.current_token()
            headers = {"Authorization": f"Bearer {token}"} if token else {}
            return (
                self._client.request(method, f"/admin/v2/{path}", json=body, headers=headers)
                if body is not None
                else self._client.request(method, f"/admin/v2/{path}", headers=headers)
            )
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise BusError(
                f"expected an address such as http://HOST:8080 in EXECMON_PULSAR_ADMIN_URL, "
                f"got {self._access.admin_url!r}"
            ) from error
        except (httpx.HTTPError, OSError) as error:
            raise BusDown(
                f"Pulsar's admin interface does not answer: {self._access.admin_url}: "
                f"{error or type(error).__name__}; is EXECMON_PULSAR_ADMIN_URL right?"
            ) from error

    def topic_path(self, topic: Topic | str, partition: int | None = None) -> str:
        """Path of a topic or of one of its partitions."""
        return self._access.topic(topic, partition).replace("://", "/")

    @property
    def namespace_path(self) -> str:
        """Path of our namespace."""
        return f"namespaces/{self._access.namespace}"

    def properties(self) -> dict[str, str] | None:
        """What was noted at the namespace, None where there is no such namespace."""
        found = self.get(self.namespace_path)
        return None if found is None else dict(found.get("properties") or {})

    def note(self, name: str, value: str) -> None:
        """Note something at the namespace."""
        self.ask("PUT", f"{self.namespace_path}/property/{name}/{value}")

    def partitions(self, topic: Topic | str) -> int:
        """Partitions of a topic, 0 where there is none of that name."""
        found = self.get(f"{self.topic_path(topic)}/partitions")
        return 0 if found is None else int(found["partitions"])

    def ledgers(self, place: Place) -> Ledgers:
        """What is stored of a partition; nothing where it does not exist."""
        stats = self.get(f"{self.topic_path(*place)}/internalStats")
        if stats is None:
            return Ledgers((), BEGINNING, {})
        end = _rank(stats["lastConfirmedEntry"])
        entries = tuple(
            (ledger, end[1] + 1 if ledger == end[0] else int(each["entries"]))
            for each in stats["ledgers"]
            for ledger in (int(each["ledgerId"]),)
        )
        cursors = stats.get("cursors") or {}
        done = {
            name: _rank(cursor["markDeletePosition"])
            for name, cursor in cursors.items()
            if not name.startswith(_NOBODYS)
        }
        return Ledgers(entries, end, done)

    def close(self) -> None:
        """Drop the connections."""
        if self._client is not None:
            self._client.close()
            self._client = None


def _client(access: Access, timeout_s: float) -> Any:
    import ssl

    import httpx

    verify: Any = True
    if access.admin_url.startswith("https") and access.tls_ca is not None:
        verify = ssl.create_default_context(cafile=str(access.tls_ca))
    return httpx.Client(
        base_url=access.admin_url, timeout=timeout_s, verify=verify, follow_redirects=True
    )


def _reason(answer: Any) -> str:
    """The server's words; behind a defect of its own it tells its whole stack."""
    try:
        text = str(answer.json()["reason"])
    except (ValueError, KeyError, TypeError):
        return str(answer.reason_phrase)
    found = re.search(r"Message: (.+)", text)
    return found.group(1) if found else text.strip().partition("\n")[0]


def _rank(text: str) -> Rank:
    ledger, _, entry = text.partition(":")
    return int(ledger), int(entry), WHOLE
