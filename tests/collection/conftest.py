"""A server that takes attempts as the API does, and can be made to fail."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from socketserver import TCPServer
from typing import Any

import pytest

from monitoring_pipeline.collection import CollectionTracker


@dataclass
class Desk:
    """What arrived, one entry per attempt and per request; `answers` with a status code per request."""

    port: int = 0
    attempts: list[dict[str, Any]] = field(default_factory=list)
    requests: list[int] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    answers: Callable[[list[dict[str, Any]]], int] = lambda attempts: 200

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def keys(self) -> set[str]:
        return {attempt["key"] for attempt in self.attempts}

    def rows(self) -> list[int]:
        """The attempts in the order of arrival, each once, by their `rows`."""
        return list({attempt["key"]: attempt["rows"] for attempt in self.attempts}.values())


@contextlib.contextmanager
def opened(desk: Desk) -> Iterator[Desk]:
    """Serves on the desk's port, or on a free one."""

    connections: list[socket.socket] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_POST(self) -> None:
            attempts = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = desk.answers(attempts)
            desk.requests.append(status)
            desk.headers.append(dict(self.headers))
            if status == 200:
                desk.attempts.extend(attempts)
            body = b'{"detail": "as the test wants it"}'
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *args: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        block_on_close = False

        def server_bind(self) -> None:
            TCPServer.server_bind(self)  # HTTPServer's own asks DNS who we are
            self.server_port = self.server_address[1]

    with Server(("127.0.0.1", desk.port), Handler) as server:
        desk.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield desk
        finally:
            server.shutdown()
            thread.join()
            # A server that goes away takes kept connections with it.
            for connection in connections:
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def desk() -> Iterator[Desk]:
    with opened(Desk()) as found:
        yield found


@pytest.fixture
def tracker(desk: Desk) -> Iterator[CollectionTracker]:
    found = CollectionTracker(desk.url, linger_s=0.0)
    yield found
    found.close(0)
