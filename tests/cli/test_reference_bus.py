import json
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from bus.base import START, Outgoing
from bus.connect import open_bus
from cli.reference import app
from cli.reference_bus import RECORDS_AT_ONCE
from domain.instants import parse_rfc3339
from domain.keys import partition_of
from domain.vocabulary import Topic
from runtime.servers import EmbeddedServer


@pytest.fixture(scope="module")
def server() -> Iterator[EmbeddedServer]:
    with EmbeddedServer("bus", durable=True) as running:
        yield running


@pytest.fixture
def url(server: EmbeddedServer) -> Iterator[str]:
    import redis

    yield server.url
    with redis.Redis.from_url(server.url) as client:
        client.flushall()


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def written(tmp_path: Path, *records: dict[str, object]) -> Path:
    path = tmp_path / "day.ndjson"
    path.write_text("".join(json.dumps(r) + "\n" for r in records))
    return path


def stored(url: str) -> dict[int, list[dict[str, object]]]:
    bus = open_bus(url)
    reader = bus.reader()
    places = {(Topic.REFERENCE, n): START for n in range(bus.partitions(Topic.REFERENCE))}
    found = reader.read(places, 10_000, 0)
    reader.close()
    bus.close()
    return {n: [json.loads(m.body) for m in messages] for (_, n), messages in found.items()}


def test_a_loaded_record_is_shown_back(tmp_path: Path, url: str):
    path = written(tmp_path, {"symbol": "A/1 #ü", "adv_qty": 5, "calendar": "XNYS"})

    loaded = run("load", path, "--bus", url, "--json")
    shown = run("show", "A/1 #ü", "--bus", url, "--json")

    assert loaded.exit_code == 0, loaded.stderr
    assert json.loads(loaded.stdout)["published"] == 1
    record = json.loads(shown.stdout)
    assert (record["symbol"], record["adv_qty"], record["calendar"]) == ("A/1 #ü", 5, "XNYS")
    assert abs(parse_rfc3339(record["ts_event"]) - time.time_ns()) < 60_000_000_000


def test_records_lie_in_the_partition_of_their_subject(tmp_path: Path, url: str):
    symbols = [f"S{n}" for n in range(RECORDS_AT_ONCE + 20)]
    path = written(
        tmp_path,
        *({"symbol": s, "tick": 0.01} for s in symbols),
        {"scope": "fx:EUR/USD", "rate": 1},
    )

    run("load", path, "--bus", url)

    by_partition = stored(url)
    assert sum(map(len, by_partition.values())) == len(symbols) + 1
    for number, messages in by_partition.items():
        for message in messages:
            name = str(message.get("symbol") or message.get("scope"))
            bus = open_bus(url)
            assert partition_of(name, bus.partitions(Topic.REFERENCE), bus.groups()) == number
            bus.close()


def test_the_newest_record_in_effect_is_shown(tmp_path: Path, url: str):
    run(
        "load",
        written(
            tmp_path,
            {"symbol": "IBM", "effective_from": "2020-01-01", "adv_qty": 1},
            {"symbol": "IBM", "effective_from": "2021-01-01", "adv_qty": 2},
            {"symbol": "IBM", "effective_from": "2100-01-01", "adv_qty": 3},
        ),
        "--bus",
        url,
    )

    now = run("show", "IBM", "--bus", url, "--json")
    later = run("show", "IBM", "--bus", url, "--json", "--at", "2100-06-01")
    before = run("show", "IBM", "--bus", url, "--json", "--at", "2020-06-01")

    assert json.loads(now.stdout)["adv_qty"] == 2
    assert json.loads(later.stdout)["adv_qty"] == 3
    assert before.exit_code == 3
    assert "the bus holds records of IBM" in before.stderr


def test_a_file_with_bad_records_publishes_nothing_or_the_rest(tmp_path: Path, url: str):
    path = written(tmp_path, {"symbol": "IBM", "tick": 1}, {"symbol": "BAC", "tick": -1})

    refused = run("load", path, "--bus", url)
    nothing = run("show", "IBM", "--bus", url)
    rest = run("load", path, "--bus", url, "--skip-bad")
    shown = run("show", "IBM", "--bus", url)

    assert refused.exit_code == 3
    assert nothing.exit_code in {3, 4}
    assert rest.exit_code == 3
    assert "1 published" in rest.stdout
    assert shown.exit_code == 0


def test_what_is_no_record_on_the_topic_hides_none(tmp_path: Path, url: str):
    run("load", written(tmp_path, {"symbol": "IBM", "tick": 1}), "--bus", url)
    bus = open_bus(url)
    place = next(n for n, messages in stored(url).items() if messages)
    bodies = [b'{"type":"reference"}', b'[7,{"type":"reference","symbol":"IBM","tick":2}]', b"["]
    bodies += [b'["reference"', b'{"type":"clock","ts_event":"2026-11-20T00:00:00Z"}']
    bus.append([Outgoing(Topic.REFERENCE, place, body) for body in bodies])
    bus.close()

    shown = run("show", "IBM", "--bus", url, "--json")

    assert json.loads(shown.stdout)["tick"] == 2


def test_a_bus_that_does_not_answer_ends_with_four(tmp_path: Path):
    path = written(tmp_path, {"symbol": "IBM", "tick": 1})

    for arguments in (("load", path), ("show", "IBM")):
        result = run(*arguments, "--bus", f"unix://{tmp_path}/none.sock")

        assert result.exit_code == 4
        assert "the bus does not answer" in result.stderr


def test_an_address_of_another_kind_is_refused(tmp_path: Path):
    path = written(tmp_path, {"symbol": "IBM", "tick": 1})

    result = run("load", path, "--bus", "http://localhost")

    assert result.exit_code == 2
    assert "bus_url" in result.stderr
