import pickle

import numpy as np
import pytest

from domain.batch import Batch
from domain.columns import DETAIL, EVENT, MARKET
from domain.instants import END_OF_TIME, NO_TIME
from operators.pieces import HORIZON, STAMP, STAMPED, Arrivals, OrderPiece, Stamped

RNG = np.random.default_rng(5)


def filled(dtype, rows):
    return np.frombuffer(RNG.bytes(rows * dtype.itemsize), dtype).copy()


def some_pieces():
    stamped = Stamped(
        3, 10, 9, 12, filled(STAMPED, 4), filled(HORIZON, 3), filled(DETAIL, 2),
        {7: "IBM"}, [(5, b"{}")], filled(STAMPED, 1),
    )  # fmt: skip
    piece = OrderPiece(
        {3: (10, 9, END_OF_TIME)}, filled(STAMPED, 2), filled(HORIZON, 0), filled(DETAIL, 1),
        filled(STAMPED, 0), {7: "A/1 #ü"}, [(5, b"{}")],
    )  # fmt: skip
    return [stamped, piece, Stamped(0)]


@pytest.mark.parametrize("protocol", [2, 4, 5])
@pytest.mark.parametrize("index", range(3))
def test_a_piece_comes_out_of_another_process_as_it_went_in(index, protocol):
    piece = some_pieces()[index]

    copy = pickle.loads(pickle.dumps(piece, protocol))

    assert type(copy) is type(piece)
    for name in piece.__slots__:
        before, after = getattr(piece, name), getattr(copy, name)
        if isinstance(before, np.ndarray):
            assert after.dtype == before.dtype
            assert after.tobytes() == before.tobytes()
            assert after.flags.writeable
        else:
            assert after == before


def test_arrivals_travel_with_the_names_of_their_own_rows_only():
    events = np.zeros(2, EVENT)
    events["order"], events["venue"] = (7, 8), 9
    details = np.zeros(1, DETAIL)
    details["desk"] = 5
    names = {5: "D", 7: "A/1", 8: "A/2", 9: "XNAS", 11: "another group's"}
    batch = Batch(2, filled(MARKET, 3), events, details, names, [b"{}"], [4], watermark=6)
    spoken = np.array([[1, 2], [3, 4]])

    copy = pickle.loads(pickle.dumps(Arrivals(1, [(2, 6, False)], [batch], [(2, spoken)])))

    assert (copy.group, copy.progress) == (1, [(2, 6, False)])
    [(source, news)] = copy.spoken
    assert source == 2
    assert news.tolist() == spoken.tolist()
    [came] = copy.batches
    assert came.names == {5: "D", 7: "A/1", 8: "A/2", 9: "XNAS"}
    for name in ("market", "events", "details"):
        assert getattr(came, name).tobytes() == getattr(batch, name).tobytes()
        assert getattr(came, name).flags.writeable
    for name in ("source", "references", "told", "watermark", "ended"):
        assert getattr(came, name) == getattr(batch, name)


def test_arrivals_without_names_have_none_afterwards():
    batch = Batch(0, filled(MARKET, 2), watermark=6)

    [came] = pickle.loads(pickle.dumps(Arrivals(1, [(0, 6, False)], [batch]))).batches

    assert came.names == {}
    assert came.market.tobytes() == batch.market.tobytes()
    assert not len(came.events)


def test_arrays_travel_as_bytes_not_as_pickled_arrays():
    large = Stamped(0, events=filled(STAMPED, 100))
    assert len(pickle.dumps(large)) < 100 * STAMPED.itemsize + 6000
    assert b"numpy" not in pickle.dumps(large)


def test_a_stamped_event_begins_with_the_event():
    assert STAMPED.names == (*EVENT.names, *STAMP.names)
    assert STAMPED.itemsize == EVENT.itemsize + STAMP.itemsize
    assert HORIZON.itemsize % 8 == 0
    assert MARKET.itemsize % 8 == 0


def test_an_empty_piece_promises_nothing():
    empty = Stamped(4)
    assert (empty.event_watermark, empty.watermark, empty.end) == (NO_TIME, NO_TIME, END_OF_TIME)
    assert len(empty.events) == len(empty.horizons) == len(empty.details) == 0
