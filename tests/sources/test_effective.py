import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from domain.batch import Batch
from domain.columns import EVENT, MARKET, blank
from domain.instants import NO_TIME
from domain.vocabulary import Topic
from domain.wire import RowBuilder
from sources.effective import set_effective_times

times = st.lists(st.integers(0, 100), max_size=20)


def rows_at(stamps: list[int], dtype: np.dtype) -> np.ndarray:
    rows = blank(dtype, len(stamps))
    rows["ts_event"] = stamps
    return rows


@given(times, st.integers(0, 100), st.sampled_from([EVENT, MARKET]))
def test_no_row_is_known_before_what_was_stored_before_it(
    stamps: list[int], watermark: int, dtype: np.dtype
) -> None:
    rows = rows_at(stamps, dtype)
    batch = Batch(0, events=rows) if dtype is EVENT else Batch(0, market=rows)

    after = set_effective_times(batch, watermark)

    expected = [max([watermark, *stamps[: i + 1]]) for i in range(len(stamps))]
    assert rows["t_eff"].tolist() == expected
    assert after == batch.watermark == max([watermark, *stamps])


@given(times, st.integers(0, 20))
def test_where_batches_are_cut_does_not_matter(stamps: list[int], cut: int) -> None:
    whole, first, last = (rows_at(s, MARKET) for s in (stamps, stamps[:cut], stamps[cut:]))

    set_effective_times(Batch(0, market=whole), NO_TIME)
    between = set_effective_times(Batch(0, market=first), NO_TIME)
    set_effective_times(Batch(0, market=last), between)

    assert whole["t_eff"].tolist() == [*first["t_eff"].tolist(), *last["t_eff"].tolist()]


def test_a_clock_message_moves_only_the_rows_behind_it() -> None:
    builder = RowBuilder(Topic.MARKET_DATA)
    told = {"partition": 0, "position": "", "ts": NO_TIME, "ingest": NO_TIME}
    for line in (
        b'{"type":"quote","symbol":"A","bid":1,"ts_event":"2026-11-20T14:30:00Z"}',
        b'{"type":"clock","ts_event":"2026-11-20T14:30:02Z"}',
        b'{"type":"quote","symbol":"A","bid":1,"ts_event":"2026-11-20T14:30:01Z"}',
        b'{"type":"clock","ts_event":"2026-11-20T14:30:03Z"}',
    ):
        builder.add_json(line, **told)
    batch = builder.build()

    watermark = set_effective_times(batch, NO_TIME)

    start = int(batch.market["ts_event"][0])
    assert batch.market["t_eff"].tolist() == [start, start + 2 * 10**9]
    assert watermark == start + 3 * 10**9


def test_an_empty_batch_keeps_the_watermark() -> None:
    assert set_effective_times(Batch(0), 7) == 7
    assert set_effective_times(Batch(0, watermark=9), 7) == 9
