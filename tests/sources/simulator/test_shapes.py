from collections import defaultdict
from statistics import mean

import msgspec
import numpy as np
import pytest

from domain.instants import SECOND, parse_rfc3339
from domain.vocabulary import Topic
from sources.simulator.curves import Session, u_profile
from sources.simulator.paths import increments
from sources.simulator.script import Simulation
from sources.simulator.spec import DeskSpec, SimulationSpec, SymbolSpec, VenueSpec

STOCK = SymbolSpec(
    symbol="AAA", price=200.0, adv_qty=20_000_000, quotes_per_s=1.0, trades_per_s=0.5,
    sigma_daily_bps=150, spread_bps=3.0,
)  # fmt: skip
QUIET = SimulationSpec(
    symbols=(STOCK,),
    venues=(VenueSpec(venue="XNAS"), VenueSpec(venue="ARCX")),
    desk=DeskSpec(open_parents=0),
)


@pytest.fixture(scope="module")
def day():
    """Thirteen half-hours of one stock: volume, squared moves, spreads."""
    start = parse_rfc3339(QUIET.start_ts)
    volume, moves, spreads = np.zeros(13), defaultdict(list), defaultdict(list)
    mid = None
    for topic, m in Simulation(QUIET, 2).messages():
        if topic is not Topic.MARKET_DATA or m.type == "auction":
            continue
        part = min(12, int((parse_rfc3339(m.ts_event) - start) / (1800 * SECOND)))
        if m.type == "trade":
            volume[part] += m.size
        else:
            new = (m.bid + m.ask) / 2
            spreads[part].append((m.ask - m.bid) / new * 1e4)
            if mid is not None:
                moves[part].append(np.log(new / mid) ** 2)
            mid = new
    return (
        volume,
        np.array([sum(moves[p]) for p in range(13)]),
        [mean(spreads[p]) for p in range(13)],
    )


def test_volume_is_u_shaped_as_the_reference_says(day):
    volume, _, _ = day
    expected = u_profile(23_400.0).volume

    assert volume[0] > 1.4 * volume[6]
    assert volume[12] > 1.4 * volume[6]
    assert volume.sum() == pytest.approx(STOCK.adv_qty, rel=0.05)
    assert np.corrcoef(volume / volume.sum(), expected)[0, 1] > 0.95


def test_volatility_and_spread_are_highest_at_the_open(day):
    _, variance, spreads = day

    assert variance[0] > 1.5 * variance[5:9].mean()
    assert spreads[0] > 1.3 * mean(spreads[5:9])
    assert mean(spreads) == pytest.approx(3.0, rel=0.15)


def test_profiles_are_normalised_and_can_be_flat():
    for session_s, parts in ((23_400.0, 13), (86_400.0, 48), (600.0, 13)):
        profile = u_profile(session_s)
        assert len(profile.volume) == len(profile.volatility) == parts
        assert profile.volume.sum() == pytest.approx(1)
        assert np.mean(profile.volatility**2) == pytest.approx(1)
        assert profile.spread.mean() == pytest.approx(1)
    assert np.ptp(u_profile(23_400.0, 0.0).volume) == pytest.approx(0)


def test_a_sessions_volume_curve_inverts():
    session = Session(0, 23_400.0, u_profile(23_400.0))
    shares = np.linspace(0, 1, 50)

    assert session.volume_share(session.seconds_at(shares)) == pytest.approx(shares)
    assert session.share_at(0) == 0
    assert session.share_at(session.close_ns) == pytest.approx(1)


def test_daily_moves_have_the_sigma_of_the_reference():
    spec = msgspec.structs.replace(
        QUIET,
        symbols=(msgspec.structs.replace(STOCK, quotes_per_s=0.02, trades_per_s=0.0),),
        auctions=False,
        sessions=60,
    )
    by_day = defaultdict(list)
    for topic, m in Simulation(spec, 4).messages():
        if topic is Topic.MARKET_DATA:
            by_day[m.ts_event[:10]].append((m.bid + m.ask) / 2)

    moves = [np.log(prices[-1] / prices[0]) * 1e4 for prices in by_day.values()]

    assert len(moves) == 60
    assert 110 < np.std(moves) < 195


def test_increments_are_fat_tailed_on_request():
    rng = np.random.Generator(np.random.PCG64(1))
    variance = np.full(40_000, 4.0)

    student, gaussian = increments(rng, variance, 5.0), increments(rng, variance, None)

    assert np.std(student) == pytest.approx(2, rel=0.05)
    assert np.std(gaussian) == pytest.approx(2, rel=0.05)
    assert np.mean(np.abs(student) > 8) > 5 * np.mean(np.abs(gaussian) > 8)


def test_stocks_follow_their_index_by_beta():
    names = (("IDX", 1.0), ("HIGH", 2.0), ("NONE", 0.0))
    spec = msgspec.structs.replace(
        QUIET,
        symbols=tuple(
            msgspec.structs.replace(
                STOCK, symbol=name, beta=beta, quotes_per_s=1, trades_per_s=0.0,
                sigma_daily_bps=100 if name == "IDX" else 250,
            )
            for name, beta in names
        ),
        index_symbol="IDX",
        auctions=False,
    )  # fmt: skip
    mids = defaultdict(dict)
    for topic, m in Simulation(spec, 9).messages():
        if topic is Topic.MARKET_DATA:
            mids[m.symbol][m.ts_event[:15]] = (m.bid + m.ask) / 2

    times = sorted(set.intersection(*(set(v) for v in mids.values())))
    returns = {s: np.diff(np.log([v[t] for t in times])) for s, v in mids.items()}

    market = returns["IDX"]
    assert np.dot(returns["HIGH"], market) / np.dot(market, market) == pytest.approx(2, abs=0.75)
    assert abs(np.dot(returns["NONE"], market) / np.dot(market, market)) < 0.75
