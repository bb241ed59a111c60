"""Examples of the API's description: requests with the answers they get, kept as JSON.

`python -m tests.api_examples` asks them again and writes them; a test holds them to it.
"""

from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from api.formats import ARROW, CSV, JSON, NDJSON

FILE = "examples.json"


@cache
def examples() -> dict[str, dict[str, Any]]:
    """By operation: `request` (method and path), `status` and `answer`."""
    return msgspec.json.decode((files("api.history") / FILE).read_bytes())


def forms(status: int = 200) -> dict[int | str, dict[str, Any]]:
    """For the `responses` of a list: the forms besides JSON."""
    text = {"schema": {"type": "string"}}
    return {status: {"content": dict.fromkeys((NDJSON, CSV, ARROW), text)}}


def add_examples(described: dict[str, Any]) -> None:
    """Put each example into the description; FastAPI itself would drop what is null in it."""
    for methods in described["paths"].values():
        for operation in methods.values():
            name = operation.get("operationId", "").partition("_api_v1_")[0]
            found = examples().get(name)
            if found is not None:
                content = operation["responses"][str(found["status"])]["content"][JSON]
                example = {"summary": found["request"], "value": found["answer"]}
                content["examples"] = {"example": example}
