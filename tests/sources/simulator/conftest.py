from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from domain.instants import SECOND, parse_rfc3339
from domain.vocabulary import Topic
from sources.simulator.script import Simulation
from sources.simulator.spec import DeskSpec, ParentSpec, SimulationSpec, SymbolSpec, VenueSpec

BUSY = DeskSpec(
    open_parents=6,
    duration_s=(15.0, 40.0),
    participation=(0.05, 0.2),
    amend_rate=0.3,
    cancel_rate=0.2,
    reject_rate=0.1,
    bust_rate=0.02,
    correct_rate=0.02,
)


def _symbol(name: str, price: float, spread_bps: float, beta: float) -> SymbolSpec:
    return SymbolSpec(
        symbol=name,
        price=price,
        adv_qty=40_000_000,
        spread_bps=spread_bps,
        beta=beta,
        quotes_per_s=8,
        trades_per_s=3,
    )


OPEN_NS = parse_rfc3339("2026-11-20T14:30:00Z")


def _listed(order_id: str, side: str, limit: float | None, seconds: int) -> ParentSpec:
    return ParentSpec(
        order_id=order_id,
        symbol="AAA",
        side=side,
        quantity=5_000,
        algorithm="TWAP",
        start_ns=OPEN_NS + 5 * SECOND,
        end_ns=OPEN_NS + seconds * SECOND,
        limit=limit,
    )


SMALL = SimulationSpec(
    symbols=(
        _symbol("AAA", 100.0, 2, 1.0),
        _symbol("BBB", 25.0, 8, 0.7),
        _symbol("I X#", 300.0, 1, 1),
    ),
    venues=(
        VenueSpec(venue="XNAS", weight=2, reject_rate=0.05),
        VenueSpec(venue="ARCX", fee_bps=0.1),
        VenueSpec(venue="EDGX", presence=0.6, latency_ms=3),
    ),
    desk=BUSY,
    parents=(
        _listed("FAR/1 #ü", "BUY", 90.0, 20),
        _listed("LONG-2", "SELL_SHORT", None, 3_600),
    ),
    duration_s=90.0,
    index_symbol="I X#",
)


@pytest.fixture
def small() -> SimulationSpec:
    """Three symbols, three venues, ninety busy seconds after the open."""
    return SMALL


@pytest.fixture
def simulate(small: SimulationSpec) -> Callable[..., list[tuple[Topic, Any]]]:
    """Messages of the small simulation with fields of its specification changed."""

    def run(seed: int = 0, **changes: Any) -> list[tuple[Topic, Any]]:
        return list(Simulation(msgspec.structs.replace(small, **changes), seed).messages())

    return run


@pytest.fixture(scope="session")
def busy() -> list[tuple[Topic, Any]]:
    """The small simulation once, for tests that only read it."""
    return list(Simulation(SMALL, 7).messages())
