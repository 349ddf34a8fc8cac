"""`dagster` against a real webserver and daemon with a small repository, and against servers that are none."""

import asyncio
import dataclasses
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from datetime import timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.dagster import DagsterCheck
from monitoring_pipeline.errors import NetworkDenied, SourceFailure
from tests.checks.kinds.bad_servers import dying_front, garbage, hanging_up, silent
from tests.servers import free_port

BIN = Path(sys.executable).parent
REPOSITORY = """
import time
import dagster as dg

@dg.asset(key_prefix="raw")
def orders():
    return 1

@dg.asset
def customers():
    return 1

@dg.op
def breaks():
    raise Exception("boom")

@dg.job
def broken():
    breaks()

@dg.op
def works():
    return 1

@dg.job
def working():
    works()

@dg.op
def sleeps():
    time.sleep(600)

@dg.job
def sleeping():
    sleeps()

defs = dg.Definitions(assets=[orders, customers], jobs=[broken, working, sleeping])
"""
# One failed, two good runs, and one that runs until it is killed.
SEED = """
import dagster as dg
import repository

instance = dg.DagsterInstance.get()
repository.defs.get_job_def("broken").execute_in_process(instance=instance, raise_on_error=False)
repository.defs.get_job_def("working").execute_in_process(instance=instance)
dg.materialize([repository.orders], instance=instance)
open("seeded", "w").close()
repository.defs.get_job_def("sleeping").execute_in_process(instance=instance)
"""
WORKSPACE = """
load_from:
  - python_file: {relative_path: repository.py, location_name: good}
  - python_file: {relative_path: unloadable.py, location_name: bad}
"""
# Nothing leaves the queue, so a run that is launched stays queued.
INSTANCE = "telemetry: {enabled: false}\nrun_queue: {max_concurrent_runs: 0}\n"
LAUNCH = """
mutation { launchRun(executionParams: {runConfigData: {}, selector: {
  repositoryLocationName: "good", repositoryName: "__repository__", jobName: "working"}}) { __typename } }
"""


class Instance:
    """A scratch Dagster: its folder, its port, and its processes by name."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.processes: dict[str, subprocess.Popen] = {}
        for name, text in {
            "repository.py": REPOSITORY,
            "unloadable.py": "raise ImportError('no such thing')",
            "workspace.yaml": WORKSPACE,
            "seed.py": SEED,
        }.items():
            (folder / name).write_text(text)
        (folder / "home").mkdir()
        (folder / "home" / "dagster.yaml").write_text(INSTANCE)

    def start(self, name: str, *argv: str) -> None:
        log = (self.folder / f"{name}.log").open("wb")
        environment = os.environ | {"DAGSTER_HOME": str(self.folder / "home")}
        self.processes[name] = subprocess.Popen(
            argv, cwd=self.folder, env=environment, stdout=log, stderr=log, start_new_session=True
        )
        log.close()

    def kill(self, name: str) -> None:
        process = self.processes.pop(name)
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def ask(self, query: str):
        url, body = f"http://127.0.0.1:{self.port}/graphql", json.dumps({"query": query}).encode()
        request = urllib.request.Request(url, body, {"Content-Type": "application/json"})
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)["data"]

    def wait_for(self, what) -> None:
        for _ in range(600):
            try:
                if what():
                    return
            except OSError:
                pass
            time.sleep(0.2)
        logs = {path.name: path.read_text()[-2000:] for path in self.folder.glob("*.log")}
        raise AssertionError(f"Dagster did not come up: {logs}")

    def daemons(self) -> list[bool]:
        found = self.ask("{instance {daemonHealth {allDaemonStatuses {required healthy}}}}")
        statuses = found["instance"]["daemonHealth"]["allDaemonStatuses"]
        return [status["healthy"] for status in statuses if status["required"]]


@pytest.fixture(scope="module")
def instance(tmp_path_factory):
    made = Instance(tmp_path_factory.mktemp("dagster"))
    try:
        # The seed opens the instance first: two processes initialising an empty home can race.
        made.start("seed", sys.executable, "seed.py")
        made.wait_for((made.folder / "seeded").exists)
        made.start("webserver", str(BIN / "dagster-webserver"), "-p", str(made.port), "-w", "workspace.yaml")
        made.wait_for(lambda: not any(made.daemons()))
        made.start("daemon", str(BIN / "dagster-daemon"), "run", "-w", "workspace.yaml")
        made.wait_for(lambda: all(made.daemons()))
        assert made.ask(LAUNCH)["launchRun"]["__typename"] == "LaunchRunSuccess"
        running = "{runsOrError(filter: {statuses: [STARTED]}) {... on Runs {count}}}"
        made.wait_for(lambda: made.ask(running)["runsOrError"]["count"] == 1)
        yield made
    finally:
        for name in list(made.processes):
            made.kill(name)


def check(port: int, **fields) -> DagsterCheck:
    return DagsterCheck(kind="dagster", url=f"http://127.0.0.1:{port}", **fields)


def failed(found: DagsterCheck, values) -> list[str]:
    return [c.evaluate(values).text for c in found.critical_conditions() if c.holds(values) is not True]


async def test_daemons_and_code_locations(instance, context):
    found = check(instance.port)
    probe = await found.probe(context)
    assert probe.values["daemons_healthy"] is True
    assert probe.values["unhealthy_daemons"] == []
    assert probe.values["code_locations_loaded"] is False
    assert probe.values["response_time_ms"] > 0
    assert failed(found, probe.values) == ['broken_locations (["bad"]) == []']
    assert "no such thing" in probe.details["location_errors"]["bad"]


async def test_runs(instance, context):
    values = (await check(instance.port).probe(context)).values
    assert (values["failed_runs"], values["succeeded_runs"], values["run_count"]) == (1, 2, 3)
    assert values["success_rate"] == pytest.approx(66.67, abs=0.01)
    assert (values["running_runs"], values["queued_runs"]) == (1, 1)
    assert values["longest_running_s"] >= 0
    assert values["oldest_queued_s"] >= 0


async def test_runs_of_one_job_and_of_the_window(instance, context):
    values = (await check(instance.port, job="broken").probe(context)).values
    assert (values["failed_runs"], values["succeeded_runs"], values["queued_runs"]) == (1, 0, 0)
    assert values["success_rate"] == 0
    later = dataclasses.replace(context, now=context.now + timedelta(hours=2))
    values = (await check(instance.port).probe(later)).values
    assert values["run_count"] == 0
    assert "success_rate" not in values
    assert values["oldest_queued_s"] > 7000
    assert values["longest_running_s"] > 7000
    assert (await check(instance.port, window="3h").probe(later)).values["failed_runs"] == 1


async def test_freshness_of_assets(instance, context):
    fresh = (await check(instance.port, assets={"raw/orders": "1h"}).probe(context)).values
    assert (fresh["assets_fresh"], fresh["stale_assets"]) == (True, [])
    assert 0 <= fresh["stalest_age_s"] < 3600
    later = dataclasses.replace(context, now=context.now + timedelta(hours=2))
    found = check(instance.port, assets={"raw/orders": "1h", "customers": "1d", "nowhere": "1d"})
    stale = (await found.probe(later)).values
    assert stale["stale_assets"] == ["customers", "nowhere", "raw/orders"]
    assert 'stale_assets (["customers", "nowhere", "raw/orders"]) == []' in failed(found, stale)


async def test_the_address_may_name_graphql(instance, context):
    found = DagsterCheck(kind="dagster", url=f"http://127.0.0.1:{instance.port}/graphql/")
    assert (await found.probe(context)).values["daemons_healthy"] is True


async def test_dies_in_the_middle_of_its_answer(instance, context):
    async with dying_front(instance.port, after=400) as port:
        with pytest.raises(SourceFailure):
            await check(port).probe(context)


async def test_a_query_it_does_not_know_is_told(instance, context, monkeypatch):
    monkeypatch.setattr("monitoring_pipeline.checks.kinds.dagster._QUERY", "query Health { noSuchField }")
    with pytest.raises(SourceFailure, match=r"could not answer: .*noSuchField"):
        await check(instance.port).probe(context)


async def test_a_dead_daemon_is_named(instance, context):
    """Last of those that use the instance: its daemon does not come back."""
    instance.kill("daemon")
    assert all(instance.daemons()), "Dagster itself does not notice for half an hour"
    found = check(instance.port)
    later = dataclasses.replace(context, now=context.now + timedelta(minutes=6))
    values = (await found.probe(later)).values
    assert values["daemons_healthy"] is False
    assert 350 < values["heartbeat_age_s"] < 1800
    assert "SCHEDULER" in values["unhealthy_daemons"]
    assert any('"SCHEDULER"' in text for text in failed(found, values))


async def test_refused(context):
    port = free_port()
    with pytest.raises(SourceFailure, match=f"^connection refused by 127.0.0.1:{port}$"):
        await check(port).probe(context)


async def test_another_web_server(context):
    answer = b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nnope\n"
    async with garbage(answer) as port:
        with pytest.raises(SourceFailure, match="is no Dagster webserver: it answered HTTP 404"):
            await check(port).probe(context)


async def test_json_of_another_shape(context):
    body = b'{"data": {"version": "9", "instance": null}}'
    async with garbage(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%b" % (len(body), body)) as port:
        with pytest.raises(SourceFailure, match="gave an answer that is not understood"):
            await check(port).probe(context)


async def test_access_denied(context):
    async with garbage(b"HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n") as port:
        with pytest.raises(SourceFailure, match=r"denied us access \(HTTP 401\)"):
            await check(port, headers={"Dagster-Cloud-Api-Token": "t0ken"}).probe(context)


async def test_another_protocol(context):
    async with garbage(b"SSH-2.0-OpenSSH_9.0\r\n") as port:
        with pytest.raises(SourceFailure):
            await check(port).probe(context)


async def test_hangs_up_without_a_word(context):
    async with hanging_up() as port:
        with pytest.raises(SourceFailure):
            await check(port).probe(context)


async def test_a_silent_server_is_left_to_the_time_limit(context):
    async with silent() as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await check(port).probe(context)


async def test_a_forbidden_network_is_not_touched(context):
    context.clients.denied.add("127.0.0.1")
    with pytest.raises(NetworkDenied):
        await check(free_port()).probe(context)


def test_secrets_do_not_belong_into_the_url():
    with pytest.raises(ValidationError, match="use headers"):
        DagsterCheck(kind="dagster", url="https://me:secret@example.com")
    assert "t0ken" not in repr(check(1, headers={"Token": "t0ken"}))
