"""Rows come out in one order, once every source is past them, however they came in."""

from hypothesis import given, settings
from hypothesis import strategies as st

from domain.instants import END_OF_TIME, NO_TIME
from operators.alerts.inbox import Inbox


def new(sources=2):
    return Inbox(sources, lambda row: row[:2])


def test_a_row_waits_until_every_source_is_past_it():
    inbox = new()
    inbox.add(0, [(5, "a")], 9)
    assert inbox.watermark == NO_TIME
    assert inbox.release() == []

    inbox.add(1, [], 5)
    assert (inbox.watermark, inbox.release()) == (5, [])
    inbox.add(1, [], 6)

    assert (inbox.watermark, inbox.release()) == (6, [(5, "a")])
    assert inbox.release() == []
    assert len(inbox) == 0


def test_rows_go_by_their_place_then_by_source_then_as_they_came():
    inbox = new()
    inbox.add(1, [(5, "a", "1st of 1"), (5, "a", "2nd of 1"), (4, "z", "early")], 10)
    inbox.add(0, [(5, "a", "of 0"), (5, "A", "A")], 10)

    assert [row[2] for row in inbox.release()] == ["early", "A", "of 0", "1st of 1", "2nd of 1"]


def test_a_watermark_never_goes_back():
    inbox = new(1)
    inbox.add(0, [], 9)
    inbox.add(0, [(7, "a")], 3)

    assert (inbox.watermark, inbox.release()) == (9, [(7, "a")])


def test_at_the_end_of_time_everything_is_given():
    inbox = new(1)
    inbox.add(0, [(7, "a"), (8, "b")], END_OF_TIME)

    assert len(inbox.release()) == 2


def test_nobody_to_wait_for_is_no_progress():
    assert new(0).watermark == NO_TIME


sources = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.sampled_from("ab"), st.integers(0, 99)), max_size=8),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(deadline=None)
@given(sources, st.data())
def test_arrival_and_resuming_change_nothing(rows, data):
    """Each source gives its rows in order of time, the sources in any."""
    streams = [sorted(r, key=lambda row: row[0]) for r in rows]
    whole = new(len(streams))
    for source, stream in enumerate(streams):
        whole.add(source, stream, END_OF_TIME)
    expected = whole.release()

    inbox, out = new(len(streams)), []
    turns = data.draw(
        st.permutations([s for s, r in enumerate(streams) for _ in range(len(r) + 1)])
    )
    left = [list(r) for r in streams]
    for source in turns:
        if left[source]:
            row = left[source].pop(0)
            inbox.add(source, [row], row[0])
        else:
            inbox.add(source, [], END_OF_TIME)
        if data.draw(st.booleans()):
            watermarks, waiting = inbox.dump()
            inbox = new(len(streams))
            inbox.load(watermarks, waiting)
        out += inbox.release()

    assert out == expected
    assert sorted(out) == sorted(row for stream in streams for row in stream)
