"""`busta up` as people run it: one process in a terminal or a log, stopped by Ctrl-C or SIGTERM."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring_pipeline.cli import exits
from tests.servers import free_port

START = "from monitoring_pipeline.cli import main; main()"


class Up:
    """A running `busta up` and the lines it printed."""

    def __init__(self, config: Path, *arguments: str) -> None:
        command = [sys.executable, "-c", START, "--config", str(config), "up", *arguments]
        environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(iter(self.process.stdout.readline, ""))

    def wait_for(self, pattern: str, timeout_s: float = 90.0) -> str:
        """The first line that matches; fails with everything printed when none comes."""
        deadline = time.monotonic() + timeout_s
        while time.monotonic() < deadline:
            for line in list(self.lines):
                if re.search(pattern, line):
                    return line
            time.sleep(0.05)
        pytest.fail(f"no line matches {pattern}:\n" + "".join(self.lines))

    def stop(self, name: int = signal.SIGINT) -> int:
        """Stops it; answers its exit code."""
        if self.process.poll() is None:
            self.process.send_signal(name)
        return self.ended()

    def ended(self) -> int:
        """The exit code with which it ends by itself."""
        code = self.process.wait(60)
        self._reader.join(10)
        assert self.process.stdout is not None
        self.process.stdout.close()
        return code


@pytest.fixture
def without_dagster(config: Path) -> Iterator[tuple[Up, int]]:
    config.write_text(config.read_text().replace("check: {", "check: {interval: 1s, "))
    port = free_port()
    up = Up(config, "--no-dagster", "--port-api", str(port))
    yield up, port
    up.stop()


def test_it_watches_and_stops(without_dagster: tuple[Up, int], config: Path) -> None:
    up, port = without_dagster
    up.wait_for("shop-api is healthy")
    up.wait_for("refused is critical: tcp: connection refused")
    up.wait_for(f"status page  http://127.0.0.1:{port}")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/live", timeout=30) as answer:
        assert answer.status == 200
    (config.parent / "orders.csv").unlink()
    up.wait_for("exports is critical")
    assert up.stop() == exits.OK
    assert up.lines[-1].endswith("stopped\n")
    assert not (config.parent / ".busta" / "up.json").exists()


def test_a_taken_port_is_told(config: Path, web: int) -> None:
    up = Up(config, "--no-dagster", "--port-api", str(web))
    up.wait_for(f"{web}.*--port-api")
    assert up.ended() == exits.UNAVAILABLE


def test_another_terminal_learns_the_ports_may_not_start_a_second_and_stops_it_by_sigterm(
    without_dagster: tuple[Up, int], config: Path
) -> None:
    up, port = without_dagster
    up.wait_for("status page")
    command = [sys.executable, "-c", START, "--config", str(config), "doctor", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    found = {each["about"]: each for each in json.loads(done.stdout)["findings"]}
    assert (found["API"]["verdict"], found["checks"]["verdict"]) == ("ok", "ok"), found
    assert str(port) in found["API"]["message"]
    second = Up(config, "--no-dagster", "--port-api", str(free_port()))
    second.wait_for("runs already")
    assert second.ended() == exits.UNAVAILABLE
    assert up.process.poll() is None
    assert up.stop(signal.SIGTERM) == exits.OK
