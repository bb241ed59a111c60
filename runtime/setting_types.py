"""Shapes of settings that pydantic does not know: addresses, tables in one line of text."""

import json
import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, cast
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, InstanceOf, PlainSerializer

from domain.calendar_table import canonical
from domain.channels import Notify
from domain.channels_check import notify_of
from domain.errors import ConfigurationError
from domain.vocabulary import AssetClass, Topic

MASK = "***"


def masked(text: str) -> str:
    """An address with its password hidden; other text as it is."""
    if "://" not in text:
        return text
    parts = urlsplit(text)
    user, at, host = parts.netloc.rpartition("@")
    if not at or ":" not in user:
        return text
    name = user.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{name}:{MASK}@{host}"))


def _address(schemes: tuple[str, ...]) -> AfterValidator:
    def check(text: str) -> str:
        scheme, found, rest = text.partition("://")
        if text != "embedded" and not (found and rest and scheme in schemes):
            options = ", ".join(f"{s}://…" for s in schemes)
            raise ValueError(f"expected embedded or one of {options}")
        return text

    return AfterValidator(check)


def _web_address(text: str) -> str:
    parts = urlsplit(text)
    if text and (parts.scheme not in {"http", "https"} or not parts.netloc):
        raise ValueError("expected an address such as http://HOST:8080")
    return text


def _calendar(name: str) -> str:
    try:
        return canonical(name)
    except ConfigurationError as error:
        raise ValueError(str(error)) from None


def _pairs(value: Any) -> Any:
    """`orders=4,routes=2` as a table; a bare number stands for every name."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return {"*": value}
    if not isinstance(value, str):
        return value
    if "=" not in value:
        return {"*": _number(value)}
    found: dict[str, Any] = {}
    for part in value.split(","):
        name, _, number = part.partition("=")
        found[name.strip()] = _number(number)
    return found


def _number(text: str) -> int | float:
    text = text.strip()
    try:
        return int(text) if text.lstrip("+-").isdigit() else float(text)
    except ValueError:
        raise ValueError(f"expected NAME=NUMBER,… or one number, got {text!r}") from None


def _by_name(names: tuple[str, ...], defaults: Mapping[str, Any]) -> AfterValidator:
    def fill(given: Mapping[str, Any]) -> Mapping[str, Any]:
        unknown = sorted(set(given) - {*names, "*"})
        if unknown:
            raise ValueError(f"no such name: {', '.join(unknown)}; there are {', '.join(names)}")
        base = dict.fromkeys(names, given["*"]) if "*" in given else dict(defaults)
        return MappingProxyType(base | {k: v for k, v in given.items() if k != "*"})

    return AfterValidator(fill)


def _names(value: Any) -> Any:
    """`a,b` as names."""
    if isinstance(value, str):
        return tuple(name.strip() for name in value.split(",") if name.strip())
    return tuple(cast(list[Any], value)) if isinstance(value, list) else value


def _origins(given: tuple[str, ...]) -> tuple[str, ...]:
    for origin in given:
        parts = urlsplit(origin)
        if parts.scheme not in {"http", "https"} or not parts.netloc or parts.path:
            raise ValueError(f"expected origins such as https://desk.example, got {origin!r}")
    return given


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) and value else value


_FROM_FILE = "_file"
_IN_FILES = frozenset({"url", "secret", "routing_key", "password"})
"""Members of a channel that may stand in a file of their own, named by `…_file`."""


def _notify(value: Any) -> Any:
    """Channels and routes: a table, or the same as JSON in one line."""
    if isinstance(value, Notify):
        return value
    if isinstance(value, str):
        try:
            value = json.loads(value or "{}")
        except ValueError as error:
            raise ValueError(f"expected a JSON object with channels and routes: {error}") from None
    if not isinstance(value, Mapping):
        raise ValueError("expected a table with channels and routes")  # noqa: TRY004
    table = dict(cast(Mapping[str, Any], value))
    channels = table.get("channels")
    if isinstance(channels, Mapping):
        table["channels"] = {
            name: _with_files(str(name), one)
            for name, one in cast(Mapping[str, Any], channels).items()
        }
    return notify_of(table)


def _with_files(who: str, table: Any) -> Any:
    if not isinstance(table, Mapping):
        return table
    found: dict[str, Any] = {}
    given = cast(Mapping[str, Any], table)
    for name, value in given.items():
        member = name.removesuffix(_FROM_FILE)
        if member == name or member not in _IN_FILES:
            found[name] = value
            continue
        if member in given:
            raise ValueError(f"channel {who}: {member} and {name} both give it; drop one")
        try:
            found[member] = Path(value).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, TypeError, UnicodeDecodeError) as error:
            raise ValueError(f"channel {who}: {name} cannot be read: {error}") from None
    return found


def default_history_dir() -> Path:
    """Where this user's embedded history stays: `/var/lib/execmon` of root, else XDG_DATA_HOME.

    Root's own folders are closed to the user that PostgreSQL runs as.
    """
    if os.geteuid() == 0:
        return Path("/var/lib/execmon/history")
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path("~/.local/share").expanduser()) / "execmon" / "history"


DEFAULT_PARTITIONS = MappingProxyType(dict.fromkeys(map(str, Topic), 4))
"""Partitions of each topic of the bus."""

DEFAULT_QUOTE_AGE_LIMITS = MappingProxyType(
    {name: 60.0 if name == "FX" else 900.0 for name in AssetClass.__members__}
)
"""Seconds after which an unchanged quote of each asset class is stale."""

BusUrl = Annotated[str, _address(("redis", "rediss", "unix", "pulsar", "pulsar+ssl"))]
Calendar = Annotated[str, AfterValidator(_calendar)]
AdminUrl = Annotated[str, AfterValidator(_web_address)]
SECRETS = frozenset({"pulsar_token"})
"""Settings whose value is never shown."""
HOLD_SECRETS = SECRETS | {"notify"}
"""Settings whose value is not repeated where it is wrong."""
Secret = Annotated[str, AfterValidator(str.strip)]
StatusUrl = Annotated[str, _address(("redis", "rediss", "unix"))]
HistoryUrl = Annotated[str, _address(("postgresql", "postgres"))]
Folder = Annotated[Path | None, BeforeValidator(_path)]
HistoryFolder = Annotated[Path, BeforeValidator(_path)]
NotifyTable = Annotated[InstanceOf[Notify], BeforeValidator(_notify)]
Hosts = Annotated[tuple[str, ...], BeforeValidator(_names)]
Origins = Annotated[tuple[str, ...], BeforeValidator(_names), AfterValidator(_origins)]
_plain = PlainSerializer(dict)
Partitions = Annotated[
    Mapping[str, Annotated[int, Field(ge=1, le=16)]],
    BeforeValidator(_pairs),
    _by_name(tuple(map(str, Topic)), DEFAULT_PARTITIONS),
    _plain,
]
AgeLimits = Annotated[
    Mapping[str, Annotated[float, Field(gt=0)]],
    BeforeValidator(_pairs),
    _by_name(tuple(AssetClass.__members__), DEFAULT_QUOTE_AGE_LIMITS),
    _plain,
]
