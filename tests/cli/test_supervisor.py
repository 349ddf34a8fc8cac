"""`busta up` for real: Dagster's parts and the API are started, killed, taken over and stopped."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from monitoring_pipeline.cli.processes import birth
from monitoring_pipeline.cli.supervisor import Installation, Supervisor
from monitoring_pipeline.errors import MonitoringError
from tests.cli.supervised import ROOT, Up, started, until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    with started(tmp_path_factory.mktemp("up")) as running:
        yield running


def test_everything_answers_and_the_graph_shows_the_sources(up: Up):
    query = "{assetNodes {assetKey {path} groupName hasAssetChecks isExecutable}}"
    nodes = until(lambda: (up.ask(query) or {}).get("assetNodes"), "the code location is loaded")
    sources = {"/".join(node["assetKey"]["path"]): node for node in nodes if node["hasAssetChecks"]}
    assert set(sources) == {"data-platform/orders", "data_platform/stock-levels", "data_platform/stock_levels"}
    assert sources["data-platform/orders"]["groupName"] == "data_platform"
    with urllib.request.urlopen(f"http://127.0.0.1:{up.api_port}/health", timeout=30) as response:
        assert response.status == 200


def test_a_run_of_health_checks_finishes_and_reports(up: Up):
    until(lambda: [run for run in up.runs() if run["status"] == "SUCCESS"], "a run finished")
    query = """{assetCheckExecutions(
        assetKey: {path: ["data_platform", "stock-levels"]}, checkName: "health", limit: 1
    ) {status evaluation {severity description}}}"""
    (execution,) = until(lambda: (up.ask(query) or {}).get("assetCheckExecutions"), "Dagster was told")
    assert execution["status"] == "FAILED"
    assert execution["evaluation"]["severity"] == "ERROR"


@pytest.mark.parametrize("name", ["dagster-daemon", "dagster-code", "dagster-webserver", "api"])
def test_a_part_that_is_killed_comes_back(up: Up, name: str):
    before = up.children[name]
    os.kill(before, signal.SIGKILL)
    until(lambda: up.children.get(name) not in (None, before), f"{name} runs again")
    assert f"{name} ended (killed by SIGKILL)" in up.output.read_text()


def test_runs_go_on_after_the_kills(up: Up):
    known = {run["runId"] for run in up.runs()}
    until(lambda: [run for run in up.runs() if run["runId"] not in known and run["status"] == "STARTED"], "a new run")


def test_a_second_supervisor_is_refused(up: Up):
    other = Supervisor(Installation(up.folder / "monitoring.yaml", up.folder / ".busta"), say=print)
    with pytest.raises(MonitoringError, match=f"runs already .*process {up.process.pid}"):
        other.run()


def test_a_killed_supervisor_is_succeeded_and_its_children_replaced(up: Up):
    before = up.children
    up.process.kill()
    up.process.wait()
    assert all(birth(pid) for pid in before.values()), "monitoring goes on without its supervisor"
    up.start()
    assert not set(before.values()) & set(up.children.values())
    assert not [pid for pid in before.values() if birth(pid)]


def test_sigterm_stops_everything(up: Up):
    children = up.children
    up.process.terminate()
    assert up.process.wait(60) == 0
    assert up.output.read_text().endswith("stopped\n")
    assert not [pid for pid in children.values() if birth(pid)]
    assert not (up.folder / ".busta" / "up.json").exists()


def test_a_taken_port_is_refused_with_the_way_out(tmp_path: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        installation = Installation(tmp_path / "monitoring.yaml", tmp_path, dagster_port=port)
        with pytest.raises(MonitoringError, match=f"127.0.0.1:{port} .*--port-dagster"):
            Supervisor(installation, say=print).run()


def test_the_socket_of_a_deep_folder_fits_into_a_socket_address(tmp_path: Path):
    deep = Installation(tmp_path / "m.yaml", tmp_path / ("deep" * 40)).code_socket
    near = Installation(tmp_path / "m.yaml", Path("/tmp/near")).code_socket
    assert len(str(deep)) < 108
    assert deep.parent.stat().st_mode & 0o777 == 0o700
    assert near == Path("/tmp/near/dagster/code.sock")


def test_children_keep_their_byte_code_and_know_where_things_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    environment = Installation(tmp_path / "monitoring.yaml", tmp_path).environment()
    assert "PYTHONDONTWRITEBYTECODE" not in environment
    assert environment["BUSTA_CONFIG"] == str(tmp_path / "monitoring.yaml")
    assert environment["DAGSTER_HOME"] == str(tmp_path / "dagster")


def test_the_supervisor_itself_stays_light():
    program = "import sys, monitoring_pipeline.cli.supervisor; print({'dagster', 'pydantic'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
