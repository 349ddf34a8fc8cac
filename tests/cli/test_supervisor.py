"""`busta up` for real: Dagster's parts and the API are started, killed, taken over and stopped."""

from __future__ import annotations

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import pytest

from monitoring_pipeline.cli.processes import birth, stop_groups
from monitoring_pipeline.cli.supervisor import Installation, Supervisor
from monitoring_pipeline.errors import MonitoringError
from tests.installation import write_installation
from tests.servers import free_port

ROOT = Path(__file__).parents[2]
UP = """
import sys
from pathlib import Path
from monitoring_pipeline.cli.supervisor import Installation, Supervisor
folder, dagster, api = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
installation = Installation(folder / "monitoring.yaml", folder / ".busta", dagster_port=dagster, api_port=api)
Supervisor(installation, say=lambda text: print(text, flush=True)).run(lambda: print("ready", flush=True))
print("stopped", flush=True)
"""


def until(condition: Callable[[], Any], what: str, timeout_s: float = 120) -> Any:
    """Waits until a condition holds and answers its value; fails when it does not in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"not in time: {what}"
        time.sleep(0.2)


@dataclass
class Up:
    """A supervisor in a process of its own."""

    folder: Path
    dagster_port: int
    api_port: int
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-c", UP, str(self.folder), str(self.dagster_port), str(self.api_port)]
        # As a background job of a non-interactive shell: with SIGINT ignored.
        with self.output.open("wb") as output:
            before = signal.signal(signal.SIGINT, signal.SIG_IGN)
            self.process = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)
            signal.signal(signal.SIGINT, before)
        until(lambda: "ready" in self.output.read_text() or self.process.poll() is not None, "everything answers")
        assert self.process.poll() is None, self.output.read_text()

    @property
    def output(self) -> Path:
        return self.folder / "up.log"

    @property
    def children(self) -> dict[str, int]:
        rows = json.loads((self.folder / ".busta" / "up.json").read_text())["children"]
        return {row["name"]: row["pid"] for row in rows}

    def ask(self, query: str) -> Any:
        """An answer of Dagster's GraphQL; None while it does not answer."""
        body = json.dumps({"query": query}).encode()
        address = f"http://127.0.0.1:{self.dagster_port}/graphql"
        request = urllib.request.Request(address, body, {"content-type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return json.load(response)["data"]
        except OSError:
            return None

    def runs(self) -> list[dict[str, Any]]:
        """The runs of health checks, the newest first."""
        query = '{runsOrError(filter: {pipelineName: "health_checks_job"}) {... on Runs {results {runId status}}}}'
        answer = self.ask(query)
        return answer["runsOrError"]["results"] if answer else []


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    folder = tmp_path_factory.mktemp("up")
    write_installation(folder)
    running = Up(folder, free_port(), free_port())
    running.start()
    yield running
    if running.process is not None and running.process.poll() is None:
        children = running.children.values()
        running.process.kill()
        running.process.wait()
        stop_groups(children, 1)


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
    (execution,) = up.ask(query)["assetCheckExecutions"]
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


def run_processes(up: Up) -> list[psutil.Process]:
    """The processes that serve slots now: the code server starts them."""
    return psutil.Process(up.children["dagster-code"]).children(recursive=True)


def newest_slot(up: Up) -> int:
    with sqlite3.connect(up.folder / ".busta" / "operational.db", timeout=30) as store:
        return store.execute("SELECT MAX(slot) FROM results WHERE NOT manual").fetchone()[0] or 0


def assert_resumes(up: Up, what: str) -> None:
    """Slots after this moment are recorded within ninety seconds, and every slot is accounted for once."""
    now_us = time.time() * 1e6
    until(lambda: newest_slot(up) > now_us, f"monitoring resumes after {what}", 90)
    with sqlite3.connect(up.folder / ".busta" / "operational.db", timeout=30) as store:
        slots = [row[0] for row in store.execute("SELECT slot FROM results WHERE source = 'orders' AND NOT manual")]
        gaps = store.execute("SELECT start, \"end\", slots FROM gaps WHERE source = 'orders'").fetchall()
    lost = [slot for start, end, _ in gaps for slot in range(start, end + 1, 1_000_000)]
    assert len(set(slots)) == len(slots), "a slot was recorded twice"
    assert len(lost) == sum(count for _, _, count in gaps)
    assert sorted(slots + lost) == list(range(min(slots + lost), max(slots + lost) + 1, 1_000_000))


def test_monitoring_resumes_after_its_runs_were_killed(up: Up):
    for process in until(lambda: run_processes(up), "a run serves"):
        process.kill()
    assert_resumes(up, "its runs were killed")


def test_monitoring_resumes_after_everything_was_killed_at_once(up: Up):
    victims = [*until(lambda: run_processes(up), "a run serves"), *map(psutil.Process, up.children.values())]
    for process in (psutil.Process(up.process.pid), *victims):
        process.kill()
    up.process.wait()
    up.start()
    assert_resumes(up, "everything was killed")


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
