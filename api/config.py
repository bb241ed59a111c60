"""What the API is told at its start, as plain values; the entry point reads the settings."""

from dataclasses import dataclass, field

from bus.pulsar.access import PulsarSettings

LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})


@dataclass(frozen=True, slots=True)
class TokenConfig:
    """How bearer tokens (JWT) are checked; without `jwks` there are none."""

    jwks: str = ""
    """A file, or an https address, with the issuer's public keys."""
    issuer: str = ""
    audience: str = ""
    leeway_s: float = 30.0
    name_claim: str = "sub"
    scopes_claim: str = "scope"
    desks_claim: str = "desks"


@dataclass(frozen=True, slots=True)
class LimitConfig:
    """Where the API says no, so that nobody takes it from the others."""

    max_body_bytes: int = 1 << 20
    max_connections: int = 5_000
    max_streams: int = 2_000
    """WebSockets at once."""
    header_timeout_s: float = 10.0
    """From a connection's start, or a request's first byte, to its last header."""
    body_timeout_s: float = 30.0
    idle_timeout_s: float = 75.0
    write_timeout_s: float = 60.0
    """How long a client may not read before it is let go."""
    reads_per_s: float = 5_000.0
    writes_per_s: float = 100.0


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """Addresses, limits and identity of one API process."""

    status_url: str
    bus_url: str = ""
    bus_access: PulsarSettings | None = None
    """How a Pulsar lets us in."""
    history_url: str = ""
    """The history store; without one, what needs it answers 503."""
    host: str = "127.0.0.1"
    port: int = 8080
    cors_origins: tuple[str, ...] = ()
    subscription_hosts: tuple[str, ...] = ()
    """Hosts that subscriptions may send to; empty for any."""
    config_version: str = ""
    product_version: str = "unknown"
    key_refresh_s: float = 2.0
    heartbeat_s: float = 5.0
    feed_memory_bytes: int = 64 << 20
    """Newest updates kept for clients that come back."""
    stale_after_s: float = 15.0
    """Age of the newest update from which the pipeline counts as stopped."""
    action_wait_s: float = 2.0
    """How long an action on an alert waits for the pipeline to have done it."""
    token: TokenConfig = field(default_factory=TokenConfig)
    limits: LimitConfig = field(default_factory=LimitConfig)

    @property
    def is_loopback(self) -> bool:
        """Whether only this machine can connect."""
        return self.host in LOOPBACK
