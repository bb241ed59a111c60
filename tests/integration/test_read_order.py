"""A simulated desk's file, read in whatever order and by however many workers."""

import itertools
from pathlib import Path

import numpy as np
import pytest

from domain.rows import Rows
from operators.market.logic import MarketSettings
from operators.orders.group import OrderSettings
from sources.files import FileSource, Turns
from sources.ndjson import NdjsonReader
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation, encode_line

MESSAGES = 25_000


@pytest.fixture(scope="module")
def desk_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("desk") / "desk.ndjson"
    messages = itertools.islice(Simulation(demo_spec(), seed=7).messages(), MESSAGES)
    path.write_bytes(b"".join(encode_line(topic, message) for topic, message in messages))
    return path


def final_rows(path: Path, turns: Turns, seed: int, workers: int) -> tuple[bytes, bytes, int]:
    from bytewax.testing import TestingSink, cluster_main, run_main

    from dataflows.graph import monitor_graph

    source = FileSource(NdjsonReader(path), turns=turns, seed=seed)
    out: list[tuple[str, Rows]] = []
    dead: list[object] = []
    flow = monitor_graph(
        source, source.inputs, MarketSettings(source.inputs), OrderSettings(),
        {"rows": TestingSink(out)}, TestingSink(dead),
    )  # fmt: skip
    if workers == 1:
        run_main(flow)
    else:
        cluster_main(flow, [], 0, worker_count_per_proc=workers)
    assert not dead
    status = np.concatenate([rows.status for _, rows in out if len(rows.status)])
    status = status[status["numbered"] == 1]
    status = status[np.lexsort((status["seq"], status["order"]))]
    orders = np.concatenate([rows.orders for _, rows in out if len(rows.orders)])
    orders = orders[np.argsort(orders["order"])]
    for rows in (status, orders):
        rows["ts_ingest"] = 0
    return status.tobytes(), orders.tobytes(), len(status)


@pytest.mark.parametrize(
    ("turns", "seed", "workers"),
    [
        (Turns.MARKET_FIRST, 0, 1),
        (Turns.MARKET_LAST, 0, 1),
        (Turns.SHUFFLED, 1, 1),
        (Turns.SHUFFLED, 2, 1),
        (Turns.EVENT_TIME, 0, 2),
        (Turns.SHUFFLED, 3, 3),
    ],
)
def test_final_rows_do_not_depend_on_what_was_read_first(
    desk_file: Path, turns: Turns, seed: int, workers: int
) -> None:
    straight = final_rows(desk_file, Turns.EVENT_TIME, 0, 1)

    found = final_rows(desk_file, turns, seed, workers)

    assert straight[2] > 1_000
    assert found == straight
