"""Recovery and scaling in little."""

import pytest

from benchmarks import scaling
from benchmarks.recovery import snapshots


def test_two_processes_are_compared_by_the_time_of_an_event(monkeypatch):
    runs = {
        1: [{"events": 1_000, "wall_s": 2.0, "busy_s": [1.0], "shown": 5}],
        2: [{"events": 1_000, "wall_s": 1.0, "busy_s": [0.5, 0.6], "shown": 5}],
    }

    monkeypatch.setattr(scaling.os, "sched_getaffinity", lambda _: range(2))
    assert "speedup_2" not in scaling.figures(runs)
    monkeypatch.setattr(scaling.os, "sched_getaffinity", lambda _: range(4))
    found = scaling.figures(runs)

    assert found["cpu_us_per_event_1"] == 1_000.0
    assert found["cpu_per_event_ratio_2"] == pytest.approx(1.1)
    assert found["speedup_2"] == 2.0
    assert found["cpu_s_by_process_2"] == [0.5, 0.6]


def test_a_snapshot_is_timed_as_a_share_of_an_epoch():
    found = snapshots(orders=50, fills=2, ticks_per_s=100, times=1)

    assert 0 < found["snapshot_share"] < 1
    assert found["snapshot_share"] == pytest.approx(found["snapshot_s"] / 5, abs=1e-3)
    assert found["snapshot_mb"] > 0
