"""Snapshots are found again by the ids of steps: a renamed step forgets all it knew, in silence.

To rename one on purpose, change `step_ids.txt` too, and say in the changelog that deployments have
to start with an empty recovery folder.
"""

from pathlib import Path

import pytest

from dataflows import history, monitor, notify
from runtime.servers import open_servers

GOLDEN = Path(__file__).with_name("step_ids.txt").read_text().splitlines()


@pytest.fixture
def addresses(monkeypatch, history_url, tmp_path):
    with open_servers() as servers:
        monkeypatch.setenv("EXECMON_BUS_URL", servers.bus_url)
        monkeypatch.setenv("EXECMON_STATUS_URL", servers.status_url)
        monkeypatch.setenv("EXECMON_HISTORY_URL", history_url)
        monkeypatch.setenv("EXECMON_NOTIFY_DIR", str(tmp_path))
        yield


def test_the_steps_of_the_deployed_flows_keep_their_names(addresses):
    found = [
        f"{step.step_id} {type(step).__name__}"
        for flow in (monitor.flow(), history.flow(), notify.flow())
        for step in flow.substeps
    ]

    assert found == GOLDEN
