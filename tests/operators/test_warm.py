import numba
import pytest
from numba.core.dispatcher import Dispatcher

from operators import arrays
from operators.market import bars, indices, live, release, tape
from operators.orders import (
    evict,
    fold,
    horizons,
    numbering,
    process,
    records,
    shown,
    undo,
    waiting,
)
from operators.rollups import pieces
from operators.warm import warm_kernels

OUTERMOST = [
    tape.fold_market, release.stamp_events, release.mark_open_orders, release.follow_fills,
    release.match_own_prints, release.stamp_newest, release.drop_idle, process.process,
    evict.stale_families, evict.close_gaps, fold.index_tables, horizons.note_horizons,
    records.write_records, records.write_statuses, records.count_fills,
    records.list_venues, numbering.write_unshown, undo.remember, undo.put_back,
    live.live_marks, indices.index_mids, shown._list_by_place, shown._list_families,
    shown._first_ingest, shown._list_newest, waiting._marks_last, waiting._list_waiting,
    arrays.is_in_order, bars.cut_bars, pieces.write_routes, pieces.write_orders,
]  # fmt: skip


def test_warming_up_leaves_no_kernel_to_compile_later():
    warm_kernels()

    if numba.config.DISABLE_JIT:
        pytest.skip("kernels run as plain Python here: nothing is compiled")
    for function in OUTERMOST:
        assert isinstance(function, Dispatcher)
        assert function.signatures, function.__name__
