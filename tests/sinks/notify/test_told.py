import msgspec
import pytest

from domain.published import Severity
from sinks.notify.told import read_told

INCIDENT = {
    "event_id": "b5f0ba50-0000-5000-8000-000000000000",
    "timestamp": "2026-11-20T14:30:00Z",
    "incident": {"scope": "feed:market-data-3", "severity": "HIGH", "words": "Check the feed"},
}


def test_an_incident_of_a_feed_is_told_like_an_alert():
    told = read_told(msgspec.json.encode(INCIDENT)).execution_alert
    assert (told.order_id, told.alert_type, told.severity) == (
        "feed:market-data-3", "DATA", Severity.HIGH,
    )  # fmt: skip
    assert told.recommendation == "Check the feed"
    assert told.current_progress is None


def test_what_is_neither_is_refused():
    with pytest.raises(msgspec.ValidationError, match="execution_alert"):
        read_told(b'{"event_id": "x", "timestamp": "2026-11-20T14:30:00Z"}')
