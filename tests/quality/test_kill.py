"""A run that is killed leaves nothing half recorded, no process behind, and is due again."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil

from monitoring_pipeline.app import Monitoring

CONFIG = """\
sources: [{id: orders}]
suites:
  first: {source: orders, validator: "tests.quality.validators:Nightly"}
  second: {source: orders, validator: "tests.quality.validators:Moody", arguments: {mood: hangs}}
  third: {source: orders, validator: "tests.quality.validators:Nightly"}
"""
BUSTA = "from monitoring_pipeline.cli.root import busta; busta()"


def wait_for(what: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_run(tmp_path: Path) -> None:
    path = tmp_path / "monitoring.yaml"
    path.write_text(CONFIG)
    monitoring = Monitoring.open(path)
    command = [sys.executable, "-c", BUSTA, "--config", str(path), "quality", "run"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    wait_for(lambda: bool(monitoring.quality.views()[0].run))
    (worker,) = psutil.Process(process.pid).children()
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not worker.is_running() or worker.status() == psutil.STATUS_ZOMBIE)
    assert [bool(view.run) for view in monitoring.quality.views()] == [True, False, False]
    assert monitoring.quality.due() == ["second", "third"]
    measured = "SELECT DISTINCT check_id FROM samples WHERE check_id <> ''"
    with monitoring.history(tables=("samples", "quality_runs")) as connection:
        assert connection.execute(measured).fetchall() == [("first",)]
        assert connection.execute("SELECT suite FROM quality_runs").fetchall() == [("first",)]
    monitoring.close()
