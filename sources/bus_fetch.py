"""Reading ahead from the bus on one thread, so that a worker's thread never waits for it."""

import threading
import time
import weakref
from collections import deque

import structlog

from bus.base import START, Bus, Place, Reader, Stored
from domain.errors import BusDown

CHUNK = 1_000
"""Most messages asked of each partition at once."""
ROOM = 4_000
"""Messages of a partition waiting for the worker, past which it is not asked for more."""
_BLOCK_MS = 20
_MOST_BACK_OFF_S = 1.0
_LEAVE_S = 6.0
"""How long the end waits for the connection to be closed; of a server that is away, 5 s."""


class Buffer:
    """Messages of one partition, read but not yet taken."""

    def __init__(self, place: Place, position: str, room: int = ROOM) -> None:
        self.place = place
        self.end: str | None = None
        """Position of the newest message when reading began; None until known."""
        self.caught_up = False
        """Whether the last read found the partition's end."""
        self.error: Exception | None = None
        self._room = room
        self._read_to = position
        self._done: str | None = None
        self._checked = False
        self._messages: deque[Stored] = deque()

    def take(self, count: int, size: int) -> list[Stored]:
        """Up to `count` messages, fewer once their bodies hold more than `size` bytes."""
        if self.error is not None and not self._messages:
            raise self.error
        taken: list[Stored] = []
        while self._messages and len(taken) < count and size > 0:
            message = self._messages.popleft()
            taken.append(message)
            size -= len(message.body)
        return taken

    def acknowledge(self, position: str) -> None:
        """All up to this position is in a snapshot that no restart goes behind."""
        if position != START:
            self._done = position

    def __len__(self) -> int:
        return len(self._messages)

    # The rest is the reading thread's.

    def prepare(self, bus: Bus) -> None:
        """After each (re)connection: make sure that going on misses nothing."""
        if not self._checked:
            bus.check_position(self.place, self._read_to)
            if self.end is None:
                self.end = bus.end(self.place)
            self._checked = True

    def doubt(self) -> None:
        """The server went away: look again before going on."""
        self._checked = False

    @property
    def position(self) -> str | None:
        """Where to read on, None while there is no room."""
        return self._read_to if len(self._messages) < self._room else None

    def done(self) -> str | None:
        """What the bus is to be told is done, once."""
        done, self._done = self._done, None
        return done

    def put(self, found: list[Stored] | None, chunk: int = CHUNK) -> None:
        """Take over what a read of up to `chunk` messages gave."""
        self.caught_up = not found or len(found) < chunk
        if found:
            self._messages.extend(found)
            self._read_to = found[-1].position


class Fetcher:
    """One thread and one connection that read every registered partition.

    The bus knows it by `name`, and by that what was acknowledged. It collects for `linger_s`
    between two reads, goes on where it stood when the server comes back, and ends when the
    partitions are gone. It asks for up to `chunk` messages of each partition at once and lets
    up to `room` and one chunk more wait.
    """

    def __init__(
        self, bus: Bus, linger_s: float, name: str, *, chunk: int = CHUNK, room: int = ROOM
    ) -> None:
        self._bus = bus
        self._name = name
        self._chunk = chunk
        self._room = room
        self._linger_s = linger_s
        self._lock = threading.Lock()
        self._buffers: weakref.WeakSet[Buffer] = weakref.WeakSet()
        self._thread: threading.Thread | None = None
        self._log = structlog.get_logger("bus_source")

    def register(self, place: Place, position: str) -> Buffer:
        """Begin to read a partition after a position; as long as the buffer is kept."""
        buffer = Buffer(place, position, self._room)
        with self._lock:
            self._buffers.add(buffer)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="bus-reader", daemon=True)
                self._thread.start()
        return buffer

    def forget(self, buffer: Buffer) -> None:
        """Read this partition no more. After the last one the connection is closed."""
        with self._lock:
            self._buffers.discard(buffer)
            ending = None if len(self._buffers) else self._thread
        # A client that is still at work when the process ends would abort it.
        if ending is not None and ending is not threading.current_thread():
            ending.join(_LEAVE_S)

    def _registered(self) -> list[Buffer]:
        with self._lock:
            return list(self._buffers)

    def _is_needed(self) -> bool:
        with self._lock:
            if not len(self._buffers):
                self._thread = None
            return self._thread is not None

    def _run(self) -> None:
        reader: Reader | None = None
        back_off_s = 0.0
        while self._is_needed():
            try:
                reader = reader or self._bus.reader(self._name)
                pause_s = self._linger_s if self._read(reader) else 0.0
                if back_off_s:
                    self._log.info("bus_back")
                    back_off_s = 0.0
            except BusDown as error:
                if not back_off_s:
                    self._log.warning("bus_down", error=str(error))
                self._doubt()
                pause_s = back_off_s = min(max(2 * back_off_s, 0.02), _MOST_BACK_OFF_S)
            except Exception as error:
                self._fail(error)
                pause_s = 0.0
            time.sleep(pause_s)
        if reader:
            reader.close()

    def _doubt(self) -> None:
        for buffer in self._registered():
            buffer.doubt()

    def _fail(self, error: Exception) -> None:
        for buffer in self._registered():
            buffer.error = error
            self.forget(buffer)

    def _read(self, reader: Reader) -> bool:
        """One round over all partitions; whether to linger before the next."""
        buffers = self._registered()
        for buffer in buffers:
            buffer.prepare(self._bus)
            if (done := buffer.done()) is not None:
                reader.acknowledge(buffer.place, done)
        wanted = {b.place: at for b in buffers if (at := b.position) is not None}
        if not wanted:
            return True
        found = reader.read(wanted, self._chunk, _BLOCK_MS)
        for buffer in buffers:
            if buffer.place in wanted:
                buffer.put(found.get(buffer.place), self._chunk)
        return bool(found)
