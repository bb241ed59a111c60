"""Ready specifications: the live demonstration, and one whole trading day."""

from sources.simulator.spec import DeskSpec, SimulationSpec, SymbolSpec, VenueSpec

VENUES = (
    VenueSpec(venue="XNAS", weight=3.0, latency_ms=0.4),
    VenueSpec(venue="ARCX", weight=2.0, presence=0.85, latency_ms=0.5),
    VenueSpec(venue="BATS", weight=1.6, presence=0.8, latency_ms=0.45),
    VenueSpec(venue="EDGX", weight=1.2, presence=0.7, latency_ms=0.55),
    VenueSpec(
        venue="IEXG",
        weight=0.6,
        presence=0.5,
        latency_ms=0.9,
        take_fee_per_share=0.0009,
        add_fee_per_share=0.0,
    ),
)
INDEX = "IDX"

_STOCKS = (
    # symbol, price, ADV in millions over 6.5 h, daily sigma bps, beta, spread bps
    (INDEX, 512.40, 48.0, 95.0, 1.00, 0.4),
    ("ALFA", 187.35, 42.0, 165.0, 1.15, 1.0),
    ("BRVO", 64.12, 24.0, 140.0, 0.90, 1.8),
    ("CHRL", 421.80, 18.0, 185.0, 1.30, 1.4),
    ("DLTA", 31.44, 30.0, 210.0, 1.20, 3.2),
    ("ECHO", 98.06, 12.0, 155.0, 1.05, 2.2),
    ("FOXT", 143.59, 9.0, 130.0, 0.75, 2.4),
    ("GOLF", 22.87, 15.0, 240.0, 1.40, 4.5),
    ("HOTL", 55.20, 6.0, 120.0, 0.70, 3.0),
    ("INDI", 276.15, 7.5, 170.0, 1.10, 2.0),
    ("JULT", 12.48, 20.0, 260.0, 1.35, 8.0),
    ("KILO", 83.31, 4.5, 110.0, 0.60, 3.6),
)
_STOCK_SESSION_S = 23_400.0


def symbols(
    session_s: float = _STOCK_SESSION_S, events_per_s: float = 300.0
) -> tuple[SymbolSpec, ...]:
    """Twelve stocks, one of them the index, with this many market events a second in all.

    Volume and variance a second are those of a stock's 6.5 hours whatever the session.
    """
    days = session_s / _STOCK_SESSION_S
    weights = [millions**0.5 for _, _, millions, *_ in _STOCKS]
    found: list[SymbolSpec] = []
    for (name, price, millions, sigma, beta, spread), weight in zip(_STOCKS, weights, strict=True):
        rate = events_per_s * weight / sum(weights)
        most = millions * 1e6 / _STOCK_SESSION_S / 100
        found.append(
            SymbolSpec(
                symbol=name,
                price=price,
                adv_qty=millions * 1e6 * days,
                sigma_daily_bps=sigma * days**0.5,
                beta=beta,
                spread_bps=spread,
                trades_per_s=min(0.2 * rate, 0.8 * most),
                quotes_per_s=rate - min(0.2 * rate, 0.8 * most),
            )
        )
    return tuple(found)


def demo_spec(
    *, events_per_s: float = 300.0, open_parents: int = 25, id_prefix: str = ""
) -> SimulationSpec:
    """The live desk: orders of one to three minutes, without an end."""
    day_s = 86_400.0
    return SimulationSpec(
        symbols=symbols(day_s, events_per_s),
        venues=VENUES,
        desk=DeskSpec(open_parents=open_parents),
        calendar="24/7",
        session_s=day_s,
        sessions=None,
        auctions=False,
        u_shape=0.0,
        index_symbol=INDEX,
        id_prefix=id_prefix,
    )


def day_spec(*, events_per_s: float = 60.0, open_parents: int = 15) -> SimulationSpec:
    """One New York session from auction to auction, orders of ten minutes to an hour."""
    return SimulationSpec(
        symbols=symbols(events_per_s=events_per_s),
        venues=VENUES,
        desk=DeskSpec(
            open_parents=open_parents,
            duration_s=(600.0, 3600.0),
            participation=(0.01, 0.08),
            decision_delay_s=(1.0, 60.0),
        ),
        index_symbol=INDEX,
    )
