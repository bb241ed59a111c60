"""Thresholds of alerts in the settings: tables in a file, one line of text elsewhere."""

from collections.abc import Mapping
from hashlib import blake2b
from typing import Annotated, Any, NamedTuple, cast

import msgspec
from pydantic import BeforeValidator, PlainSerializer

from domain.flags import SHOWN, Flags
from domain.thresholds import threshold_table, wrong_threshold
from domain.vocabulary import AssetClass

_WHOSE = ("desk", "asset_class", "symbol")


class ThresholdsFor(NamedTuple):
    """Thresholds of the orders that have every word given here."""

    thresholds: Mapping[str, float]
    desk: str | None = None
    asset_class: str | None = None
    symbol: str | None = None

    def __str__(self) -> str:
        words = [f"{name}={word}" for name in _WHOSE if (word := getattr(self, name)) is not None]
        return " ".join([*words, *(f"{key}={value:g}" for key, value in self.thresholds.items())])


def _tables(value: Any) -> Any:
    """`desk=EU SLOW_EXECUTION=0.3; symbol=AMZN SLIPPAGE=40`, or the same as tables."""
    if isinstance(value, str):
        return read_thresholds(value)
    if isinstance(value, list):
        return tuple(_entry(entry) for entry in cast(list[Any], value))
    return value


def read_thresholds(text: str) -> tuple[ThresholdsFor, ...]:
    """Thresholds in one line of text. Raises ValueError with what is wrong."""
    return tuple(_entry(_words(part)) for part in text.split(";") if part.strip())


def _words(text: str) -> dict[str, str]:
    pairs = [word.partition("=") for word in text.split()]
    if not all(found for _, found, _ in pairs):
        raise ValueError(
            f"expected desk=… asset_class=… symbol=… KEY=NUMBER …, got {text.strip()!r}"
        )
    return {name: word for name, _, word in pairs}


def _entry(given: Any) -> ThresholdsFor:
    if isinstance(given, ThresholdsFor):
        return given
    if not isinstance(given, Mapping):
        raise ValueError(f"expected a table for each entry, got {given!r}")  # noqa: TRY004
    members = dict(cast(Mapping[str, Any], given))
    whose = {name: str(members.pop(name)) for name in _WHOSE if name in members}
    known = AssetClass.__members__
    if "asset_class" in whose and whose["asset_class"] not in known:
        raise ValueError(f"asset_class must be one of {', '.join(known)}")
    if not members:
        raise ValueError("an entry sets no threshold")
    return ThresholdsFor({key: _threshold(key, value) for key, value in members.items()}, **whose)


def _threshold(key: str, value: Any) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        raise ValueError(f"{key} must be a number, was {value!r}") from None
    wrong = wrong_threshold(key, number)
    if wrong:
        table = "; ".join(f"{name}: {words}" for name, words in threshold_table().items())
        raise ValueError(f"{wrong}. What can be set: {table}")
    return number


def version_of(entries: tuple[ThresholdsFor, ...], flags: Flags = SHOWN) -> str:
    """Names the configuration that alerts go by: the same for the same thresholds and flags."""
    told = [entry._asdict() for entry in entries], {} if flags == SHOWN else dict(flags)
    raw = msgspec.json.encode(told, order="sorted")
    return blake2b(raw, digest_size=6).hexdigest()


AlertThresholds = Annotated[
    tuple[ThresholdsFor, ...],
    BeforeValidator(_tables),
    PlainSerializer(lambda entries: [str(entry) for entry in entries]),
]
