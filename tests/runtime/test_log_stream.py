import io
import json
import threading

import pytest

from runtime import log_stream
from runtime.log_stream import LogStream


def test_every_line_has_the_name_of_its_process():
    out = io.StringIO()
    stream = LogStream("json", out)

    stream.put("worker", b'{"event": "ready", "level": "info", "inputs": 20}')
    stream.put("api", "execmon: caf\xe9 \u2192 no".encode())
    stream.put("api", b"[1, 2]")
    stream.put("api", b"\xff not text")
    stream.close()

    found = [json.loads(line) for line in out.getvalue().splitlines()]
    assert found[0] == {"event": "ready", "level": "info", "inputs": 20, "process": "worker"}
    assert [(f["event"], f["process"]) for f in found[1:3]] == [
        ("execmon: café → no", "api"), ("[1, 2]", "api"),
    ]  # fmt: skip
    assert "not text" in found[3]["event"]
    assert all(f["time"].endswith("Z") for f in found[1:])


def test_lines_for_people_begin_with_the_time():
    out = io.StringIO()
    stream = LogStream("console", out)

    stream.put("worker", b'{"event": "ready", "level": "info", "time": "2026-11-20T14:30:00Z"}')
    stream.close()

    assert out.getvalue().startswith("2026-11-20T14:30:00Z [info")
    assert "process=worker" in out.getvalue()


class _Held(io.StringIO):
    """A terminal whose output is held."""

    def __init__(self):
        super().__init__()
        self.go = threading.Event()
        self.reached = threading.Event()

    def write(self, text):
        self.reached.set()
        self.go.wait()
        return super().write(text)


def test_a_held_terminal_holds_nobody_and_what_is_left_out_is_counted(monkeypatch):
    monkeypatch.setattr(log_stream, "MOST_WAITING", 10)
    out = _Held()
    stream = LogStream("json", out)
    stream.put("worker", b"0")
    assert out.reached.wait(10)

    for i in range(1, 31):
        stream.put("worker", str(i).encode())
    out.go.set()
    stream.close()

    found = [json.loads(line) for line in out.getvalue().splitlines()]
    said = [f for f in found if f["event"] == "log_lines_left_out"]
    assert [f["lines"] for f in said] == [20]
    assert [f["event"] for f in found if f not in said] == [str(i) for i in range(11)]


@pytest.mark.parametrize("format_", ["json", "console"])
def test_an_output_that_went_away_ends_nothing(format_):
    out = io.StringIO()
    out.close()
    stream = LogStream(format_, _Closed())

    stream.put("worker", b"one")
    stream.put("worker", b"two")
    stream.close()


class _Closed(io.StringIO):
    def write(self, text):
        raise BrokenPipeError
