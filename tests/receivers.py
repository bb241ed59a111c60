"""Whoever is told: an HTTP server and a mail server that do what a test says."""

import json
import socket
import socketserver
import struct
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PATIENCE_S = 20.0


def wait_for(question: Callable[[], Any], seconds: float = PATIENCE_S) -> Any:
    """The answer once it is true."""
    until = time.monotonic() + seconds
    while not (found := question()):
        assert time.monotonic() < until, "it never became true"
        time.sleep(0.01)
    return found


@dataclass
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def key(self) -> str:
        return self.headers["idempotency-key"]


@dataclass
class Answer:
    """What the server does with one request."""

    status: int = 200
    body: bytes = b"ok"
    headers: dict[str, str] = field(default_factory=dict)
    hang: bool = False
    """Never answer; end the connection when the server is closed."""
    cut: bool = False
    """Take the request and end the connection without a word."""


class HttpReceiver:
    """Answers each request as the next of `answers` says, then with 200."""

    def __init__(self, answers: Iterable[Answer] = (), port: int = 0) -> None:
        self.received: list[Received] = []
        self.answers = list(answers)
        self.always: Answer | None = None
        self.judge: Callable[[Received], Answer | None] = lambda _: None
        self._released = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                body = self.rfile.read(length)
                if len(body) < length:
                    # Whoever sent it was killed half-way, so nobody was told.
                    self.close_connection = True
                    return
                headers = {name.lower(): value for name, value in self.headers.items()}
                answer = outer._next(Received(self.path, headers, body))
                if answer.hang:
                    outer._released.wait(60)
                if answer.hang or answer.cut:
                    self.close_connection = True
                    return
                self.send_response(answer.status)
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 128

            def handle_error(self, *_: Any) -> None:
                pass

        self._lock = threading.Lock()
        self._server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def _next(self, received: Received) -> Answer:
        with self._lock:
            self.received.append(received)
            if (judged := self.judge(received)) is not None:
                return judged
            if self.answers:
                return self.answers.pop(0)
            return self.always or Answer()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> list[str]:
        return [one.key for one in list(self.received)]

    def wait(self, count: int) -> list[Received]:
        """All that came, once there are so many."""
        wait_for(lambda: len(self.received) >= count)
        return list(self.received)

    def close(self) -> None:
        self._released.set()
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "HttpReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class MailReceiver:
    """Speaks as much SMTP as a client needs. `refuses` gives an answer instead of taking a step.

    Steps are EHLO, MAIL, RCPT (with the address), DATA and END; an answer of "cut" ends the
    connection.
    """

    def __init__(self, port: int = 0) -> None:
        self.mails: list[Message] = []
        self.raw: list[bytes] = []
        self.refuses: dict[str, str] = {}
        self.logins: list[str] = []
        outer = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                with suppress(OSError, ValueError):
                    outer._talk(self)

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

            def handle_error(self, *_: Any) -> None:
                pass

        self._server = Server(("127.0.0.1", port), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def port(self) -> int:
        return self._server.server_address[1]

    def _talk(self, peer: Any) -> None:
        def say(words: str) -> None:
            peer.wfile.write(words.encode() + b"\r\n")

        say("220 here")
        while line := peer.rfile.readline():
            words = line.decode().strip()
            verb = words.partition(" ")[0].upper()
            step = verb + words[4:] if verb == "RCPT" else verb
            refusal = next((a for s, a in self.refuses.items() if step.startswith(s)), "")
            if refusal == "cut":
                return
            if refusal:
                say(refusal)
            elif verb == "EHLO":
                say("250-here\r\n250 AUTH PLAIN")
            elif verb == "AUTH":
                self.logins.append(words)
                say("235 in")
            elif verb == "DATA":
                say("354 go on")
                body = b""
                while (part := peer.rfile.readline()) != b".\r\n":
                    body += part[1:] if part.startswith(b"..") else part
                answer = self.refuses.get("END", "250 taken")
                if not answer.startswith(("4", "5")):
                    self.raw.append(body)
                    self.mails.append(message_from_bytes(body))
                if answer == "cut":
                    peer.connection.setsockopt(
                        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                    )
                    return
                say(answer)
            elif verb == "QUIT":
                say("221 bye")
                return
            else:
                say("250 good")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def __enter__(self) -> "MailReceiver":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
