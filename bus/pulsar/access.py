"""Where a Pulsar is and how we are let in, from the bus's address and the settings."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

from bus.pulsar.errors import pulsar_module
from domain.errors import BusError
from domain.vocabulary import Topic

_NAMESPACE = "public/default"
_TLS = "pulsar+ssl"


class PulsarSettings(Protocol):
    """The settings that only a Pulsar bus needs."""

    @property
    def pulsar_admin_url(self) -> str: ...  # noqa: D102
    @property
    def pulsar_token(self) -> str: ...  # noqa: D102
    @property
    def pulsar_token_file(self) -> Path | None: ...  # noqa: D102
    @property
    def pulsar_tls_ca(self) -> Path | None: ...  # noqa: D102


@dataclass(frozen=True, slots=True)
class Access:
    """An address taken apart. The token is read from its file at every connection."""

    service_url: str
    """For the client: `pulsar://HOST:PORT`, or several hosts separated by commas."""
    admin_url: str
    namespace: str
    """`TENANT/NAMESPACE`; a deployment has one of its own."""
    token: str = ""
    token_file: Path | None = None
    tls_ca: Path | None = None

    @classmethod
    def of(cls, url: str, settings: PulsarSettings | None = None) -> "Access":
        """From `pulsar[+ssl]://HOST:PORT[/TENANT/NAMESPACE]`. Raises BusError."""
        parts = urlsplit(url)
        hosts = parts.netloc.split(",")
        path = parts.path.strip("/") or _NAMESPACE
        if not all(hosts) or path.count("/") != 1 or parts.query or "@" in parts.netloc:
            raise BusError(
                f"expected {parts.scheme}://HOST:PORT or {parts.scheme}://HOST:PORT/TENANT/"
                "NAMESPACE (a token goes into EXECMON_PULSAR_TOKEN or a file)"
            )
        host = urlsplit(f"//{hosts[0]}").hostname or ""
        host = f"[{host}]" if ":" in host else host
        admin = f"https://{host}:8443" if parts.scheme == _TLS else f"http://{host}:8080"
        found = cls(f"{parts.scheme}://{parts.netloc}", admin, path)
        if settings is None:
            return found
        return cls(
            found.service_url,
            settings.pulsar_admin_url.rstrip("/") or admin,
            path,
            settings.pulsar_token,
            settings.pulsar_token_file,
            settings.pulsar_tls_ca,
        )

    @property
    def shown(self) -> str:
        """For messages to people."""
        return f"{self.service_url}/{self.namespace}"

    def topic(self, topic: Topic | str, partition: int | None = None) -> str:
        """Full name of a topic or of one of its partitions."""
        name = f"persistent://{self.namespace}/{topic}"
        return name if partition is None else f"{name}-partition-{partition}"

    def current_token(self) -> str:
        """The token as it is now, empty without one. Raises BusError."""
        if self.token_file is None:
            return self.token
        try:
            return self.token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise BusError(f"cannot read the token in {self.token_file}: {error}") from error

    def client_options(self) -> Mapping[str, Any]:
        """Keyword arguments of the client: authentication and TLS."""
        pulsar = pulsar_module()
        options: dict[str, Any] = {}
        if self.current_token():
            options["authentication"] = pulsar.AuthenticationToken(self.current_token)
        if self.service_url.startswith(_TLS):
            options["tls_validate_hostname"] = True
            if self.tls_ca is not None:
                options["tls_trust_certs_file_path"] = str(self.tls_ca)
            else:
                import certifi

                options["tls_trust_certs_file_path"] = certifi.where()
        return options
