"""Shapes of settings that pydantic does not know: addresses, tables in one line of text."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any
from urllib.parse import urlsplit, urlunsplit

from pydantic import AfterValidator, BeforeValidator, Field, PlainSerializer

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


def _path(value: Any) -> Any:
    return Path(value).expanduser() if isinstance(value, str) and value else value


DEFAULT_PARTITIONS = MappingProxyType(dict.fromkeys(map(str, Topic), 4))
"""Partitions of each topic of the bus."""

DEFAULT_QUOTE_AGE_LIMITS = MappingProxyType(
    {name: 60.0 if name == "FX" else 900.0 for name in AssetClass.__members__}
)
"""Seconds after which an unchanged quote of each asset class is stale."""

BusUrl = Annotated[str, _address(("redis", "rediss", "unix", "pulsar", "pulsar+ssl"))]
StatusUrl = Annotated[str, _address(("redis", "rediss", "unix"))]
Folder = Annotated[Path | None, BeforeValidator(_path)]
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
