"""Moves that a market makes by itself, asked for by time: nobody's impact, and no index's."""

from collections.abc import Callable, Sequence

from domain.instants import SECOND
from sources.simulator.agenda import Agenda
from sources.simulator.spec import FaultSpec


def plan_moves(
    faults: Sequence[FaultSpec],
    start_ns: int,
    symbols: Sequence[str],
    agenda: Agenda,
    drift: Callable[[str, float], None],
) -> None:
    """Enter every `market_move`: its symbol, or each, drifts evenly by its bps, second by second.

    `drift` takes a symbol and a move of its log price that lasts.
    """
    for fault in faults:
        if fault.kind != "market_move":
            continue
        steps = max(1, round(fault.end_s - fault.start_s))
        move = fault.bps * 1e-4 / steps
        for step in range(steps):
            at = start_ns + round((fault.start_s + step) * SECOND)
            for symbol in symbols if fault.symbol is None else (fault.symbol,):
                agenda.at(at, drift, symbol, move)
