"""When a flow last asked its source: a flow that no longer does is held up."""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from bytewax.inputs import FixedPartitionedSource, StatefulSourcePartition


class Pulse:
    """Time of the last beat. One thread beats, any may look."""

    def __init__(self) -> None:
        self._beat: float | None = None

    def beat(self) -> None:
        """Now."""
        self._beat = time.monotonic()

    def age_s(self) -> float:
        """Seconds since the last beat, 0 before the first."""
        return 0.0 if self._beat is None else time.monotonic() - self._beat


class PulsedSource(FixedPartitionedSource[Any, Any]):
    """A source that beats whenever one of its partitions is asked.

    The engine asks no more while an epoch waits to be closed, whatever it waits for.
    """

    def __init__(self, inner: FixedPartitionedSource[Any, Any], pulse: Pulse) -> None:
        self.inner = inner
        self.pulse = pulse

    def list_parts(self) -> list[str]:
        """As the source has them."""
        return self.inner.list_parts()

    def build_part(self, step_id: str, for_part: str, resume_state: Any) -> "PulsedPart":
        """As the source makes it."""
        return PulsedPart(self.inner.build_part(step_id, for_part, resume_state), self.pulse)


class PulsedPart(StatefulSourcePartition[Any, Any]):
    """See PulsedSource."""

    def __init__(self, inner: StatefulSourcePartition[Any, Any], pulse: Pulse) -> None:
        self._inner = inner
        self._pulse = pulse

    def next_batch(self) -> Sequence[Any]:
        """What the source gives."""
        self._pulse.beat()
        return list(self._inner.next_batch())

    def next_awake(self) -> datetime | None:
        """When the source wants to be asked again."""
        return self._inner.next_awake()

    def snapshot(self) -> Any:
        """The source's own."""
        return self._inner.snapshot()

    def close(self) -> None:
        """Close the source's partition."""
        self._inner.close()
