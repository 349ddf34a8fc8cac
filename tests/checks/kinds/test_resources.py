"""The `resources` kind on the machine that runs the tests."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.resources import ResourcesCheck
from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.records import CheckType


def resources(**fields: Any) -> ResourcesCheck:
    return ResourcesCheck(kind="resources", **fields)


def texts(conditions: Any) -> set[str]:
    return {condition.text for condition in conditions}


async def test_what_is_watched_by_default(context: ProbeContext) -> None:
    check = resources()
    values = (await check.probe(context)).values
    assert values.keys() == {
        "cpu_percent", "cores", "memory_percent", "memory_available_bytes", "swap_percent",
        "disk_percent", "disk_free_bytes", "disk_inodes_percent", "load1", "load5", "load15", "load_per_core",
    }  # fmt: skip
    for name, value in values.items():
        assert value >= 0
        assert not name.endswith("_percent") or value <= 100
    assert values["cores"] == os.cpu_count()
    assert check.type is CheckType.CAPACITY
    assert check.remote is False


async def test_everything(context: ProbeContext) -> None:
    groups = ("cpu", "memory", "disk", "io", "network", "load", "files", "process")
    values = (await resources(watch=groups).probe(context)).values
    names = {"net_sent_bytes_s", "net_recv_bytes_s", "open_files", "open_files_percent", "processes"}
    assert names <= values.keys()
    assert values["open_files"] > 0
    assert values["processes"] > 1


async def test_no_condition_ever_misses_its_value(context: ProbeContext) -> None:
    for fields in ({}, {"watch": ["memory"]}, {"watch": ["load"], "path": "/"}, {"watch": ["cpu"], "process": "nope"}):
        check = resources(**fields)
        values = (await check.probe(context)).values
        conditions = check.critical_conditions() + check.warning_conditions()
        assert conditions
        assert all(condition.holds(values) is not None for condition in conditions)


def test_defaults_follow_what_is_watched() -> None:
    assert texts(resources().critical_conditions()) == {"memory_percent < 97", "disk_percent < 95"}
    assert len(resources().warning_conditions()) == 3
    assert texts(resources(watch=["memory"]).critical_conditions()) == {"memory_percent < 97"}
    assert texts(resources(watch=["network"]).critical_conditions()) == set()
    assert texts(resources(watch=["load"], process="nginx").critical_conditions()) == {"process_running == true"}
    own = resources(watch=["load"], conditions=["cpu_percent < 50"])
    assert texts(own.critical_conditions()) == {"cpu_percent < 50"}
    assert own.warning_conditions() == ()
    limited = resources(watch=["disk"], thresholds={"disk_percent": {"operator": "<", "critical": 70}})
    assert len(limited.critical_conditions()) == 1
    assert limited.warning_conditions() == ()


async def test_cpu_is_really_measured(context: ProbeContext) -> None:
    stop = time.monotonic() + 60
    command = "import time,sys\nend=time.monotonic()+60\nwhile time.monotonic()<end: pass"
    workers = [subprocess.Popen([sys.executable, "-c", command]) for _ in range(os.cpu_count() or 1)]
    try:
        busiest = 0.0
        while busiest < 80 and time.monotonic() < stop:
            busiest = max(busiest, (await resources(watch=["cpu"]).probe(context)).values["cpu_percent"])
            await asyncio.sleep(0.3)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    assert busiest >= 80


async def test_rates_span_the_time_since_the_probe_before(tmp_path: Path, context: ProbeContext) -> None:
    check = resources(watch=["io"])
    first = (await check.probe(context)).values
    if "disk_write_bytes_s" not in first:
        pytest.skip("this machine tells nothing about its disks")
    last = await context.clients.get(f"resources {context.key}", None)
    assert last.counters is not None
    begun = last.counters
    await asyncio.sleep(0.3)
    await check.probe(context)
    assert last.counters.at - begun.at >= 0.3


async def test_each_file_system_is_a_metric_of_its_own(context: ProbeContext) -> None:
    probe = await resources(watch=["disk"]).probe(context)
    percents = {m.tags["mount"]: m.value for m in probe.measures if m.metric == "disk_percent"}
    assert percents
    assert probe.values["disk_percent"] == max(percents.values())
    assert probe.details["fullest"] in percents
    assert len([m for m in probe.measures if m.metric == "disk_free_bytes"]) == len(percents)


async def test_one_file_system(tmp_path: Path, context: ProbeContext) -> None:
    probe = await resources(watch=["load"], path=str(tmp_path)).probe(context)
    assert [m.tags["mount"] for m in probe.measures] == [str(tmp_path)] * 2
    free = shutil.disk_usage(tmp_path).free
    assert probe.values["disk_free_bytes"] == pytest.approx(free, rel=0.2)


async def test_a_mount_that_is_gone(tmp_path: Path, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match=r"backup cannot be looked at: No such file"):
        await resources(path=str(tmp_path / "backup")).probe(context)


async def test_a_named_program(tmp_path: Path, context: ProbeContext) -> None:
    script = tmp_path / "order-importer"
    script.write_text("import time\nwhile True: time.sleep(0.01)\n")
    check = resources(watch=["load"], process="order-importer")
    before = await check.probe(context)
    assert (before.values["process_running"], before.values["process_count"]) == (False, 0)
    assert [condition.holds(before.values) for condition in check.critical_conditions()] == [False]
    with subprocess.Popen([sys.executable, str(script)]) as running:
        try:
            values = await _until_running(check, context)
        finally:
            running.kill()
    assert (values["process_running"], values["process_count"]) == (True, 1)
    assert values["process_memory_mb"] > 1
    assert values["process_open_files"] >= 3
    assert values["process_cpu_percent"] >= 0
    assert (await check.probe(context)).values["process_running"] is False


async def _until_running(check: ResourcesCheck, context: ProbeContext) -> Any:
    for _ in range(200):
        probe = await check.probe(context)
        if probe.values["process_running"] and "process_cpu_percent" in probe.values:
            assert probe.details["pids"]
            return probe.values
        await asyncio.sleep(0.05)
    raise AssertionError("the program was never seen")


async def test_a_file_of_that_name_on_a_command_line_is_no_program(tmp_path: Path, context: ProbeContext) -> None:
    target = tmp_path / "order-exporter"
    target.touch()
    with subprocess.Popen(["tail", "-f", str(target)]) as running:
        try:
            found = await resources(process="order-exporter").probe(context)
            tail = await resources(process="tail").probe(context)
        finally:
            running.kill()
    assert found.values["process_running"] is False
    assert tail.values["process_running"] is True


async def test_a_zombie_does_not_run(tmp_path: Path, context: ProbeContext) -> None:
    program = tmp_path / "dead-importer"
    shutil.copy("/bin/true", program)
    child = subprocess.Popen([program])
    try:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert (await resources(process="dead-importer").probe(context)).values["process_running"] is False
    finally:
        child.wait()


@pytest.mark.parametrize("fields", [{"watch": []}, {"watch": ["gpu"]}, {"process": ""}])
def test_wrong_settings_are_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        resources(**fields)
