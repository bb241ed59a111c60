"""One line of `doctor`'s report."""

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Check:
    """What was looked at, what was found, and where needed what to do."""

    name: str
    state: State
    found: str
    advice: str = ""
