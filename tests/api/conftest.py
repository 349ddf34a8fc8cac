"""Installations with a real store, filled as the checks' front door fills it, and real servers over them."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import psutil
import pytest
import uvicorn
import yaml

from monitoring_pipeline.api import create_app
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.checks.record import record
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Result, Status
from monitoring_pipeline.store import slots


@dataclass
class Installation:
    """A configuration on disk, opened, and the moment its checks were last served."""

    path: Path
    monitoring: Monitoring
    now: datetime = field(default_factory=lambda: datetime.now(UTC))
    batches: int = 0

    def found(
        self, source: str, status: Status, message: str = "", ms: float | None = 12.0, ago_s: float = 1.0
    ) -> None:
        """Records one result of the source's only check, or of `source/check`."""
        self.found_all([(source, status, message, ms)], ago_s)

    def found_all(self, results: Sequence[tuple[str, Status, str, float | None]], ago_s: float = 1.0) -> None:
        # Two results of one check at the same moment would be the same slot.
        self.batches += 1
        at = self.now - timedelta(seconds=ago_s) + timedelta(microseconds=self.batches)
        bound = {check.source.id: check for check in self.monitoring.config.checks}
        bound.update({check.key: check for check in self.monitoring.config.checks})
        batch = [
            Result(
                check.source.id, check.check.id, check.check.kind, slot=at, started=at, finished=at, status=status,
                message=message, response_time_ms=ms, manual=True,
            )
            for name, status, message, ms in results
            for check in [bound[name]]
        ]  # fmt: skip
        spec = self.monitoring.config.execution.breaker
        with self.monitoring.store.write() as connection:
            record(connection, batch, runner=None, schedules={}, spec=spec, now=at)

    def serve(self, ago_s: float = 0.0, *, pid: int = 1) -> None:
        """A runner gave a sign of life."""
        at = to_us(self.now - timedelta(seconds=ago_s))
        with self.monitoring.store.write() as connection:
            slots.register_runner(
                connection, "runner", now_us=at, serves_until_us=at + 60_000_000, host="here", pid=pid
            )


def install(directory: Path, sources: Sequence[Mapping[str, Any]], **head: Any) -> Installation:
    """Writes and opens a configuration, its checks registered."""
    path = directory / "monitoring.yaml"
    path.write_text(yaml.safe_dump({"version": 1, "sources": list(sources), **head}, allow_unicode=True))
    monitoring = Monitoring.open(path)
    monitoring.register()
    return Installation(path, monitoring)


SOURCES: list[dict[str, Any]] = [
    {
        "id": "orders-api", "name": "Orders API", "component": "web", "owner": "shop", "criticality": "high",
        "tags": ["public"], "depends_on": ["orders-db"],
        "checks": [{"kind": "http", "url": "http://127.0.0.1:9/health", "interval": "30s"}],
    },
    {
        "id": "orders-db", "component": "data", "owner": "platform",
        "checks": [{"kind": "tcp", "host": "127.0.0.1", "port": 9, "interval": "30s"}],
    },
    {
        "id": "nightly-export", "component": "data", "owner": "finance",
        "checks": [{"kind": "heartbeat", "every": "1d", "interval": "10s"}],
    },
]  # fmt: skip


@pytest.fixture
def installation(tmp_path: Path) -> Iterator[Installation]:
    """Two watched sources and a heartbeat; nothing was checked yet."""
    found = install(tmp_path, SOURCES, name="shop")
    yield found
    found.monitoring.close()


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    def json(self) -> Any:
        return json.loads(self.body)


@dataclass
class Client:
    """Plain HTTP/1.1 to one address, a new connection per request."""

    port: int

    def __call__(
        self, path: str, method: str = "GET", body: bytes | None = None, headers: Mapping[str, str] | None = None
    ) -> Answer:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        with contextlib.closing(connection):
            connection.request(method, path, body, dict(headers or {}))
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())


@contextlib.contextmanager
def serving(monitoring: Monitoring) -> Iterator[Client]:
    """The application of `monitoring` behind a real server in a thread of this process."""
    config = uvicorn.Config(create_app(monitoring), log_config=None, access_log=False, timeout_graceful_shutdown=5)
    server = uvicorn.Server(config)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        wait_until(lambda: server.started or not thread.is_alive())
        try:
            yield Client(listener.getsockname()[1])
        finally:
            server.should_exit = True
            thread.join(30)


@contextlib.contextmanager
def process(path: Path, *options: str) -> Iterator[tuple[subprocess.Popen[bytes], Client]]:
    """`python -m monitoring_pipeline.api` as a process of its own on a port of the system's choice, once it answers."""
    command = [sys.executable, "-m", "monitoring_pipeline.api", "--config", str(path), "--port", "0", *options]
    started = subprocess.Popen(command, stderr=subprocess.PIPE, env={**os.environ, "PYTHONUNBUFFERED": "1"})
    try:
        wait_until(lambda: started.poll() is not None or listening(started.pid))
        if started.poll() is not None:
            pytest.fail(f"the API ended with {started.returncode}: {started.communicate()[1].decode()}")
        client = Client(listening(started.pid)[0])
        assert client("/live").status == 200
        yield started, client
    finally:
        if started.poll() is None:
            started.send_signal(signal.SIGKILL)
        started.communicate()


def listening(pid: int) -> list[int]:
    """The TCP ports at which a process listens."""
    with contextlib.suppress(psutil.NoSuchProcess):
        found = psutil.Process(pid).net_connections("tcp")
        return [connection.laddr.port for connection in found if connection.status == psutil.CONN_LISTEN]
    return []


def wait_until(condition: Any, seconds: float = 60.0) -> None:
    """Waits until something becomes true; fails when it does not."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never became true"
        time.sleep(0.02)
