"""Flags and the severity at which each is an alert, in the settings."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, cast

from pydantic import AfterValidator, BeforeValidator, PlainSerializer

from domain.flags import SHOWN, Flag, Flags
from domain.published import Severity

OFF = "OFF"


def _flags(value: Any) -> Any:
    """`OVERFILL=HIGH,PAGE_HINKLEY=OFF`, or the same as a table; others stay as they are."""
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",") if part.strip()]
        pairs = [tuple(map(str.strip, part.partition("=")[::2])) for part in parts]
    elif isinstance(value, Mapping):
        pairs = [(str(name), str(word)) for name, word in cast(Mapping[Any, Any], value).items()]
    else:
        raise ValueError("expected FLAG=SEVERITY,… or a table")  # noqa: TRY004
    found: dict[Flag, Severity] = dict(SHOWN)
    for name, word in pairs:
        if name not in Flag.__members__:
            raise ValueError(f"no flag is called {name!r}; there are {', '.join(Flag)}")
        if word == OFF:
            found.pop(Flag(name), None)
        elif word in Severity.__members__:
            found[Flag(name)] = Severity(word)
        else:
            raise ValueError(f"{name} must be {OFF}, {', '.join(Severity)}, was {word!r}")
    return found


def _written(flags: Flags) -> dict[str, str]:
    return {flag: str(flags.get(flag, OFF)) for flag in Flag}


AlertFlags = Annotated[
    Flags, BeforeValidator(_flags), AfterValidator(MappingProxyType), PlainSerializer(_written)
]
