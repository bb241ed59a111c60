"""The comparison is worth something: builds with a defect are found by it."""

import pytest

from tests.faults.conftest import OUTAGE_S
from tests.faults.replay.defects import DEFECTS
from tests.faults.replay.rig import Kill

pytestmark = pytest.mark.timeout(2400)
in_long_form = pytest.mark.skipif(
    OUTAGE_S < 30, reason="shows what the other tests rest on; run by `make faults`"
)
LOST_AT = {
    "skipped-flush": "updates.kept",
    "early-acknowledgement": "orders.kept",
    "dropped-watermark": "updates.kept",
}
"""Where a process has to die for the defect to show for certain."""


@pytest.mark.parametrize("build", DEFECTS)
def test_a_build_with_a_defect_is_found(stage, said, undisturbed, build):
    kills = [Kill("worker", LOST_AT[build], number) for number in (2, 3)]
    broken = stage(build=build)

    left = broken.run(said, kills)

    assert broken.killed == len(kills)
    assert left.differences(undisturbed)


@in_long_form
@pytest.mark.parametrize("build", ["skipped-flush", "early-acknowledgement"])
def test_a_build_that_only_loses_what_it_is_killed_with_is_right_undisturbed(
    stage, said, undisturbed, build
):
    assert stage(build=build).run(said).differences(undisturbed) == []


@in_long_form
@pytest.mark.parametrize("point", sorted(set(LOST_AT.values())))
def test_a_build_without_a_defect_loses_nothing_there(stage, said, undisturbed, point):
    kills = [Kill("worker", point, number) for number in (2, 3)]
    right = stage()

    left = right.run(said, kills)

    assert right.killed == len(kills)
    assert left.differences(undisturbed) == []


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
