"""A small installation on disk with real servers on loopback, and busta run on it."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli.root import busta
from tests.servers import free_port

CONFIG = """\
name: shop
stores: {{directory: .busta}}
defaults: {{check: {{retries: 0, timeout: 5s}}}}
components:
  web: {{description: What customers see}}
sources:
  - id: shop-api
    component: web
    criticality: critical
    tags: [public]
    owner: web team
    checks:
      - {{kind: http, url: "http://127.0.0.1:{http}/health", conditions: ["status == 200", "json.orders > 10"]}}
  - id: exports
    component: data
    depends_on: [shop-api]
    checks:
      - {{id: orders, kind: file, path: {folder}/orders.csv}}
      - {{id: old, kind: file, path: {folder}/orders.csv, enabled: false}}
  - id: refused
    component: data
    criticality: critical
    checks:
      - {{kind: tcp, host: 127.0.0.1, port: {closed}}}
  - id: slow
    component: data
    checks:
      - {{kind: file, path: {folder}/orders.csv, conditions: [{{warning: "size > 1000000"}}]}}
  - id: nightly
    component: jobs
    checks:
      - {{id: done, kind: heartbeat, every: 1h}}
"""


ALERTING = """\
rules:
  - {{id: down, when: {{kind: status, warning: null}}, runbook: "https://example.com/runbooks/down"}}
  - {{id: slow, sources: {{component: web}}, severity: warning,
      when: {{kind: metric, metric: response_time_ms, threshold: 300}}}}
channels:
  chat: {{kind: slack, webhook_url: "http://127.0.0.1:{http}/slack"}}
  other: {{kind: slack, webhook_url: "http://127.0.0.1:{closed}/slack", enabled: false}}
people:
  ana: {{name: Ana Example, email: ana@example.com}}
  ben: {{phone: "+4930123456"}}
teams:
  platform: {{members: [ana, ben]}}
rotas:
  primary: {{people: [ana, ben], turn: day, handover: "09:00"}}
maintenance:
  - {{name: weekly, sources: {{component: data}}, cron: "0 3 * * sun", duration: 1h}}
"""


@pytest.fixture(autouse=True)
def _no_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Output is as wide as it is in a pipe, whatever the terminal that started the tests."""
    monkeypatch.delenv("COLUMNS", raising=False)


class Health(BaseHTTPRequestHandler):
    """Answers /health with JSON, everything else with 404."""

    def do_GET(self) -> None:
        found = self.path in ("/health", "/")
        body = json.dumps({"orders": 42}).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = b"ok" if self.path == "/slack" else b"no_service"
        self.send_response(200 if self.path == "/slack" else 404)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Says nothing."""


@pytest.fixture
def web() -> Iterator[int]:
    """The port of an HTTP server."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Health)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    server.server_close()


@pytest.fixture
def config(tmp_path: Path, web: int) -> Path:
    """monitoring.yaml: shop-api and exports are healthy, slow a warning, refused critical, nightly unknown."""
    (tmp_path / "orders.csv").write_text("order\n1\n")
    path = tmp_path / "monitoring.yaml"
    path.write_text(CONFIG.format(http=web, closed=free_port(), folder=tmp_path))
    return path


@pytest.fixture
def alerting(config: Path, web: int) -> Iterator[Monitoring]:
    """The same with rules, channels, people, a rota and a maintenance window; opened, for rows to be written."""
    config.write_text(config.read_text() + ALERTING.format(http=web, closed=free_port()))
    monitoring = Monitoring.open(config)
    yield monitoring
    monitoring.close()


Busta = Callable[..., Result]


@pytest.fixture
def run(config: Path, monkeypatch: pytest.MonkeyPatch) -> Busta:
    """Runs `busta --config CONFIG ...` in this process."""
    monkeypatch.delenv("BUSTA_CONFIG", raising=False)

    def invoke(*arguments: str, path: Path = config, **options: Any) -> Result:
        return CliRunner().invoke(busta, ["--config", str(path), *arguments], **options)

    return invoke


def document(result: Result) -> Any:
    """The one JSON document on stdout; nothing may be around it."""
    assert result.stderr == ""
    return json.loads(result.stdout)
