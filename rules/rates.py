"""A failure rate watched both ways: for its rise, and once risen for its way back."""

import msgspec

from metrics.control_charts import bernoulli_weight, cusum

# A compiled function costs more to call from Python than these cost to run.
_weight = bernoulli_weight.__wrapped__
_cusum = cusum.__wrapped__

RETURN = 7.0
"""The way back takes as much evidence as the rise: with less, the alert about a venue that still
fails now and then has a lucky stretch and ends."""


class Weights(msgspec.Struct, frozen=True):
    """What one outcome adds to the sum that watches for a rise from p0 to p1."""

    failure: float
    success: float


def weights_of(p0: float, p1: float) -> Weights:
    """The weights for two rates between 0 and 1."""
    return Weights(_weight(1.0, p0, p1), _weight(0.0, p0, p1))


class RateWatch(msgspec.Struct):
    """Sums of evidence for the rise and for the way back, with the outcomes behind the first."""

    up: float = 0.0
    down: float = 0.0
    n: int = 0
    """Outcomes since `up` was last zero."""
    failures: int = 0

    def take(self, failed: bool, weights: Weights) -> None:
        """Count one outcome."""
        weight = weights.failure if failed else weights.success
        self.up = _cusum(self.up, weight, 0.0)
        self.down = _cusum(self.down, -weight, 0.0)
        if self.up > 0.0:
            self.n += 1
            self.failures += failed
        else:
            self.n = self.failures = 0

    def begin_again(self) -> None:
        """Forget the evidence for a rise."""
        self.up = 0.0
        self.n = self.failures = 0

    def is_back(self, more: float) -> bool:
        """Whether the rate is believed to be p0 again; `more` is asked of a busy venue."""
        return self.down >= RETURN + more

    @property
    def rate(self) -> float | None:
        """Share of failures among the outcomes behind `up`."""
        return self.failures / self.n if self.n else None
