"""`execmon replay ndjson … --alerts`: the alerts of a file, the same with any number of workers."""

import json

import pytest

from cli.replay.run import ReplayOptions, replay
from domain.errors import ConfigurationError, InputError
from sources.ndjson import NdjsonReader

START = "2026-11-20T14:{:02d}:{:02d}Z"


def at(seconds):
    return START.format(30 + seconds // 60, seconds % 60)


def stalled(folder, desks=("EU", "US")):
    """Orders of two desks that never trade."""
    events = [
        {"type": "order_accepted", "order_id": f"{desk}-{i}", "symbol": "X", "side": "BUY",
         "order_qty": 1000.0, "desk": desk, "ts_event": at(1), "seq": 1,
         "algo_params": {"schedule": "TWAP", "start": at(1), "end": at(601)}}
        for desk in desks for i in range(4)
    ]  # fmt: skip
    events += [
        {"type": "quote", "symbol": "X", "bid": 9.99, "ask": 10.01, "ts_event": at(t), "seq": t}
        for t in range(300)
    ]
    file = folder / "events.ndjson"
    file.write_text("".join(json.dumps(event) + "\n" for event in events))
    return file


def run(file, out, workers=1):
    replay([NdjsonReader(file)], ReplayOptions(alerts=out, marks_s=60, workers=workers))
    return [json.loads(line) for line in out.read_text().splitlines()]


def test_the_alerts_of_a_file_stand_by_desk_with_every_change(tmp_path):
    changes = run(stalled(tmp_path), tmp_path / "alerts.ndjson")

    assert [c["alert"]["desk"] for c in changes] == sorted(c["alert"]["desk"] for c in changes)
    for order in ("EU-0", "US-3"):
        own = [c for c in changes if c["alert"]["scope"] == order]
        assert [(c["transition"]["change"], c["alert"]["severity"]) for c in own] == [
            ("RAISED", "LOW"), ("SEVERITY", "MEDIUM"), ("SEVERITY", "HIGH"),
        ]  # fmt: skip
        assert own[-1]["alert"]["type"] == "SLOW_EXECUTION"
        assert own[-1]["alert"]["recommendation"] == "Consider increasing participation rate"


def test_the_same_alerts_come_from_one_worker_and_from_three(tmp_path):
    file = stalled(tmp_path)
    assert run(file, tmp_path / "one.ndjson") == run(file, tmp_path / "three.ndjson", workers=3)


def test_a_file_that_cannot_be_written_is_said_before_anything_is_read(tmp_path):
    file = stalled(tmp_path)
    with pytest.raises(ConfigurationError, match="does not exist"):
        ReplayOptions(alerts=tmp_path / "nowhere" / "a.ndjson").check()
    with pytest.raises(ConfigurationError, match="different files"):
        ReplayOptions(alerts=file, dead_letters=file).check()
    (tmp_path / ".alerts.ndjson.part").mkdir()
    with pytest.raises(InputError, match="cannot write"):
        replay([NdjsonReader(file)], ReplayOptions(alerts=tmp_path / "alerts.ndjson"))
