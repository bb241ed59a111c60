"""A desk's orders written down as TOML, for trading against a recorded day.

    [[parent]]
    symbol = "IBM"
    side = "BUY"
    quantity = 40_000
    algorithm = "VWAP"      # TWAP, VWAP, POV or IS
    start = "10:00"         # exchange time, HH:MM or HH:MM:SS
    end = "12:00"

Optional: participation (POV needs it), urgency (low, medium, high), limit, order_id, desk,
broker. A table [desk] changes the desk's habits by the names of `DeskSpec`.
"""

import tomllib
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import msgspec

from domain.errors import ConfigurationError
from domain.instants import SECOND
from sources.simulator.spec import Algorithm, DeskSpec, ParentSpec, Urgency
from sources.simulator.spec_check import check_parent

EXAMPLE_DESK = Path(__file__).with_name("example_desk.toml")
"""Orders in IBM and BAC that come with the product."""
_QUIET = {"open_parents": 0, "bust_rate": 0.0, "correct_rate": 0.0}


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    symbol: str
    side: str
    quantity: int
    algorithm: Algorithm
    start: str
    end: str
    participation: float | None = None
    urgency: Urgency = "medium"
    limit: float | None = None
    order_id: str | None = None
    desk: str | None = None
    broker: str | None = None


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    parent: tuple[_Entry, ...] = ()
    desk: DeskSpec = DeskSpec()


class DeskFile(msgspec.Struct, frozen=True, kw_only=True):
    """Orders of one day and the habits of the desk that works them."""

    parents: tuple[ParentSpec, ...]
    desk: DeskSpec


def load_desk(path: Path, day: date, zone: str = "America/New_York") -> DeskFile:
    """Read a desk's orders for a day; their times are exchange time in `zone`.

    Raises ConfigurationError naming the order and what is wrong with it.
    """
    try:
        raw: dict[str, Any] = tomllib.loads(path.read_text())
        if isinstance(raw.get("desk", {}), dict):
            raw["desk"] = {**_QUIET, **raw.get("desk", {})}
        found = msgspec.convert(msgspec.to_builtins(raw), _File)
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the desk's orders {path}: {error}") from error
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"desk's orders {path}: {error}") from error
    if not found.parent:
        raise ConfigurationError(f"desk's orders {path}: at least one [[parent]] is needed")
    parents = tuple(
        _parent(entry, f"[[parent]] number {number} of {path}", day, ZoneInfo(zone))
        for number, entry in enumerate(found.parent, start=1)
    )
    _refuse_repeats(parents, path)
    return DeskFile(parents=parents, desk=found.desk)


def _parent(entry: _Entry, where: str, day: date, zone: ZoneInfo) -> ParentSpec:
    parent = ParentSpec(
        symbol=entry.symbol,
        side=entry.side.upper(),
        quantity=entry.quantity,
        algorithm=entry.algorithm,
        start_ns=_instant("start", entry.start, where, day, zone),
        end_ns=_instant("end", entry.end, where, day, zone),
        participation=entry.participation,
        urgency=entry.urgency,
        limit=entry.limit,
        order_id=entry.order_id,
        desk=entry.desk,
        broker=entry.broker,
    )
    check_parent(parent, where)
    return parent


def _instant(field: str, text: str, where: str, day: date, zone: ZoneInfo) -> int:
    try:
        clock = time.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(
            f"{field} must be exchange time such as 10:30 or 10:30:15, was {text!r} ({where})"
        ) from None
    if clock.tzinfo is not None:
        raise ConfigurationError(f"{field} is exchange time and has no zone ({where})")
    moment = datetime.combine(day, clock, zone)
    return int(moment.timestamp()) * SECOND + moment.microsecond * 1000


def _refuse_repeats(parents: tuple[ParentSpec, ...], path: Path) -> None:
    ids = [p.order_id for p in parents if p.order_id]
    for order_id in ids:
        if ids.count(order_id) > 1:
            raise ConfigurationError(f"order_id {order_id!r} is given twice in {path}")
