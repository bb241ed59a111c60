import json
from collections import Counter

import pytest

from cli.simulate import parse_fault
from domain.errors import ConfigurationError


def simulate(execmon, path, *more):
    return execmon("simulate", "--out", path, "--minutes", "0.5", "--json", *more)


def test_the_same_seed_writes_the_same_bytes(execmon, tmp_path):
    paths = [tmp_path / f"{n}.ndjson" for n in range(3)]

    for path, seed in zip(paths, (5, 5, 6), strict=True):
        assert simulate(execmon, path, "--seed", seed).code == 0

    first, again, other = (path.read_bytes() for path in paths)
    assert first == again != other


def test_the_summary_counts_what_was_written(execmon, tmp_path):
    path = tmp_path / "events.jsonl"

    found = simulate(execmon, path).json

    lines = path.read_text().splitlines()
    topics = Counter(json.loads(line)["topic"] for line in lines)
    assert found["messages"] == len(lines)
    assert found["topics"] == topics
    assert found["bytes"] == path.stat().st_size
    assert list(tmp_path.iterdir()) == [path]


def test_only_the_symbols_asked_for_trade_beside_the_index(execmon, tmp_path):
    path = tmp_path / "events.ndjson"

    assert simulate(execmon, path, "--symbols", "ALFA, BRVO").code == 0

    symbols = {json.loads(line).get("symbol") for line in path.read_text().splitlines()}
    assert symbols == {"ALFA", "BRVO", "IDX"}


def test_a_fault_on_request_shows_in_the_file(execmon, tmp_path):
    path = tmp_path / "events.ndjson"

    assert simulate(execmon, path, "--fault", "garbage:rate=0.2").code == 0
    found = execmon("replay", "ndjson", path, "--json").json

    assert found["dead_letters"] > 0


def test_people_read_one_line(execmon, tmp_path):
    path = tmp_path / "events.ndjson"

    shown = execmon("simulate", "--out", path, "--minutes", "0.1", "--open-orders", "3")

    assert shown.code == 0
    assert shown.out.count("\n") == 1
    assert f"messages → {path}" in shown.out


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--out", "events.csv"], "must end in .ndjson or .jsonl"),
        (["--out", "no/such/events.ndjson"], "does not exist; make it first"),
        (["--out", "e.ndjson", "--symbols", "ZZZ"], "no symbol called ZZZ; there are ALFA"),
        (["--out", "e.ndjson", "--minutes", "0"], "--minutes must be above 0"),
        (["--out", "e.ndjson", "--fault", "earthquake"], "Invalid enum value 'earthquake'"),
        (["--out", "e.ndjson", "--fault", "dead_venue:XNAS"], "KIND:NAME=VALUE"),
        ([], "Missing option '--out'"),
    ],
)
def test_a_wrong_request_is_refused_in_words(execmon, tmp_path, monkeypatch, arguments, words):
    monkeypatch.chdir(tmp_path)

    refused = execmon("simulate", *arguments)

    assert refused.code == 2
    assert words in refused.err
    assert list(tmp_path.iterdir()) == []


def test_a_fault_takes_its_members_as_numbers_and_names():
    fault = parse_fault("dead_venue:venue=XNAS,start_s=60,end_s=120")

    assert (fault.kind, fault.venue, fault.start_s, fault.end_s) == ("dead_venue", "XNAS", 60, 120)
    with pytest.raises(ConfigurationError, match="when"):
        parse_fault("dead_venue:when=now")
