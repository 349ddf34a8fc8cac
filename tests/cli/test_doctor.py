"""`busta doctor`: what is wrong is found, and each finding tells what to do."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.processes import Ledger
from monitoring_pipeline.cli.reference import SHAPES
from tests.cli.conftest import Busta, document

Findings = dict[str, list[tuple[str, str]]]


def findings(run: Busta, **options: object) -> Findings:
    found = document(run("doctor", "--json", **options))
    assert set(found) == set(SHAPES["doctor"])
    by_name: Findings = {}
    for each in found["findings"]:
        assert each["advice"] or each["verdict"] == "ok", each
        by_name.setdefault(each["about"], []).append((each["verdict"], each["message"]))
    return by_name


def verdicts(found: Findings, about: str) -> set[str]:
    return {verdict for verdict, _ in found[about]}


def test_a_fresh_installation(run: Busta, config: Path) -> None:
    found = findings(run)
    assert verdicts(found, "configuration") == verdicts(found, "disk space") == {"ok"}
    assert verdicts(found, "operational store") == verdicts(found, "warehouse") == {"warning"}
    assert found["busta up"] == [("warning", "does not run: nobody watches")]
    assert not (config.parent / ".busta").exists(), "it only looks"


def test_after_a_check_the_stores_are_fine(run: Busta, config: Path) -> None:
    run("sources", "check", "shop-api")
    monitoring = Monitoring.open(config)
    monitoring.load_history()
    monitoring.publish_history()
    monitoring.close()
    found = findings(run)
    assert verdicts(found, "operational store") == verdicts(found, "warehouse") == verdicts(found, "clock") == {"ok"}
    assert found["warehouse"][0][1].startswith("1 results")


def test_it_tells_all_problems_of_the_configuration(run: Busta, config: Path) -> None:
    config.write_text(config.read_text().replace("kind: http", "kind: htpp").replace("every: 1h", "every: soon"))
    found = findings(run)
    assert [verdict for verdict, _ in found["configuration"]] == ["problem", "problem"]
    assert run("doctor").exit_code == exits.CRITICAL


def test_without_a_configuration(run: Busta, tmp_path: Path) -> None:
    assert verdicts(findings(run, path=tmp_path / "none.yaml"), "configuration") == {"problem"}


def test_byte_code(run: Busta, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    assert verdicts(findings(run), "byte code") == {"ok"}
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    assert verdicts(findings(run), "byte code") == {"warning"}


@contextmanager
def open_files_limited(soft: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_too_few_open_files(run: Busta) -> None:
    with open_files_limited(400):
        assert verdicts(findings(run), "open files") == {"warning"}


def test_a_damaged_warehouse(run: Busta, config: Path) -> None:
    published = config.parent / ".busta" / "published" / "warehouse.duckdb"
    published.parent.mkdir(parents=True)
    published.write_text("not a database")
    assert verdicts(findings(run), "warehouse") == {"problem"}


def test_a_damaged_operational_store(run: Busta, config: Path) -> None:
    (config.parent / ".busta").mkdir()
    (config.parent / ".busta" / "operational.db").write_text("not a database " * 100)
    found = findings(run)
    assert verdicts(found, "operational store") == {"problem"}


def test_a_taken_port(run: Busta, config: Path, web: int) -> None:
    config.write_text(config.read_text() + f"api: {{port: {web}}}\n")
    found = findings(run)
    assert any(verdict == "problem" and str(web) in message for verdict, message in found["ports"])


def test_what_a_killed_up_left_behind(run: Busta, config: Path) -> None:
    directory = config.parent / ".busta"
    directory.mkdir()
    code = (
        "import os, pathlib, signal, sys\n"
        "from monitoring_pipeline.cli.processes import Child, Ledger, Program\n"
        "folder = pathlib.Path(sys.argv[1])\n"
        "ledger = Ledger(folder)\n"
        "ledger.take()\n"
        "child = Child(Program('sleeper', ('sleep', '60')), log=folder / 'log', directory=folder,"
        " environment=dict(os.environ))\n"
        "child.start()\n"
        "ledger.write([child])\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    killed = subprocess.run([sys.executable, "-c", code, str(directory)], capture_output=True, text=True, timeout=60)
    pid = int(killed.stdout)
    try:
        assert f"sleeper ({pid})" in findings(run)["busta up"][0][1]
    finally:
        os.kill(pid, 9)


def test_while_up_runs_silent_parts_are_problems(run: Busta, config: Path) -> None:
    run("sources", "check", "shop-api")
    ledger = Ledger(config.parent / ".busta")
    ledger.take()
    try:
        found = findings(run)
    finally:
        ledger.release()
    assert found["busta up"] == [("ok", f"runs, as process {os.getpid()}")]
    assert verdicts(found, "Dagster") == verdicts(found, "API") == verdicts(found, "checks") == {"problem"}


def test_results_of_the_future(run: Busta, config: Path) -> None:
    from datetime import timedelta

    from monitoring_pipeline.clock import system_clock

    ahead = Monitoring.open(config, clock=lambda: system_clock() + timedelta(hours=3))
    ahead.check_now(["shop-api/http"])
    ahead.close()
    assert verdicts(findings(run), "clock") == {"problem"}


def test_it_tells_how_the_channels_do(run: Busta, config: Path) -> None:
    assert findings(run)["alerts"] == [("warning", "no channel tells anybody away from this machine")]
    hook = "{kind: webhook, url: 'http://127.0.0.1:1/', attempts: 1}"
    config.write_text(config.read_text() + f"channels: {{board: {{kind: dashboard}}, hook: {hook}}}\n")
    run("sources", "check", "shop-api")
    assert findings(run)["channel hook"] == [("warning", "was never proven to work")]
    assert run("channels", "test", "board").exit_code == exits.OK
    run("channels", "test", "hook")
    found = findings(run)
    assert "alerts" not in found
    assert found["channel board"][0][0] == "ok"
    assert found["channel hook"][0][0] == "warning"
    assert "failed 1 times in a row" in found["channel hook"][0][1]
