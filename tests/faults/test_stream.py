"""A WebSocket is cut while updates flow, and comes back to everything that it missed."""

import json
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import connect

from tests.faults.wire import Wire

ORDER = "/api/v1/monitoring/O3/stream"
EVERY = "/api/v1/stream"


class Listener:
    """A client that keeps what it hears, on a thread of its own."""

    def __init__(self, port: int, path: str) -> None:
        self.frames: list[dict[str, Any]] = []
        self.beats = 0
        self._stack = ExitStack()
        self._socket = self._stack.enter_context(
            connect(f"ws://127.0.0.1:{port}{path}", compression=None, close_timeout=1)
        )
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            for text in self._socket:
                frame = json.loads(text)
                self.beats += frame["kind"] == "heartbeat"
                self.frames.append(frame)
        except ConnectionClosed:
            pass

    def close(self) -> None:
        self._stack.close()
        self._thread.join(10)

    def deltas(self) -> list[dict[str, Any]]:
        return [frame for frame in list(self.frames) if frame["kind"] == "delta"]

    def positions(self, after: str = "0-0", until: str = "") -> list[str]:
        """Where in the feed its updates stood, in the order in which they came."""
        found = [frame["position"] for frame in self.deltas()]
        most = rank(until or found[-1])
        return [position for position in found if rank(after) < rank(position) <= most]


def rank(position: str) -> tuple[int, int]:
    ms, _, n = position.partition("-")
    return int(ms), int(n)


@pytest.fixture
def listen() -> Iterator[Any]:
    with ExitStack() as stack:

        def call(port: int, path: str) -> Listener:
            found = Listener(port, path)
            stack.callback(found.close)
            return found

        yield call


@pytest.mark.parametrize("cut", ["torn", "silent"])
@pytest.mark.parametrize("path", [ORDER, EVERY])
def test_nothing_is_missed_by_who_was_cut_off_and_comes_back(
    live, listen, outage, history_url, path, cut
):
    rig, _ = live
    port = rig.start_api(history_url)
    with Wire(port) as wire:
        uncut = listen(port, path)
        rig.wait_for(lambda: uncut.beats)
        before = listen(wire.port, path)
        rig.wait_for(lambda: len(before.deltas()) > 5)

        if cut == "torn":
            wire.tear()
        else:
            wire.hush()
        rig.wait_for(lambda: uncut.positions()[-1] != before.positions()[-1])
        last = before.deltas()[-1]
        seq = max(frame["seq"] or 0 for frame in before.deltas())
        outage()
        wire.mend()
        asked = f"position={last['position']}" if path == EVERY else f"last_seq={seq}"
        again = listen(wire.port, f"{path}?{asked}")
        rig.wait_for(lambda: len(again.deltas()) > 5)
        rig.wait_for(lambda: uncut.positions()[-1] != again.positions()[-1])
        until = again.positions()[-1]
        rig.wait_for(lambda: rank(uncut.positions()[-1]) >= rank(until))

    hello = again.frames[0]
    assert (hello["resumed"], hello["snapshot_required"]) == (True, False)
    first, *heard = before.positions() + again.positions(last["position"], until)
    assert heard == uncut.positions(first, until)
    assert len(heard) > len(before.positions()) + 5
    assert not any(frame["skipped"] for frame in before.deltas() + again.deltas())


def test_who_hears_nothing_for_long_delays_nobody(live, listen, outage, history_url):
    rig, _ = live
    port = rig.start_api(history_url)
    with Wire(port) as wire:
        silent = [listen(wire.port, EVERY) for _ in range(5)]
        for listener in silent:
            rig.wait_for(lambda listener=listener: listener.beats)
        wire.hush()
        prompt = listen(port, EVERY)
        rig.wait_for(lambda: prompt.beats)
        began = len(prompt.deltas())

        outage()

        ages_ms = [f["data_age_ms"] for f in list(prompt.frames) if f["kind"] == "heartbeat"]
        assert len(prompt.deltas()) > began + 50
        assert max(ages_ms) < 2_000
        count = len(prompt.deltas())
        assert rig.wait_for(lambda: len(prompt.deltas()) > count) < 1.0
