"""Killed at any instant, in any number of processes: nothing is lost and nothing is twice.

The short form kills a few times; `make faults` does so at over a hundred instants, half of them
at random and half at points that `hook.py` finds.
"""

import random
from collections import deque

import pytest

from cli.recovery_store import read_store
from tests.faults.conftest import OUTAGE_S
from tests.faults.replay.hook import POINTS
from tests.faults.replay.rig import RANDOM, Kill
from tests.faults.replay.script import Teller

pytestmark = pytest.mark.timeout(2400)
LONG = OUTAGE_S >= 30
ROUNDS = range(8 if LONG else 1)
HISTORY = ("history.flush", "history.flushed")
OF_MONITOR = [point for point in POINTS if point not in HISTORY]
REPEATING = "updates.flushed"
"""Whoever dies here has to publish something again."""
OTHERS = [point for point in OF_MONITOR if point != REPEATING]

CHANGES = {"RAISED", "SUPPRESSED", "UNSUPPRESSED"}
"""What happens to alerts in the replay."""


def kills(unit, points, count, dice):
    """So many kills, every other one at random, the others at each of the points in turn."""
    found = []
    for number in range(count):
        point = RANDOM if number % 2 == 0 else points[number // 2 % len(points)]
        most = {"snapshot": 60, "chunks": 200, "store": 4}.get(point, 2)
        found.append(Kill(unit, point, dice.randint(1, most)))
    return found


@pytest.mark.parametrize("seed", ROUNDS)
def test_one_process_is_killed_and_every_row_is_there_once(stage, said, undisturbed, seed):
    dice = random.Random(seed)
    points = [REPEATING, *dice.sample(OTHERS, len(OTHERS))]
    planned = kills("worker", points, 12 if LONG else 4, dice)
    planned += kills("history", [*HISTORY, "store", "snapshot"], 8 if LONG else 2, dice)
    one = stage(dice=dice)

    left = one.run(said, planned)

    assert one.killed == len(planned)
    assert left.repeated > 0
    assert {row["change"] for row in left.rows["alert_transitions"]} >= CHANGES
    assert left.differences(undisturbed) == []


def test_a_cluster_may_grow_and_shrink_in_mid_replay(stage, said, undisturbed):
    cluster = stage(sizes=deque([1, 3, 2]))
    with Teller(cluster.bus, said) as teller:
        for life in range(3):
            cluster.wait_for(cluster.is_ready)
            assert len(cluster.units["worker"].pids()) == [1, 3, 2][life]
            closed = read_store(cluster.recovery).resume_epoch
            while read_store(cluster.recovery).resume_epoch < closed + 3:
                cluster.tell(teller, len(said) // 60)
            if life < 2:
                cluster.kill_one("worker")
                cluster.wait_for(lambda: not cluster.is_ready())
        left = cluster.finish(teller)

    assert left.differences(undisturbed) == []


@pytest.mark.skipif(not LONG, reason="takes long; run by `make faults`")
@pytest.mark.parametrize("seed", ROUNDS)
def test_clusters_of_changing_size_are_killed_and_every_row_is_there_once(
    stage, said, undisturbed, seed
):
    dice = random.Random(100 + seed)
    points = dice.sample(OF_MONITOR, len(OF_MONITOR))
    planned = kills("worker", points, 12, dice)
    sizes = [3] * 8 + [1, 3, 2, 6, 3]
    cluster = stage(dice=dice, sizes=deque(sizes[: len(planned) + 1]))

    left = cluster.run(said, planned)

    assert cluster.killed == len(planned)
    assert left.differences(undisturbed) == []
