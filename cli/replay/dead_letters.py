"""Dead letters of a run: counted, and written as NDJSON where a file is named."""

import base64
from pathlib import Path
from typing import Any

import msgspec

from cli.replay.lines import LineFile
from domain.batch import DeadLetter
from domain.instants import NO_TIME, format_rfc3339


class DeadLetters:
    """Takes dead letters as they come. The file appears when the run has ended.

    Each line has topic, partition, position, reason, words, ts and the message: as text
    where it is UTF-8, else as `message_base64`. Use as a context manager; raises InputError
    when the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.count = 0
        self._lines = LineFile(path)

    def __enter__(self) -> "DeadLetters":
        self._lines.open()
        return self

    def take(self, letter: DeadLetter) -> None:
        """Count one, and write it."""
        self.count += 1
        if self._lines.is_wanted:
            self._lines.add(msgspec.json.encode(as_record(letter)))

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self._lines.close(keep=failed is None)


def as_record(letter: DeadLetter) -> dict[str, Any]:
    """The dead letter as plain values."""
    record: dict[str, Any] = {
        "topic": letter.topic,
        "partition": letter.partition,
        "position": letter.position,
        "reason": letter.reason.name,
        "words": letter.words,
        "ts": None if letter.ts == NO_TIME else format_rfc3339(letter.ts),
    }
    try:
        record["message"] = letter.message.decode()
    except UnicodeDecodeError:
        record["message_base64"] = base64.b64encode(letter.message).decode()
    return record
