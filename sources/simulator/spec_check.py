"""Reads specifications and refuses in words what cannot be simulated."""

import math
import tomllib
from pathlib import Path

import msgspec

from domain.errors import ConfigurationError
from domain.instants import parse_rfc3339
from domain.vocabulary import Side
from sources.simulator.spec import ParentSpec, SimulationSpec, SymbolSpec


def load_spec(path: Path) -> SimulationSpec:
    """The specification in a TOML file. Raises ConfigurationError in words."""
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(f"cannot read the simulation {path}: {error}") from error
    try:
        spec = msgspec.convert(tomllib.loads(text), SimulationSpec)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise ConfigurationError(f"simulation {path}: {error}") from error
    check_spec(spec)
    return spec


def check_spec(spec: SimulationSpec) -> None:
    """Raise ConfigurationError unless the specification can be simulated."""
    if not spec.symbols or not spec.venues:
        raise ConfigurationError("a simulation needs at least one symbol and one venue")
    names = [s.symbol for s in spec.symbols]
    if len(set(names)) != len(names):
        raise ConfigurationError(f"each symbol may be listed once, got {', '.join(names)}")
    for symbol in spec.symbols:
        _check_symbol(symbol, spec.session_s)
    _one_of("index_symbol", spec.index_symbol, names)
    for halt in spec.halts:
        _one_of("halt.symbol", halt.symbol, names)
    venues = [v.venue for v in spec.venues]
    brokers = [*spec.desk.brokers, *(parent.broker for parent in spec.parents if parent.broker)]
    for fault in spec.faults:
        _one_of("fault.symbol", fault.symbol, names)
        _one_of("fault.venue", fault.venue, venues)
        _one_of("fault.broker", fault.broker, brokers)
        if not 0 <= fault.rate <= 1:
            raise ConfigurationError(f"fault.rate must be 0–1, was {fault.rate} ({fault.kind})")
        if fault.kind == "market_move" and not fault.start_s < fault.end_s < math.inf:
            raise ConfigurationError(
                f"a market_move needs an end after its start, was {fault.end_s:g} s"
            )
    for number, parent in enumerate(spec.parents, start=1):
        _one_of("parent.symbol", parent.symbol, names)
        check_parent(parent, f"parent {number}, {parent.symbol}")
    unknown = set(spec.desk.algorithms) - {"TWAP", "VWAP", "POV", "IS"}
    if unknown:
        raise ConfigurationError(
            f"desk.algorithms may name TWAP, VWAP, POV and IS, not {', '.join(sorted(unknown))}"
        )
    if spec.session_s <= 0 or spec.speed <= 0:
        raise ConfigurationError("session_s and speed must be positive")
    try:
        parse_rfc3339(spec.start_ts)
    except ValueError as error:
        raise ConfigurationError(f"start_ts: {error}") from error


def check_parent(parent: ParentSpec, where: str) -> None:
    """Raise ConfigurationError unless an algorithm can work the order."""
    if parent.side not in set(Side):
        raise ConfigurationError(
            f"side must be one of {', '.join(Side)}, was {parent.side!r} ({where})"
        )
    if parent.quantity <= 0:
        raise ConfigurationError(f"quantity must be positive, was {parent.quantity} ({where})")
    if parent.end_ns <= parent.start_ns:
        raise ConfigurationError(f"end must be after start ({where})")
    rate = parent.participation
    if rate is not None and not 0 < rate < 1:
        raise ConfigurationError(f"participation must be between 0 and 1, was {rate} ({where})")
    if parent.algorithm == "POV" and rate is None:
        raise ConfigurationError(f"a POV order needs its participation, such as 0.1 ({where})")
    if parent.limit is not None and not parent.limit > 0:
        raise ConfigurationError(f"limit must be positive, was {parent.limit} ({where})")


def _check_symbol(s: SymbolSpec, session_s: float) -> None:
    for name in ("price", "adv_qty", "tick", "lot", "quotes_per_s"):
        if not getattr(s, name) > 0:
            raise ConfigurationError(
                f"{name} of {s.symbol} must be positive, was {getattr(s, name)}"
            )
    for name in ("sigma_daily_bps", "spread_bps", "trades_per_s"):
        if not getattr(s, name) >= 0:
            raise ConfigurationError(
                f"{name} of {s.symbol} must not be negative, was {getattr(s, name)}"
            )
    least = s.trades_per_s * session_s * s.lot
    if s.adv_qty < least:
        raise ConfigurationError(
            f"adv_qty of {s.symbol} must be at least {least:g}, one lot a trade, was {s.adv_qty:g}"
        )
    if s.tail_df is not None and s.tail_df <= 2:
        raise ConfigurationError(f"tail_df of {s.symbol} must be above 2, was {s.tail_df}")


def _one_of(field: str, value: str | None, known: list[str]) -> None:
    if value is not None and value not in known:
        raise ConfigurationError(f"{field} must be one of {', '.join(known)}, was {value!r}")
