"""The code location as a whole: what it holds, how it loads, and what a run's process imports."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli.supervisor import launch_job
from monitoring_pipeline.definitions import build_defs
from tests.installation import write_installation
from tests.servers import free_port

ROOT = Path(__file__).parents[1]
SNAPSHOT = Path(__file__).with_name("definitions.txt")


def described(definitions: dg.Definitions) -> str:
    """Everything in the definitions, one line each, in a fixed order."""
    graph = definitions.resolve_asset_graph()
    repository = definitions.get_repository_def()
    lines = ["assets"]
    for key in sorted(graph.get_all_asset_keys()):
        node = graph.get(key)
        how = "executed" if node.is_materializable else "external"
        after = ", ".join(parent.to_user_string() for parent in sorted(node.parent_keys)) or "-"
        pools = ", ".join(sorted(node.pools or ())) or "-"
        lines.append(f"  {key.to_user_string()}  group={node.group_name} {how} after={after} pool={pools}")
    lines.append("asset checks")
    lines += [f"  {key.asset_key.to_user_string()}:{key.name}" for key in sorted(graph.asset_check_keys)]
    lines.append("jobs")
    lines += [f"  {job.name}" for job in sorted(repository.get_all_jobs(), key=lambda job: job.name)]
    lines.append("schedules")
    for schedule in sorted(repository.schedule_defs, key=lambda schedule: schedule.name):
        lines.append(
            f"  {schedule.name}  {schedule.cron_schedule}  {schedule.job_name}  {schedule.default_status.value}"
        )
    lines.append("sensors")
    for sensor in sorted(repository.sensor_defs, key=lambda sensor: sensor.name):
        lines.append(f"  {sensor.name}  {sensor.default_status.value}")
    return "\n".join(lines) + "\n"


def test_definitions_are_those_of_the_snapshot(tmp_path: Path):
    monitoring = Monitoring.open(write_installation(tmp_path))
    assert described(build_defs(monitoring)) == SNAPSHOT.read_text(), f"if it is meant so, change {SNAPSHOT}"


OURS = """\
sources:
  - for_each: [{name: quality}, {name: sla}, {name: rollups}, {name: analysis}, {name: history}, {name: monitoring},
               {name: health_checks}, {name: collection}, {name: uptime}, {name: daily}]
    id: "{name}"
    component: "{name}"
  - {id: sla_budgets, component: sla}
  - {id: other, component: quality, depends_on: [quality]}
suites: {daily: {source: quality, validator: "a:B"}, quality_1: {source: sla, validator: "a:B"}}
objectives: {other: {source: sla, target: 99%}, daily: {source: quality, target: 99%}}
"""


def test_sources_may_be_called_like_assets_and_groups_of_ours(tmp_path: Path):
    path = tmp_path / "monitoring.yaml"
    path.write_text(OURS)
    keys = build_defs(Monitoring.open(path)).resolve_asset_graph().get_all_asset_keys()
    named = {key.to_user_string() for key in keys}
    assert named > {"quality/quality", "quality/daily", "sla/sla_budgets", "sla/other", "rollups/rollups", "rollups"}


def test_every_job_says_how_long_it_may_take(tmp_path: Path):
    jobs = build_defs(Monitoring.open(write_installation(tmp_path)), with_sources=False).jobs
    assert jobs
    for job in jobs:
        assert dg.MAX_RUNTIME_SECONDS_TAG in job.run_tags


def run_python(arguments: list[str], config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "BUSTA_CONFIG": str(config), "DAGSTER_HOME": str(folder)}
    return subprocess.run(
        [sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True, timeout=120
    )


def validate(config: Path, folder: Path) -> subprocess.CompletedProcess[str]:
    """Loads the code location as Dagster does, from a folder that is not ours."""
    workspace = str(ROOT / "workspace.yaml")
    return run_python(["-m", "dagster", "definitions", "validate", "--workspace", workspace], config, folder)


def test_the_workspace_loads_from_any_folder(tmp_path: Path):
    done = validate(write_installation(tmp_path), tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_broken_configuration_is_shown_with_file_line_and_column(tmp_path: Path):
    config = write_installation(tmp_path)
    config.write_text(config.read_text().replace("kind: sql", "kind: sqk"))
    done = validate(config, tmp_path)
    line = next(n for n, text in enumerate(config.read_text().splitlines(), start=1) if "sqk" in text)
    assert done.returncode != 0
    assert f"{config}:{line}:" in done.stdout + done.stderr
    assert "'sqk'" in done.stdout + done.stderr


RUN = """
import json, sys
from datetime import timedelta
root = sys.argv[1]
sys.path.insert(0, root)
from assets import health_checks
from dagster import DagsterInstance, execute_job
from dagster._core.definitions.reconstruct import ReconstructableRepository

health_checks.window = lambda scheduled, now: (now, now + timedelta(seconds=1.5))
repository = ReconstructableRepository.for_file(f"{root}/monitoring_pipeline/definitions.py", "defs", root)
with DagsterInstance.ephemeral() as instance:
    result = execute_job(repository.get_reconstructable_job("health_checks_job"), instance=instance)
print(json.dumps([result.success, sorted({name.partition(".")[0] for name in sys.modules})]))
"""


@pytest.fixture(scope="module")
def imported(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    """Top-level modules in the process of a health-check run."""
    folder = tmp_path_factory.mktemp("run")
    done = run_python(["-c", RUN, str(ROOT)], write_installation(folder), folder)
    success, names = json.loads(done.stdout.splitlines()[-1]) if done.stdout else (False, done.stderr)
    assert success, done.stderr
    return set(names)


@pytest.mark.parametrize("name", ["great_expectations", "sklearn", "statsmodels", "pandas", "matplotlib"])
def test_a_health_check_run_never_imports(imported: set[str], name: str):
    assert "dagster" in imported
    assert name not in imported


def test_a_run_builds_no_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    from monitoring_pipeline import definitions

    monkeypatch.setenv("BUSTA_CONFIG", str(write_installation(tmp_path)))
    repository = definitions.defs()
    of_a_run = repository.get_job("health_checks_job")
    assert {key.to_user_string() for key in of_a_run.asset_layer.asset_graph.external_asset_keys} == set()
    assert len(repository.assets_defs_by_key) > 4
    assert repository.has_job("__ASSET_JOB")


def ask(port: int, query: str) -> dict[str, Any] | None:
    """An answer of Dagster's GraphQL; None while it does not answer."""
    body = json.dumps({"query": query}).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/graphql", body, {"content-type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=30) as response:
            return json.load(response)["data"]
    except OSError:
        return None


@pytest.fixture
def dagster_dev(tmp_path: Path) -> Iterator[int]:
    """The real `dagster dev` on our workspace; its port."""
    port, home = free_port(), tmp_path / "home"
    home.mkdir()
    (home / "dagster.yaml").write_text((ROOT / "dagster.yaml").read_text())
    environment = {**os.environ, "BUSTA_CONFIG": str(write_installation(tmp_path)), "DAGSTER_HOME": str(home)}
    command = [sys.executable, "-m", "dagster", "dev", "-w", str(ROOT / "workspace.yaml"), "-p", str(port)]
    with (tmp_path / "dev.log").open("wb") as log:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True
        )
    yield port
    os.killpg(process.pid, signal.SIGTERM)
    process.wait(60)


def test_dagster_dev_shows_the_graph_and_serves_a_minute(dagster_dev: int):
    query = """{
        assetNodes {assetKey {path} hasAssetChecks}
        runsOrError(filter: {pipelineName: "health_checks_job"}) {... on Runs {results {status}}}
    }"""
    deadline = time.monotonic() + 150
    nodes: set[str] = set()
    statuses: list[str] = []
    launched = False
    while not ({"SUCCESS", "FAILURE"} & set(statuses)) and time.monotonic() < deadline:
        time.sleep(1)
        answer = ask(dagster_dev, query) or {"assetNodes": [], "runsOrError": {"results": []}}
        nodes = {"/".join(node["assetKey"]["path"]) for node in answer["assetNodes"]}
        statuses = [run["status"] for run in answer["runsOrError"]["results"]]
        if nodes and not launched:
            launch_job("127.0.0.1", dagster_dev, "health_checks_job")
            launched = True
    assert {"health_checks", "history_load", "data_platform/stock-levels"} <= nodes
    assert "SUCCESS" in statuses
