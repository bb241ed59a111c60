"""The simulated market's own law of impact, apart from the models that the product fits.

Trades act through a propagator: the response to a fill is concave in its size, and fades
with a power of time, so that the effect of an order depends on how it was worked.
"""

import math

from domain.instants import SECOND
from sources.simulator.spec import ImpactSpec

_NODES = tuple(-14.5 + 1.5 * k for k in range(12))
"""Logarithms of the rates of decay, in units of 1/τ."""


class Propagator:
    """Displacement of one symbol's log price by our own fills.

    (1 + t/τ) ** −γ is held as a mixture of exponentials, within 3 % of it from 0 to 2,000 τ
    for γ from 0.5 to 0.8, so that the state is twelve numbers however many fills there were.
    """

    def __init__(self, spec: ImpactSpec, *, sigma: float, adv_qty: float) -> None:
        """`sigma` is the day's as a fraction (0.015 for 150 bps), `adv_qty` in shares."""
        self._spec = spec
        self._size = spec.scale * sigma
        self._adv_qty = adv_qty
        gamma = spec.decay_exponent
        weights = [math.exp(gamma * u - math.exp(u)) for u in _NODES]
        total = sum(weights)
        self._weights = [w / total for w in weights]
        self._rates_ns = [math.exp(u) / (spec.decay_s * SECOND) for u in _NODES]
        self._state = [0.0] * len(_NODES)
        self._t = 0
        self.shift = 0.0
        """A lasting displacement, beside the fading one."""
        self._moved = False

    def trade(self, t: int, sign: int, qty: float) -> None:
        """Take in an own fill: `sign` +1 for a purchase."""
        if not self._size:
            return
        kick = sign * self._size * (qty / self._adv_qty) ** self._spec.exponent
        self._fade(t)
        self._state = [s + kick * w for s, w in zip(self._state, self._weights, strict=True)]
        self._moved = True

    def at(self, t: int) -> float:
        """Displacement of the log price at UNIX ns `t`; times must not go back."""
        if not self._moved:
            return self.shift
        self._fade(t)
        return sum(self._state) + self.shift

    def _fade(self, t: int) -> None:
        ago = t - self._t
        self._t = t
        if not self._moved or ago <= 0:
            return
        exp = math.exp
        self._state = [
            s * exp(-rate * ago) for s, rate in zip(self._state, self._rates_ns, strict=True)
        ]
