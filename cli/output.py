"""How commands print: JSON on stdout for programs, tables for people."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

_ENCODER = msgspec.json.Encoder()


def print_json(value: Any) -> None:
    """One JSON object on one line of stdout; what is not a number is null."""
    sys.stdout.write(_ENCODER.encode(without_nan(value)).decode() + "\n")
    sys.stdout.flush()


def without_nan(value: Any) -> Any:
    """The value with None for every NaN or infinity inside."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(k): without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [without_nan(v) for v in value]
    return value


def number(value: Any, digits: int = 2, missing: str = "–") -> str:
    """A number for people: thousands apart, so many digits at most; `missing` for none."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return missing
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.{digits}f}"
