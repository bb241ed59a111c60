"""Writing on a thread of its own: what is computed next does not wait for what is sent.

Nothing is dropped: a server that is away is tried again until it is back, and whoever
computes waits once too much is unsent.
"""

import threading
import time
import weakref
from collections.abc import Callable, Hashable, Iterable
from typing import Any, Generic, TypeVar

import structlog

T = TypeVar("T")
P = TypeVar("P")

_MOST_BACK_OFF_S = 1.0


_EVERY: "weakref.WeakSet[_Shared[Any]]" = weakref.WeakSet()


def any_waits() -> bool:
    """Whether any writer of this process waits for its server."""
    return any(shared.is_away for shared in list(_EVERY))


class _Shared(Generic[T]):
    """What the computing and the sending thread both see."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self.waiting: dict[Hashable, T] = {}
        self.sending = False
        self.hurry = False
        self.stopped = False
        self.is_away = False
        """Whether the last attempt to send failed."""
        self.error: Exception | None = None
        _EVERY.add(self)

    def stop(self) -> None:
        with self.changed:
            self.stopped = True
            self.changed.notify_all()


class BackgroundWriter(Generic[T, P]):
    """Sends items in batches, the oldest first.

    `prepare` turns a batch into what `send` takes and is called once; `send` is called
    again after an error that `passes`, ever more slowly up to once a second. Any other
    error ends the writing and is raised by the next `put` or `flush`. An item whose key was
    sent less than `spacing_s` ago waits for the rest of that time, unless somebody flushes;
    at `limit` unsent items `put` waits.
    """

    def __init__(
        self,
        name: str,
        prepare: Callable[[list[T]], P],
        send: Callable[[P], None],
        passes: Callable[[Exception], bool],
        *,
        spacing_s: float = 0.0,
        limit: int = 10_000,
    ) -> None:
        self._shared: _Shared[T] = _Shared()
        self._limit = limit
        thread = threading.Thread(
            target=_run,
            args=(self._shared, name, prepare, send, passes, spacing_s),
            name=name,
            daemon=True,
        )
        weakref.finalize(self, self._shared.stop)
        thread.start()
        self._thread = thread
        self._name = name
        self._raised = False

    def put(
        self,
        items: Iterable[tuple[Hashable, T]],
        is_newer: Callable[[T, T], bool] | None = None,
    ) -> None:
        """Take keyed items; one that `is_newer` (or any) replaces an unsent one of its key."""
        shared = self._shared
        with shared.changed:
            self._wait_for(lambda: len(shared.waiting) < self._limit)
            for key, item in items:
                old = shared.waiting.get(key)
                if old is None or is_newer is None or is_newer(item, old):
                    shared.waiting[key] = item
            shared.changed.notify_all()

    def flush(self) -> None:
        """Return once everything taken is sent, however long that takes."""
        shared = self._shared
        with shared.changed:
            shared.hurry = True
            shared.changed.notify_all()
            self._wait_for(lambda: not shared.waiting and not shared.sending)
            shared.hurry = False

    def close(self) -> None:
        """Send what is left and end the thread; does not wait for a server that is away.

        An input that came to its end was flushed before. Else the flow broke off, its last
        epoch will be replayed, and an error that was raised is not raised again: the engine
        aborts without a word where closing fails too.
        """
        shared = self._shared
        if not self._raised:
            with shared.changed:
                shared.hurry = True
                shared.changed.notify_all()
                self._wait_for(lambda: shared.is_away or not (shared.waiting or shared.sending))
                unsent = len(shared.waiting) + shared.sending
            if unsent:
                structlog.get_logger(self._name).warning(
                    "write_left", writer=self._name, batches=unsent
                )
        shared.stop()
        self._thread.join()

    def _wait_for(self, condition: Callable[[], bool]) -> None:
        shared = self._shared
        while shared.error is None and not condition():
            shared.changed.wait(0.1)
        if shared.error is not None:
            self._raised = True
            raise shared.error


def _run(
    shared: _Shared[Any],
    name: str,
    prepare: Callable[[list[Any]], Any],
    send: Callable[[Any], None],
    passes: Callable[[Exception], bool],
    spacing_s: float,
) -> None:
    recent: dict[Hashable, float] = {}
    try:
        while batch := _next_batch(shared, recent, spacing_s):
            _send(shared, name, send, passes, prepare(batch))
            with shared.changed:
                shared.sending = False
                shared.changed.notify_all()
    except Exception as error:
        with shared.changed:
            shared.error = error
            shared.sending = False
            shared.changed.notify_all()


def _next_batch(shared: _Shared[Any], recent: dict[Hashable, float], spacing_s: float) -> list[Any]:
    with shared.changed:
        while True:
            now = time.monotonic()
            for key in [k for k, due in recent.items() if due <= now]:
                del recent[key]
            if not recent or shared.hurry or shared.stopped:
                ready = list(shared.waiting)
            else:
                ready = [key for key in shared.waiting if key not in recent]
            if ready or shared.stopped:
                break
            waits = [recent[key] for key in shared.waiting]
            shared.changed.wait(min(waits) - now if waits else None)
        if spacing_s:
            recent.update(dict.fromkeys(ready, now + spacing_s))
        shared.sending = bool(ready)
        return [shared.waiting.pop(key) for key in ready]


def _send(
    shared: _Shared[Any],
    name: str,
    send: Callable[[Any], None],
    passes: Callable[[Exception], bool],
    prepared: Any,
) -> None:
    back_off_s = 0.0
    log = structlog.get_logger(name)
    while True:
        try:
            send(prepared)
        except Exception as error:
            if not passes(error) or shared.stopped:
                raise
            if not back_off_s:
                log.warning("write_waits", writer=name, error=str(error))
            back_off_s = min(max(2 * back_off_s, 0.02), _MOST_BACK_OFF_S)
            with shared.changed:
                shared.is_away = True
                shared.changed.notify_all()
                shared.changed.wait_for(lambda: shared.stopped, back_off_s)
        else:
            shared.is_away = False
            if back_off_s:
                log.info("write_goes_on", writer=name)
            return
