import json

import pytest

from benchmarks import history
from sinks.history.tables import STATUSES

FIGURES = (
    "rows_per_s", "ratio_to_copy", "copy_rows_per_s", "p50_ms", "p99_ms", "rows_per_s_1000",
    "rows_per_s_10000", "rows_per_s_1000_conflicting", "rows_per_s_10000_conflicting",
    "rows_per_s_10000_replayed", "rows_per_s_sink_replayed",
)  # fmt: skip


def test_it_prints_every_figure_as_one_json_object(capsys):
    assert history.main(["--json", "--rows", "2000", "--repeat", "1"]) == 0

    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == 2000
    assert 3_000 < found["body_bytes"] < 6_000
    assert all(found[name] > 0 for name in FIGURES)
    assert found["p99_ms"] >= found["p50_ms"]


def test_two_versions_of_a_workload_differ_in_every_body_and_in_no_key():
    first, second = (history.decoded(history.messages(600, version=v)) for v in ("v1", "v2"))

    both = [[row for update in found for row in update.rows] for found in (first, second)]

    for one, other in zip(*both, strict=True):
        assert one.table.key_of(one.values) == other.table.key_of(other.values)
    bodies = [{r.values[-1] for r in rows if r.table is STATUSES} for rows in both]
    assert len(bodies[0]) == len(bodies[1]) == 600
    assert not bodies[0] & bodies[1]


def test_nothing_is_timed_when_a_body_is_not_stored_as_published(history_url, monkeypatch):
    monkeypatch.setattr(history, "upserted_s", lambda *_: [])

    with pytest.raises(SystemExit, match="nothing was timed"):
        history.check(history_url, history.messages(500))
