"""The examples of docs/live-api.md, run as they stand."""

import shlex
from itertools import pairwise
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

PAGE = Path(__file__).resolve().parents[2] / "docs" / "live-api.md"


def examples() -> list[tuple[list[str], str]]:
    """(arguments of curl, the answer as printed)."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [
        (shlex.split(line)[2:], lines[i + 1])
        for i, line in enumerate(lines)
        if line.startswith("$ curl")
    ]


def test_the_examples_answer_as_printed(served: Any, write: Any):
    write("A1", execution_progress=0.1)
    found = examples()
    assert len(found) == 2
    for arguments, printed in found:
        told = dict(pairwise(arguments))
        url = next(part for part in arguments if part.startswith("http"))
        headers = dict([told["-H"].split(": ")]) if "-H" in told else None
        answer = served.client.request(
            told.get("-X", "GET"), urlsplit(url).path, headers=headers, content=told.get("-d")
        )

        assert answer.status_code in {200, 201}, answer.text
        rest = answer.text
        for piece in printed.split("…"):
            assert piece in rest, printed
            rest = rest[rest.index(piece) + len(piece) :]
