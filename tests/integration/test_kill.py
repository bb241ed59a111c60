"""A worker on the bus is killed in mid-replay and started again: every number is kept."""

import itertools
import json
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import msgspec

from bus.base import START
from bus.clock import ClockWriter
from bus.connect import open_bus
from bus.publish import Publisher
from cli.recovery import prepare_recovery
from cli.worker import command, environment
from domain.events import OrderMessage
from domain.instants import SECOND, format_rfc3339, parse_rfc3339
from domain.keys import GROUPS, group_of
from domain.records import WALL_CLOCK_FIELDS
from domain.vocabulary import Topic
from runtime.servers import open_servers
from runtime.settings import load_settings
from sources.simulator.presets import demo_spec
from sources.simulator.script import Simulation

MESSAGES = 20_000
LAST = set({group_of(f"LAST-{n}"): f"LAST-{n}" for n in range(200)}.values())
"""An order id of every group."""


def publish(bus: Any) -> None:
    """A simulated desk's messages with event-time clocks, as a replay writes them."""
    publisher = Publisher(bus, batch=1)
    newest = 0
    ticked = 0
    with ClockWriter(bus, kind="event") as clock:
        messages = Simulation(demo_spec(events_per_s=400), seed=11).messages()
        for topic, message in itertools.islice(messages, MESSAGES):
            if isinstance(message, bytes):
                continue
            publisher.add(message, topic)
            if isinstance(message, dict):
                continue
            newest = max(newest, parse_rfc3339(message.ts_event))
            if newest - ticked > SECOND // 4:
                publisher.flush()
                clock.tick(newest)
                ticked = newest
        publisher.flush()
        for order_id in LAST:
            publisher.add(last_order(order_id, newest + SECOND), Topic.ORDERS)
        publisher.flush()
        for seconds in (1, 2):
            clock.tick(newest + seconds * SECOND)


def last_order(order_id: str, ts_ns: int) -> OrderMessage:
    """An order after everything else: its row says that its group has written all rows."""
    return OrderMessage(
        type="order_accepted", ts_event=format_rfc3339(ts_ns), order_id=order_id,
        symbol="END", side="BUY", order_qty=1.0,
    )  # fmt: skip


def final_rows(bus: Any) -> tuple[dict[str, bytes], int]:
    """Every update by its id, without wall-clock members, and how many came again."""
    found: dict[str, bytes] = {}
    repeated = 0
    for partition in range(bus.partitions(Topic.EXECUTION_UPDATES)):
        place = (Topic.EXECUTION_UPDATES, partition)
        position = START
        while True:
            batch = bus.reader().read({place: position}, 1000, 0).get(place, [])
            if not batch:
                break
            for message in batch:
                position = message.position
                for event in msgspec.json.decode(message.body):
                    plain = {k: v for k, v in event.items() if k not in WALL_CLOCK_FIELDS}
                    for name in ("status", "body"):
                        if isinstance(plain.get(name), dict):
                            for field in WALL_CLOCK_FIELDS:
                                plain[name].pop(field, None)
                    repeated += event["event_id"] in found
                    found[event["event_id"]] = msgspec.json.encode(plain, order="deterministic")
    return found, repeated


def stored(bus: Any) -> int:
    """Messages on the topic of updates so far."""
    return sum(
        bus.lag((Topic.EXECUTION_UPDATES, p), START)
        for p in range(bus.partitions(Topic.EXECUTION_UPDATES))
    )


def wait_until_done(bus: Any, worker: Any, log: Path) -> None:
    """Until every group's last order has its row; fails after two minutes."""
    deadline = time.monotonic() + 120
    while LAST - {json.loads(row).get("order_id") for row in final_rows(bus)[0].values()}:
        assert worker.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline, "the worker did not write the last rows"
        time.sleep(0.3)


def wait_until_more(bus: Any, worker: Any, log: Path, messages: int) -> None:
    """Until the worker has added so many messages, or had none to add for a while."""
    deadline = time.monotonic() + 60
    before = count = stored(bus)
    since = time.monotonic()
    while count < before + messages:
        assert worker.poll() is None, log.read_text()[-2000:]
        assert time.monotonic() < deadline
        time.sleep(0.01)
        now = stored(bus)
        if now != count:
            count, since = now, time.monotonic()
        if count > before and time.monotonic() - since > 3:
            return


def run(folder: Path, kills: tuple[int, ...]) -> tuple[dict[str, bytes], int]:
    recovery = folder / "recovery"
    prepare_recovery(recovery)
    with open_servers() as servers:
        settings = load_settings(
            {"recovery_dir": str(recovery), "epoch_s": 1.0, "bus_url": servers.bus_url,
             "status_url": servers.status_url},
            env={},
        )  # fmt: skip
        bus = open_bus(servers.bus_url)
        bus.set_up(dict(settings.partitions), settings.groups)
        publish(bus)
        environ = environment(settings, servers)
        for messages in (*kills, None):
            log = (folder / "worker.log").open("ab")
            worker = subprocess.Popen(
                command(settings), env=dict(environ), stdout=log, stderr=log, cwd=Path.cwd()
            )
            try:
                if messages is None:
                    wait_until_done(bus, worker, folder / "worker.log")
                else:
                    wait_until_more(bus, worker, folder / "worker.log", messages)
                assert worker.poll() is None, (folder / "worker.log").read_text()[-2000:]
            finally:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
            (folder / "worker.log").write_bytes(b"")
        return final_rows(bus)


def test_kill_and_restart_keep_every_number(tmp_path: Path) -> None:
    for name in ("undisturbed", "killed"):
        (tmp_path / name).mkdir()

    undisturbed, none = run(tmp_path / "undisturbed", ())
    killed, repeated = run(tmp_path / "killed", (20, 30, 10))

    assert len(LAST) == GROUPS
    assert len(undisturbed) > 2_000
    assert none == 0
    assert repeated > 0, "no kill came while rows were being written"
    assert killed.keys() == undisturbed.keys()
    assert killed == undisturbed
