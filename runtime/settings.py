"""Every setting, in one frozen object that is read once at the entry point.

A value comes from the first of these that gives one: the command line, an environment
variable `EXECMON_NAME`, the TOML file that `EXECMON_CONFIG` names (else `execmon.toml` in
the current folder), the default.
"""

import difflib
import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo

from domain.channels import NOBODY, Notify
from domain.errors import ConfigurationError
from domain.flags import SHOWN
from domain.keys import GROUP_KEYS
from runtime.flag_types import AlertFlags
from runtime.setting_types import (
    DEFAULT_PARTITIONS,
    DEFAULT_QUOTE_AGE_LIMITS,
    HOLD_SECRETS,
    MASK,
    SECRETS,
    AdminUrl,
    AgeLimits,
    BusUrl,
    Calendar,
    Folder,
    HistoryFolder,
    HistoryUrl,
    Hosts,
    NotifyTable,
    Origins,
    Partitions,
    Secret,
    StatusUrl,
    default_history_dir,
    masked,
)
from runtime.threshold_types import AlertThresholds

PREFIX = "EXECMON_"
CONFIG_VARIABLE = "EXECMON_CONFIG"
DEFAULT_FILE = Path("execmon.toml")
_FOR_TESTS = {
    "EXECMON_TEST_DATA", "EXECMON_TEST_TIMESCALE_URL", "EXECMON_TEST_ON_TIMESCALE",
    "EXECMON_TEST_ASYNCAPI_SCHEMA",
    "EXECMON_TEST_PULSAR_URL", "EXECMON_TEST_PULSAR_ADMIN_URL", "EXECMON_TEST_NEEDS_PULSAR",
}  # fmt: skip
_OTHER_VARIABLES = frozenset({CONFIG_VARIABLE, *_FOR_TESTS})

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class Settings(BaseModel):
    """What can be set. Units are in the names; the default stands beside each."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    bus_url: BusUrl = "embedded"
    """The bus: `embedded`, `redis://…`, `rediss://…`, `unix://…`, `pulsar://…`, `pulsar+ssl://…`."""
    status_url: StatusUrl = "embedded"
    """The status store: `embedded`, `redis://…`, `rediss://…` or `unix://…`."""
    pulsar_admin_url: AdminUrl = ""
    """A Pulsar's admin interface; unset, port 8080 of the bus's host, 8443 by TLS."""
    pulsar_token: Secret = ""
    """Token by which a Pulsar lets us in."""
    pulsar_token_file: Folder = None
    """File that holds the token, read at every connection."""
    pulsar_tls_ca: Folder = None
    """Certificates of those who vouch for a Pulsar; unset, the usual authorities."""
    history_url: HistoryUrl = "embedded"
    """The history store: `embedded` or `postgresql://…`, with TimescaleDB or without."""
    history_dir: HistoryFolder = Field(default_factory=default_history_dir)
    """Where an embedded history store keeps its data; `data_dir`/history if that is set."""
    history_writers: Annotated[int, Field(ge=1, le=16)] = 2
    """Connections that write history at once."""
    history_chunk_s: Positive = 3600.0
    """Time in one chunk of a hypertable."""
    history_compress_s: Positive = 604_800.0
    """Age at which chunks are compressed into columns; beyond what is ever replayed."""
    history_keep_s: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    """Age at which rows of the history are dropped; unset, they stay."""
    data_dir: Folder = None
    """Where an embedded bus keeps its messages; unset, they end with the process."""
    recovery_dir: Folder = None
    """Where snapshots are kept; unset, a restart begins anew."""
    groups: Annotated[int, Field(ge=1, le=16)] = 16
    """Key groups that hold state; also the most worker processes."""
    partitions: Partitions = Field(default_factory=lambda: DEFAULT_PARTITIONS)
    """Partitions of each topic, when it is first made."""
    epoch_s: Positive = 5.0
    """Seconds between snapshots."""
    linger_ms: NotNegative = 2.0
    """How long a source collects messages into one batch."""
    max_wait_ms: NotNegative = 5.0
    """Wait for the market before a provisional status is shown."""
    mark_interval_s: Positive = 5.0
    """Event time between two marks of an open order."""
    mark_row_interval_s: Positive = 60.0
    """Event time between two marks that are also kept in history."""
    allowed_lateness_s: NotNegative = 5.0
    """How far behind its partition an order event still meets its own market."""
    max_ahead_s: NotNegative = 1.0
    """How far an event may be dated after it was stored."""
    market_ahead_s: Positive = 30.0
    """How far market data may be read ahead of the slowest orders."""
    clock_interval_ms: Positive = 250.0
    """Time between two clock messages in a partition."""
    clock_lag_ms: NotNegative = 50.0
    """How far the clock messages are behind wall time."""
    evict_after_s: NotNegative = 3600.0
    """How long a closed order stays in memory."""
    status_ttl_s: Positive = 86_400.0
    """How long a closed order's status stays in the status store."""
    feed_length: Annotated[int, Field(ge=1)] = 10_000
    """Updates kept for clients that reconnect."""
    conflate_ms: NotNegative = 5.0
    """Updates of one order within this time become one."""
    quote_age_limits: AgeLimits = Field(default_factory=lambda: DEFAULT_QUOTE_AGE_LIMITS)
    """Seconds after which a quote is stale, by asset class."""
    alert_thresholds: AlertThresholds = ()
    """Thresholds of alerts by desk, asset class or symbol, later ones before earlier ones."""
    alert_flags: AlertFlags = SHOWN
    """Severity at which a sign of something wrong is an alert, OFF for none, by its name."""
    usual_days: Annotated[int, Field(ge=0, le=260)] = 20
    """Stored days from which `execmon up` derives daily what is usual; 0 derives nothing."""
    usual_calendar: Calendar = "XNYS"
    """Exchange calendar of the venues in those records."""
    reporting_currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")] = "USD"
    """Currency in which orders of different currencies are ranked."""
    notify: NotifyTable = NOBODY
    """Who is told of alerts: a table of channels and routes, in a variable as JSON."""
    notify_dir: Folder = None
    """Where pages wait until they are delivered; unset, `notify` beside the other data."""
    subscription_hosts: Hosts = ()
    """Hosts that subscriptions may send to, such as *.desk.example; empty for any."""
    log_level: Literal["DEBUG", "INFO", "WARNING", "ERROR"] = "INFO"
    """Least severe log line that is written."""
    log_format: Literal["json", "console"] = "console"
    """One JSON object a line, or lines for people."""

    api_host: Annotated[str, Field(min_length=1)] = "127.0.0.1"
    """Where the API listens; off this machine it needs keys or an identity provider."""
    api_port: Annotated[int, Field(ge=0, le=65_535)] = 8080
    """Port of the API; 0 takes a free one."""
    api_cors_origins: Origins = ()
    """Origins of web pages that may use the API, separated by commas."""
    api_max_body_bytes: Annotated[int, Field(ge=1_024)] = 1 << 20
    """Longest body of a request."""
    api_max_connections: Annotated[int, Field(ge=1)] = 5_000
    """Connections at once; the next is told to come back later."""
    api_max_streams: Annotated[int, Field(ge=1)] = 2_000
    """WebSockets at once."""
    api_header_timeout_s: Positive = 10.0
    """Longest wait for a request's headers."""
    api_body_timeout_s: Positive = 30.0
    """Longest wait for the next part of a request's body."""
    api_idle_timeout_s: Positive = 75.0
    """How long a connection may stay open between requests."""
    api_write_timeout_s: Positive = 60.0
    """How long a client may read nothing before it is let go."""
    api_reads_per_s: Positive = 5_000.0
    """Reading requests a second for each caller."""
    api_writes_per_s: Positive = 100.0
    """Other requests and WebSockets a second for each caller."""
    api_key_refresh_s: Positive = 2.0
    """Time in which a new or revoked API key takes effect."""
    api_heartbeat_s: Positive = 5.0
    """Time between two heartbeats of a WebSocket."""
    api_feed_memory_mb: Positive = 64.0
    """Newest updates kept in memory for WebSockets that come back."""
    api_stale_after_s: Positive = 15.0
    """Age of the newest update from which the pipeline counts as stopped."""
    api_jwt_jwks: str = ""
    """An identity provider's public keys: a file or an https address."""
    api_jwt_issuer: str = ""
    """Who must have issued a token."""
    api_jwt_audience: str = ""
    """For whom a token must have been issued."""
    api_jwt_leeway_s: NotNegative = 30.0
    """How far the clocks of the identity provider and of this machine may be apart."""
    api_jwt_name_claim: Annotated[str, Field(min_length=1)] = "sub"
    """Claim that names the caller."""
    api_jwt_scopes_claim: Annotated[str, Field(min_length=1)] = "scope"
    """Claim that holds read, operate or admin, whatever stands before a colon."""
    api_jwt_desks_claim: Annotated[str, Field(min_length=1)] = "desks"
    """Claim that lists the desks whose orders the caller may see; * for all."""

    _origins: dict[str, str] = PrivateAttr(default_factory=dict)

    def origin(self, name: str) -> str:
        """Where the value came from: `default`, the file, the variable or `command line`."""
        return self._origins.get(name, "default")

    def __repr_args__(self) -> list[tuple[str | None, Any]]:
        return [(name, shown) for name, shown, _ in self.rows()]

    def rows(self) -> list[tuple[str, str, str]]:
        """(name, value, origin) of every setting; passwords in addresses are hidden."""
        return [
            (name, _shown(name, getattr(self, name)), self.origin(name))
            for name in type(self).model_fields
        ]


def load_settings(
    overrides: Mapping[str, Any] | None = None,
    env: Mapping[str, str] | None = None,
    config: Path | None = None,
) -> Settings:
    """Collect the settings; entries of `overrides` that are None are not given.

    `config` stands for EXECMON_CONFIG. Raises ConfigurationError naming the setting, what
    was wrong and where it was said.
    """
    env = os.environ if env is None else env
    given: dict[str, Any] = {}
    origins: dict[str, str] = {}
    path = config or (Path(env[CONFIG_VARIABLE]) if env.get(CONFIG_VARIABLE) else None)
    for layer, strict in (
        (_from_file(path), True),
        (_from_env(env), False),
        (_from_overrides(overrides or {}), False),
    ):
        for name, (value, origin) in layer.items():
            given[name] = _checked(name, value, origin, strict=strict)
            origins[name] = origin
    if "partitions" not in given:
        most = given.get("groups", len(GROUP_KEYS))
        fewer = {topic: min(n, most) for topic, n in DEFAULT_PARTITIONS.items()}
        given["partitions"] = MappingProxyType(fewer)
    if "history_dir" not in given and given.get("data_dir") is not None:
        given["history_dir"] = given["data_dir"] / "history"
    settings = Settings.model_construct(**given)
    settings._origins.update(origins)  # pyright: ignore[reportPrivateUsage]
    _check_together(settings)
    return settings


Layer = dict[str, tuple[Any, str]]


def _from_file(path: Path | None) -> Layer:
    if path is None:
        if not DEFAULT_FILE.exists():
            return {}
        path = DEFAULT_FILE
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"cannot read the settings in {path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"{path} is not a TOML file: {error}") from error
    return {_known(key, f"in {path}"): (value, f"file {path}") for key, value in table.items()}


def _from_env(env: Mapping[str, str]) -> Layer:
    found: Layer = {}
    for variable, text in env.items():
        if variable.startswith(PREFIX) and variable not in _OTHER_VARIABLES:
            name = _known(variable.removeprefix(PREFIX).lower(), f"variable {variable}")
            found[name] = (text, f"variable {variable}")
    return found


def _from_overrides(overrides: Mapping[str, Any]) -> Layer:
    return {
        _known(name, "on the command line"): (value, "command line")
        for name, value in overrides.items()
        if value is not None
    }


def _known(name: str, where: str) -> str:
    names = list(Settings.model_fields)
    if name in names:
        return name
    near = difflib.get_close_matches(name, names, n=1, cutoff=0.5)
    hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names)}"
    raise ConfigurationError(f"no setting is called {name} ({where}); {hint}")


def _adapter(field: FieldInfo) -> TypeAdapter[Any]:
    shape: Any = field.annotation
    for more in field.metadata:
        shape = Annotated.__class_getitem__((shape, more))  # pyright: ignore
    return TypeAdapter[Any](shape)


_ADAPTERS = {name: _adapter(field) for name, field in Settings.model_fields.items()}


def _checked(name: str, value: Any, origin: str, *, strict: bool) -> Any:
    try:
        return _ADAPTERS[name].validate_python(value, strict=strict)
    except ValidationError as error:
        words = "; ".join(_in_words(found) for found in error.errors())
        shown = MASK if name in HOLD_SECRETS else masked(value) if isinstance(value, str) else value
        raise ConfigurationError(f"{name}: {words}, was {shown!r} ({origin})") from None


def _in_words(found: Any) -> str:
    words = str(found["msg"]).removeprefix("Value error, ")
    words = words.replace("Input should be", "must be")
    words = words.replace("a valid dictionary", "a table of names and numbers")
    where = ".".join(str(part) for part in found["loc"])
    return f"{where} {words}" if where else words


def _check_together(settings: Settings) -> None:
    for topic, count in settings.partitions.items():
        if count > settings.groups:
            raise ConfigurationError(
                f"partitions: {topic} has {count}, more than the {settings.groups} groups; "
                "some would never get a message"
            )
    if settings.pulsar_token and settings.pulsar_token_file is not None:
        raise ConfigurationError("pulsar_token and pulsar_token_file both give a token; drop one")
    if settings.mark_row_interval_s % settings.mark_interval_s:
        raise ConfigurationError(
            f"mark_row_interval_s must be a multiple of mark_interval_s, was "
            f"{settings.mark_row_interval_s:g} with {settings.mark_interval_s:g}"
        )


def _shown(name: str, value: Any) -> str:
    if value is None:
        return ""
    if name in SECRETS and value:
        return MASK
    if isinstance(value, Mapping):
        pairs = cast(Mapping[str, Any], value).items()
        return ",".join(f"{k}={v}" if isinstance(v, str) else f"{k}={v:g}" for k, v in pairs)
    if isinstance(value, float):
        return f"{value:g}"
    if isinstance(value, tuple):
        return ",".join(map(str, cast(tuple[object, ...], value)))
    return str(value) if isinstance(value, Notify) else masked(str(value))
