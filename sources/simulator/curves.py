"""The shape of a day: volume, volatility and spread over a session."""

from dataclasses import dataclass

import numpy as np

from domain.instants import SECOND

HALF_HOUR_S = 1800.0


@dataclass(frozen=True, slots=True)
class Profile:
    """Shapes over equal parts of a session.

    `volume`: shares that sum to 1. `volatility`: multipliers of the day's sigma with mean
    square 1. `spread`: multipliers with mean 1.
    """

    volume: np.ndarray
    volatility: np.ndarray
    spread: np.ndarray


def u_profile(session_s: float, strength: float = 1.0) -> Profile:
    """Busy and wide at the open, busy at the close; one part for each half hour, 13 at least.

    `strength` 0 is flat, 1 like a large US stock.
    """
    parts = max(13, round(session_s / HALF_HOUR_S))
    x = (np.arange(parts) + 0.5) / parts
    opening, closing = np.exp(-x / 0.09), np.exp(-(1 - x) / 0.07)
    volume = 1 + strength * (1.6 * opening + 2.2 * closing)
    volatility = 1 + strength * (1.5 * opening + 0.35 * closing)
    spread = 1 + strength * (1.2 * opening + 0.1 * closing)
    return Profile(
        volume / volume.sum(),
        volatility / np.sqrt(np.mean(volatility**2)),
        spread / spread.mean(),
    )


class Session:
    """One trading session with its shapes laid over [open_ns, close_ns)."""

    def __init__(self, open_ns: int, length_s: float, profile: Profile) -> None:
        self.open_ns = open_ns
        self.close_ns = open_ns + round(length_s * SECOND)
        parts = len(profile.volume)
        self._edges = np.linspace(0.0, length_s, parts + 1)
        self._volume = np.concatenate([[0.0], np.cumsum(profile.volume)])
        variance = profile.volatility**2 / parts
        self._variance = np.concatenate([[0.0], np.cumsum(variance)])
        self._spread = profile.spread.tolist()
        self._part_ns = (self.close_ns - open_ns) / parts

    def seconds(self, t: np.ndarray | int) -> np.ndarray:
        """Seconds after the open."""
        return (np.asarray(t) - self.open_ns) / SECOND

    def volume_share(self, seconds: np.ndarray | float) -> np.ndarray:
        """Share of the session's volume expected until then, 0–1."""
        return np.asarray(np.interp(seconds, self._edges, self._volume))

    def seconds_at(self, volume_share: np.ndarray) -> np.ndarray:
        """When that share of the volume is expected to have traded."""
        return np.interp(volume_share, self._volume, self._edges)

    def variance_share(self, seconds: np.ndarray | float) -> np.ndarray:
        """Share of the session's variance until then, 0–1."""
        return np.asarray(np.interp(seconds, self._edges, self._variance))

    def share_at(self, t: int) -> float:
        """Share of the session's volume expected until UNIX ns `t`."""
        return float(self.volume_share((t - self.open_ns) / SECOND))

    def spread_at(self, t: int) -> float:
        """Multiplier of the mean spread at UNIX ns `t`."""
        part = int((t - self.open_ns) / self._part_ns)
        return self._spread[min(max(part, 0), len(self._spread) - 1)]
