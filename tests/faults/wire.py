"""A wire that can be cut: a TCP proxy between a client and the API, or between two workers."""

import socket
import struct
import threading
import time
from contextlib import suppress

_PATIENCE_S = 30.0
_RESET = struct.pack("ii", 1, 0)


class Wire:
    """Listens on a port of its own and passes bytes on; use as a context manager."""

    def __init__(self, port: int) -> None:
        self._to = ("127.0.0.1", port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._ends: list[socket.socket] = []
        self._lock = threading.Lock()
        self._passes = threading.Event()
        self._passes.set()

    @property
    def port(self) -> int:
        return self._listener.getsockname()[1]

    def __enter__(self) -> "Wire":
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._listener.close()
        self._passes.set()
        self.tear()

    def tear(self) -> None:
        """Both ends learn at once that the other is gone."""
        with self._lock:
            ends, self._ends = self._ends, []
        for end in ends:
            with suppress(OSError):
                end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
                end.shutdown(socket.SHUT_RDWR)
            end.close()

    def hush(self) -> None:
        """Nothing passes any more, and nobody is told."""
        self._passes.clear()

    def mend(self) -> None:
        """New connections pass; those of before are gone."""
        self.tear()
        self._passes.set()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                here, _ = self._listener.accept()
                threading.Thread(target=self._join, args=(here,), daemon=True).start()

    def _join(self, here: socket.socket) -> None:
        """Reach the other side, which may not be there yet."""
        until = time.monotonic() + _PATIENCE_S
        while True:
            try:
                there = socket.create_connection(self._to)
                break
            except OSError:
                if time.monotonic() > until:
                    here.close()
                    return
                time.sleep(0.02)
        with self._lock:
            self._ends += [here, there]
        for one, other in ((here, there), (there, here)):
            threading.Thread(target=self._pass, args=(one, other), daemon=True).start()

    def _pass(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65_536):
                self._passes.wait()
                other.sendall(data)
        with suppress(OSError):
            other.shutdown(socket.SHUT_WR)
