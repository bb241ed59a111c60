"""Changes of alerts of a run, written as NDJSON where a file is named."""

from pathlib import Path

import msgspec

from cli.replay.lines import LineFile
from domain.alert_records import alert_record, transition_record
from domain.alerts import AlertChange


class AlertFile:
    """Takes changes as they come; in the file they stand by desk, each desk's in order.

    Each line has the transition and the alert after it. Use as a context manager; raises
    InputError when the file cannot be written.
    """

    def __init__(self, path: Path | None) -> None:
        self.changes: list[AlertChange] = []
        self._lines = LineFile(path)

    def __enter__(self) -> "AlertFile":
        self._lines.open()
        return self

    def take(self, change: AlertChange) -> None:
        """Keep one: alerts are few, and workers give those of different desks as they come."""
        if not change.again:
            self.changes.append(change)

    def __exit__(self, failed: type[BaseException] | None, *_: object) -> None:
        self.changes.sort(key=lambda change: change.alert.desk)
        for change in self.changes if self._lines.is_wanted else []:
            line = {
                "transition": transition_record(change.transition),
                "alert": alert_record(change.alert),
            }
            self._lines.add(msgspec.json.encode(line))
        self._lines.close(keep=failed is None)
