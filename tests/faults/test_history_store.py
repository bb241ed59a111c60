"""PostgreSQL goes away or hangs: the live status goes on, and history misses nothing."""

import psutil
import psycopg
import pytest

from runtime.history_server import EmbeddedPostgres
from sinks.history.migrate import migrate
from tests.faults.conftest import LOT


@pytest.fixture
def store():
    with EmbeddedPostgres() as server:
        migrate(server.url)
        yield server


@pytest.fixture
def kept(live, store):
    """A desk that is being monitored and kept in history."""
    rig, desk = live
    rig.start("history", EXECMON_HISTORY_URL=store.url)
    rig.wait_for(lambda: len(rig.logs("ready")) == 2, 60)
    rig.wait_for(lambda: rows(store))
    return rig, desk


def rows(store):
    """How often each execution is on a timeline."""
    with psycopg.connect(store.url) as connection:
        found = connection.execute(
            "SELECT exec_id, count(*) FROM order_events WHERE exec_id IS NOT NULL GROUP BY exec_id"
        )
        return dict(found.fetchall())


def check_history(rig, desk, store):
    rig.check_books(desk)
    rig.wait_for(lambda: rows(store).keys() == desk.execs)
    assert set(rows(store).values()) == {1}


def is_live(rig, desk):
    """Whether what is published now is shown."""
    wanted = dict(desk.filled)
    return rig.wait_for(lambda: all(rig.shown()[o] >= LOT * n for o, n in wanted.items())) < 2.0


def test_the_status_stays_live_and_no_row_is_missing_while_postgresql_is_down(kept, store, outage):
    rig, desk = kept
    store.kill()
    outage()
    assert is_live(rig, desk)

    store.restart()

    check_history(rig, desk, store)
    waits = len(rig.logs("write_waits"))
    assert 1 <= waits <= rig.settings.history_writers
    assert len(rig.logs("write_goes_on")) == waits


def test_the_status_stays_live_while_postgresql_hangs(kept, store, outage, pause):
    rig, desk = kept
    family = [store.pid, *(child.pid for child in psutil.Process(store.pid).children())]
    stopped = [pause(pid) for pid in family]
    outage()
    assert is_live(rig, desk)

    for process in reversed(stopped):
        process.resume()

    check_history(rig, desk, store)


def test_history_that_finds_no_store_ends_in_words(rig, tmp_path):
    rig.set_up()

    history = rig.start("history", EXECMON_HISTORY_URL=f"postgresql:///?host={tmp_path}")

    assert history.wait(60) == 4
    last = rig.log.read_text().splitlines()[-1]
    assert last.startswith("execmon: ")
    assert "history store" in last
