"""Write `docs/schemas` from the types: `python -m deploy.make_schemas [--check]`.

A JSON schema for each event that is published, and `asyncapi.json` for the whole bus. `--check`
writes nothing and fails where a file on disk differs.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from deploy.asyncapi import asyncapi_document
from deploy.schemas import PUBLISHED, published_schema, text_of

FOLDER = Path(__file__).resolve().parent.parent / "docs" / "schemas"


def documents() -> dict[str, str]:
    """Text of every file, by name."""
    found = {f"{name}.json": text_of(published_schema(name)) for name in PUBLISHED}
    return found | {"asyncapi.json": text_of(asyncapi_document())}


def main(arguments: Sequence[str] | None = None, folder: Path = FOLDER) -> int:
    """Write the files, or with --check say whether they are current (exit code 1 if not)."""
    parser = argparse.ArgumentParser(prog="python -m deploy.make_schemas", description=__doc__)
    parser.add_argument("--check", action="store_true", help="only compare, write nothing")
    made = documents()
    if not parser.parse_args(arguments).check:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in made.items():
            (folder / name).write_text(text, encoding="utf-8")
        return 0
    stale = [
        name
        for name, text in made.items()
        if not (folder / name).is_file() or (folder / name).read_text(encoding="utf-8") != text
    ]
    stale += sorted({file.name for file in folder.glob("*.json")} - made.keys())
    for name in stale:
        sys.stderr.write(f"docs/schemas/{name} is not current: run make schemas\n")
    return int(bool(stale))


if __name__ == "__main__":
    sys.exit(main())
