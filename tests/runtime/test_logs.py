"""Log lines: one event and its fields, and nothing that should stay secret."""

import io
import json
import logging

import pytest
import structlog

from runtime.logs import set_up_logs


@pytest.fixture(autouse=True)
def leave_no_trace():
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(out):
    return [json.loads(line) for line in out.getvalue().splitlines()]


def test_json_lines_carry_event_level_time_and_fields():
    out = io.StringIO()
    set_up_logs("INFO", "json", out)
    structlog.get_logger("bus").warning("bus_down", partition=3, name="ü")

    [line] = lines(out)

    assert line.pop("time").endswith("Z")
    assert line == {"event": "bus_down", "level": "warning", "partition": 3, "name": "ü"}


def test_lines_of_libraries_look_the_same_and_levels_hold():
    out = io.StringIO()
    set_up_logs("WARNING", "json", out)
    logging.getLogger("library").warning("slow %s", 3)
    logging.getLogger("library").info("not this")
    structlog.get_logger().info("nor this")

    assert [(line["event"], line["level"]) for line in lines(out)] == [("slow 3", "warning")]


def test_an_exception_is_told_without_the_values_of_its_variables():
    out = io.StringIO()
    set_up_logs("INFO", "json", out)

    def log_in(password):
        raise ValueError(f"wrong, {len(password)} characters")

    try:
        log_in("hunter2")
    except ValueError:
        structlog.get_logger().exception("failed")

    [line] = lines(out)
    assert line["exception"][0]["exc_type"] == "ValueError"
    assert "hunter2" not in out.getvalue()


def test_the_console_is_for_people_and_without_colours_in_a_file():
    out = io.StringIO()
    set_up_logs("INFO", "console", out)
    structlog.get_logger().info("started", orders=5)

    assert "started" in out.getvalue()
    assert "orders=5" in out.getvalue()
    assert "\x1b" not in out.getvalue()


def test_setting_up_again_replaces_what_was_set_up():
    first, second = io.StringIO(), io.StringIO()
    set_up_logs("INFO", "json", first)
    set_up_logs("INFO", "json", second)
    structlog.get_logger().info("once")

    assert first.getvalue() == ""
    assert len(lines(second)) == 1
