"""The supervisor's decisions, with units and a clock of the test's own."""

import threading

import pytest
from structlog.testing import capture_logs

from domain.errors import ConfigurationError
from runtime.supervise import Outcome, Supervisor
from runtime.unit import GAVE_UP, Ending, Policy, State

POLICY = Policy(
    first_pause_s=1.0, most_pause_s=8.0, stable_s=60.0, give_up_s=100.0, ready_s=30.0,
    drain_s=0.2, hopeless=frozenset({2, 5}), waiting=frozenset({4}),
)  # fmt: skip


class FakeUnit:
    """Ready as soon as it is started, unless told otherwise; writes down what is done to it."""

    def __init__(self, name, journal, *, depends_on=(), after=(), essential=True):
        self.name = name
        self.depends_on = depends_on
        self.after = after
        self.essential = essential
        self.journal = journal
        self.ready = True
        self.ending = None
        self.at_start = None
        self.stubborn = False

    def start(self):
        self.journal.append(f"start {self.name}")
        self.ending = self.at_start

    def is_ready(self):
        return self.ready

    def ended(self):
        return self.ending

    def ask_to_end(self):
        self.journal.append(f"ask {self.name}")
        if not self.stubborn:
            self.ending = Ending(0, "done")

    def kill(self):
        pass

    def close(self):
        self.journal.append(f"close {self.name}")

    def pids(self):
        return []


class Time:
    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


@pytest.fixture
def journal():
    return []


@pytest.fixture
def time():
    return Time()


def supervise(units, time, **more):
    return Supervisor(units, POLICY, now=time, jitter=lambda: 1.0, **more)


def starts(journal, name):
    return journal.count(f"start {name}")


def test_a_unit_starts_once_everything_it_depends_on_is_ready(journal, time):
    bus = FakeUnit("bus", journal)
    worker = FakeUnit("worker", journal, depends_on=("bus",))
    bus.ready = False
    supervisor = supervise([worker, bus], time)

    supervisor.step()
    assert journal == ["start bus"]
    assert supervisor.seats["worker"].state is State.WAITING

    bus.ready = True
    for _ in range(3):
        supervisor.step()
    assert journal == ["start bus", "start worker"]
    assert supervisor.is_ready()


def test_a_unit_that_depends_on_nothing_known_is_refused(journal, time):
    with pytest.raises(ConfigurationError, match="worker depends on bus, which is not there"):
        supervise([FakeUnit("worker", journal, depends_on=("bus",))], time)


def test_a_unit_that_gives_others_one_try_starts_with_or_without_them(journal, time):
    tables = FakeUnit("tables", journal, essential=False)
    api = FakeUnit("api", journal, after=("tables",))
    tables.ready = False
    supervisor = supervise([api, tables], time)
    supervisor.step()
    supervisor.step()
    assert journal == ["start tables"]

    tables.ending = Ending(4, "no store")
    supervisor.step()
    supervisor.step()

    assert journal == ["start tables", "start api"]


def test_what_is_not_essential_and_was_well_once_ends_nothing(journal, time):
    api = FakeUnit("api", journal, essential=False)
    supervisor = supervise([api], time)
    for _ in range(3):
        supervisor.step()

    api.at_start = api.ending = Ending(2, "cannot listen on port 8080")

    assert keep_crashing(supervisor, time, "api", 1000) is None
    api.at_start = None
    keep_crashing(supervisor, time, "api", 20)
    assert supervisor.is_ready()


def test_pauses_between_starts_double_up_to_a_limit(journal, time):
    worker = FakeUnit("worker", journal)
    worker.at_start = Ending(1, "crashed")
    supervisor = supervise([worker], time)
    pauses = []

    for _ in range(6):
        supervisor.step()
        supervisor.step()
        pauses.append(supervisor.seats["worker"].due - time.now)
        time.now = supervisor.seats["worker"].due

    assert pauses == [1.0, 2.0, 4.0, 8.0, 8.0, 8.0]
    assert starts(journal, "worker") == 6
    assert supervisor.seats["worker"].restarts == 5


def test_pauses_are_never_the_same_twice(journal, time):
    worker = FakeUnit("worker", journal)
    worker.at_start = Ending(1, "crashed")
    dues = set()
    for _ in range(5):
        supervisor = Supervisor([worker], POLICY, now=time)
        supervisor.step()
        supervisor.step()
        dues.add(supervisor.seats["worker"].due)

    assert len(dues) == 5
    assert all(0.5 <= due <= 1.0 for due in dues)


def test_a_stretch_of_good_running_forgets_old_falls(journal, time):
    worker = FakeUnit("worker", journal)
    supervisor = supervise([worker], time)
    for _ in range(4):
        supervisor.step()
        supervisor.step()
        worker.ending = Ending(1, "crashed")
        supervisor.step()
        time.now = supervisor.seats["worker"].due
    supervisor.step()
    supervisor.step()
    assert supervisor.seats["worker"].falls == 4

    time.now += 61
    supervisor.step()
    worker.ending = Ending(1, "crashed")
    supervisor.step()

    assert supervisor.seats["worker"].falls == 1
    assert supervisor.seats["worker"].due == time.now + 1.0


def keep_crashing(supervisor, time, name, seconds):
    until = time.now + seconds
    while time.now < until:
        outcome = supervisor.step()
        if outcome is not None:
            return outcome
        time.now += 1.0
    return None


def test_an_essential_unit_that_keeps_ending_ends_the_deployment(journal, time):
    worker = FakeUnit("worker", journal)
    worker.at_start = Ending(-11, "Segmentation fault")

    with capture_logs() as logs:
        supervisor = supervise([worker], time)
        outcome = keep_crashing(supervisor, time, "worker", 1000)

    assert outcome is not None
    assert [log["deployment"] for log in logs if log["event"] == "crash_loop"] == [
        "gives up after 100 s"
    ]
    assert outcome.code == GAVE_UP
    assert outcome.words == "worker kept ending for 100 s, last by signal 11: Segmentation fault"
    assert 100 < time.now < 120


def test_others_are_tried_on_while_the_rest_works(journal, time):
    worker = FakeUnit("worker", journal)
    history = FakeUnit("history", journal, essential=False)
    history.at_start = Ending(1, "crashed")
    supervisor = supervise([worker, history], time)

    assert keep_crashing(supervisor, time, "history", 1000) is None

    assert supervisor.seats["worker"].state is State.READY
    assert supervisor.seats["worker"].restarts == 0
    assert not supervisor.is_ready()
    assert starts(journal, "history") > 100
    history.at_start = None
    keep_crashing(supervisor, time, "history", 20)
    assert supervisor.is_ready()


def test_what_waits_for_a_server_is_tried_for_as_long_as_it_takes_and_says_so_once(journal, time):
    worker = FakeUnit("worker", journal)
    worker.at_start = Ending(4, "the bus does not answer")

    with capture_logs() as logs:
        supervisor = supervise([worker], time)
        assert keep_crashing(supervisor, time, "worker", 5000) is None

    assert starts(journal, "worker") > 500
    assert supervisor.seats["worker"].words == "the bus does not answer"
    assert [log["event"] for log in logs] == ["unit_waits"]


@pytest.mark.parametrize("ending", [Ending(2, "no such setting"), Ending(4, "refused", final=True)])
def test_what_no_repetition_will_change_ends_the_deployment_at_once(journal, time, ending):
    worker = FakeUnit("worker", journal)
    worker.at_start = ending
    supervisor = supervise([worker], time)

    outcome = keep_crashing(supervisor, time, "worker", 10)

    assert outcome == Outcome(ending.code, f"worker cannot run: {ending.words}")
    assert starts(journal, "worker") == 1


def test_a_start_that_leads_to_nothing_has_failed(journal, time):
    worker = FakeUnit("worker", journal)
    worker.ready = False
    supervisor = supervise([worker], time)
    supervisor.step()

    time.now = 31.0
    supervisor.step()

    assert supervisor.seats["worker"].state is State.PAUSED
    assert "not ready after 30 s" in supervisor.seats["worker"].words


def test_a_deployment_drains_in_reverse_and_the_stubborn_are_killed(journal, time):
    import time as wall

    units = [FakeUnit(name, journal) for name in ("bus", "worker", "api")]
    units[1].stubborn = True
    supervisor = Supervisor(units, POLICY, now=wall.monotonic)
    supervisor.step()
    supervisor.step()
    journal.clear()

    polite = supervisor.drain()

    assert not polite
    assert journal == ["ask api", "close api", "ask worker", "close worker", "ask bus", "close bus"]
    assert {seat.state for seat in supervisor.seats.values()} == {State.STOPPED}


def test_a_second_signal_ends_the_politeness(journal, time):
    units = [FakeUnit(name, journal) for name in ("bus", "worker")]
    units[1].stubborn = True
    supervisor = supervise(units, time)
    supervisor.step()
    supervisor.step()
    journal.clear()
    hurry = threading.Event()
    hurry.set()

    assert not supervisor.drain(hurry)

    assert journal == ["close worker", "close bus"]


def test_every_change_of_a_state_is_told(journal, time):
    told = []
    supervisor = supervise(
        [FakeUnit("bus", journal)], time,
        on_change=lambda s: told.append(s.seats["bus"].state),
    )  # fmt: skip

    for _ in range(4):
        supervisor.step()
    supervisor.drain()

    assert told == [State.STARTING, State.READY, State.DRAINING, State.STOPPED]


def test_running_ends_when_asked_or_when_all_is_ready(journal, time):
    bus = FakeUnit("bus", journal)
    supervisor = supervise([bus], time)
    stop = threading.Event()

    assert supervisor.run(stop, until_ready=True) is None
    stop.set()
    assert supervisor.run(stop) == Outcome()
    bus.ending = Ending(2, "wrong")
    assert supervisor.run(threading.Event()) == Outcome(2, "bus cannot run: wrong")
