"""The reference records of the simulated symbols, true to what is simulated."""

from typing import Any

from sources.simulator.curves import u_profile
from sources.simulator.spec import SimulationSpec, SymbolSpec


def reference_records(
    spec: SimulationSpec, effective_from: str | None = None
) -> list[dict[str, Any]]:
    """One record a symbol, as JSON members of the `reference` topic.

    `effective_from` is RFC 3339 text; absent: the start of the simulation.
    """
    return [_record(spec, symbol, effective_from or spec.start_ts) for symbol in spec.symbols]


def _record(spec: SimulationSpec, symbol: SymbolSpec, effective_from: str) -> dict[str, Any]:
    profile = u_profile(spec.session_s, spec.u_shape)
    record: dict[str, Any] = {
        "type": "reference",
        "symbol": symbol.symbol,
        "adv_qty": symbol.adv_qty,
        "sigma_daily_bps": symbol.sigma_daily_bps,
        "spread_bps": symbol.spread_bps,
        "volume_curve": [round(float(share), 9) for share in profile.volume],
        "volatility_curve": [round(float(part), 9) for part in profile.volatility],
        "tick": symbol.tick,
        "lot": symbol.lot,
        "currency": symbol.currency,
        "calendar": spec.calendar,
        "prev_close": symbol.price,
        "effective_from": effective_from,
    }
    if spec.index_symbol is not None:
        record["beta"] = 1.0 if symbol.symbol == spec.index_symbol else symbol.beta
        record["index_symbol"] = spec.index_symbol
    return record
