"""The specification's own example of an alert, out of the whole pipeline."""

import json
from types import SimpleNamespace

import msgspec
import pytest

from cli.replay.alerts import AlertFile
from cli.replay.run import ReplayOptions, replay
from domain.instants import SECOND, format_rfc3339
from domain.keys import crc_of
from sinks.alert_events import change_message
from sources.ndjson import NdjsonReader

ORDER = "order_20250621_001"
MARKS_S = 5
DAY = 1_750_500_000 * SECOND
BEGIN = DAY + (crc_of(ORDER) % (MARKS_S * 1000)) * 1_000_000
"""At a mark of the order, which lie 5 s apart."""


def at(seconds):
    return format_rfc3339(BEGIN + round(seconds * SECOND))


def event(type_, seconds, **more):
    return {"type": type_, "order_id": ORDER, "symbol": "AMZN", "side": "BUY",
            "ts_event": at(seconds), **more}  # fmt: skip


def events():
    """A TWAP of 1,000 s that is 55 % done, of which a tenth is busted before 70 % are due."""
    schedule = {"schedule": "TWAP", "start": at(0), "end": at(1000)}
    yield event("order_accepted", 0, order_qty=10_000, desk="US-CASH", algo_params=schedule)
    for t in range(710):
        yield {"type": "quote", "symbol": "AMZN", "bid": 99.99, "ask": 100.01, "ts_event": at(t)}
        if t % 100 == 1 and t < 500:
            yield event("order_filled", t, exec_id=f"e{t}", last_qty=900, last_px=100.0,
                        venue="XNAS")  # fmt: skip
        if t == 550:
            yield event("order_filled", t, exec_id="late", last_qty=1_000, last_px=100.0,
                        venue="XNAS")  # fmt: skip
        if t == 688:
            yield event("fill_busted", t, exec_ref_id="late")


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    """Every event about the order on topic `execution-alerts`, as JSON."""
    file = tmp_path_factory.mktemp("alert") / "events.ndjson"
    file.write_text("".join(json.dumps(one) + "\n" for one in events()))
    kept = []
    monkey = pytest.MonkeyPatch()
    monkey.setattr(AlertFile, "take", lambda self, change: kept.append(change))
    replay([NdjsonReader(file)], ReplayOptions(alerts=file.with_name("alerts.ndjson"), marks_s=60))
    monkey.undo()
    return [msgspec.json.decode(change_message(c, 4, 4, 16).body) for c in kept if c.publish]


def test_the_example_comes_out_with_exactly_its_fields(published):
    alert = published[0]["execution_alert"]
    assert set(alert) == {
        "order_id", "alert_type", "severity", "current_progress", "expected_progress",
        "recommendation", "metrics",
    }  # fmt: skip
    told = SimpleNamespace(**alert)
    assert (told.order_id, told.alert_type, told.severity) == (ORDER, "SLOW_EXECUTION", "MEDIUM")
    assert told.current_progress == 0.45
    assert told.expected_progress == pytest.approx(0.70, abs=1e-12)
    assert told.recommendation == "Consider increasing participation rate"
    assert set(told.metrics) == {"execution_speed", "cost_efficiency"}
    assert told.metrics["execution_speed"] == pytest.approx(0.642857, abs=1e-6)


def test_it_is_one_alert_that_says_which_numbers_it_rests_on(published):
    assert len(published) == 1
    life = published[0]["monitoring"]
    assert life["order_ids"] == [ORDER]
    assert life["evidence"]["actual"] == 0.45
    assert life["evidence"]["threshold"] == 0.2
    assert (life["seq"], life["desk"]) == (1, "US-CASH")
