"""The comparison is worth something: builds with a defect are found by it."""

import pytest

from tests.faults.replay.defects import DEFECTS
from tests.faults.replay.rig import Kill

KILLS = (Kill("worker", "store", 6), Kill("worker", "store", 7))


@pytest.mark.parametrize("build", DEFECTS)
def test_a_build_with_a_defect_is_found(stage, said, undisturbed, build):
    broken = stage(build=build)

    left = broken.run(said, KILLS)

    assert broken.killed == len(KILLS)
    assert left.differences(undisturbed)


def test_the_comparison_finds_one_row_too_few_too_many_or_other(undisturbed, clean_run):
    assert undisturbed.differences(clean_run) == []
    row = undisturbed.rows["fills"].pop()
    assert "fills: 1 missing" in undisturbed.differences(clean_run)[0]
    undisturbed.rows["fills"] += [row, row]
    assert "fills: 1 other" in undisturbed.differences(clean_run)[0]
    undisturbed.rows["fills"].pop()
    key = next(iter(undisturbed.events))
    undisturbed.events[key] += b" "
    assert "events: 1 other" in undisturbed.differences(clean_run)[0]
