import pytest

from domain.thresholds import AlertType
from rules.recommendations import Facts, recommendation

SLOW = AlertType.SLOW_EXECUTION
COST = AlertType.HIGH_COST


@pytest.mark.parametrize(
    ("type_", "facts", "text"),
    [
        (SLOW, Facts(), "Consider increasing participation rate"),
        (SLOW, Facts(volume_ratio=0.9), "Consider increasing participation rate"),
        (
            SLOW,
            Facts(volume_ratio=0.404),
            "Extend end time or accept residual: volume 40 % of normal",
        ),
        (
            SLOW,
            Facts(away_from_limit_bps=11.6, volume_ratio=0.4),
            "Review limit: market 12 bps away",
        ),
        (COST, Facts(), "Slow down"),
        (COST, Facts(half_spread_paid_bps=9, drift_bps=3), "Use passive or midpoint"),
        (COST, Facts(half_spread_paid_bps=2, drift_bps=8), "Slow down"),
        (
            COST,
            Facts(half_spread_paid_bps=9, drift_bps=3, cost_bps=20, index_adjusted_bps=4),
            "Market move: no action or hedge",
        ),
        (AlertType.MARKET_IMPACT, Facts(), "Slow down"),
    ],
)
def test_the_cause_chooses_the_words(type_, facts, text):
    assert recommendation(type_, facts) == text
