"""`python` calling real functions in real processes, most of them badly behaved."""

import asyncio
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.python import PythonCheck
from monitoring_pipeline.errors import CheckError, SourceFailure

PROBES = """
import datetime, decimal, os, sys, time
from monitoring_pipeline.errors import SourceFailure

def fine(): return True
def bad(): return False
def number(by=1): return 41 + by
def mapping(): return {"rows": 12, "share": decimal.Decimal("0.5"), "at": datetime.date(2024, 2, 3), "name": "orders"}
async def later(): return {"rows": 3}
def nothing(): return None
def failing(): raise SourceFailure("orders is 3 days old", values={"age_days": 3})
def raising(): raise ValueError("no such table")
def exiting(): sys.exit(3)
def vanishing(): os._exit(9)
def crashing():
    import ctypes
    ctypes.string_at(0)
def printing():
    for _ in range(10_000):
        print("x" * 1000)
    return True
def flooding():
    while True:
        print("x" * 100_000)
def hungry(): return len(bytearray(4_000_000_000)) > 0
def huge(): return {"text": "x" * 3_000_000}
def lingering():
    import threading
    threading.Thread(target=time.sleep, args=(600,)).start()
    return True
def hanging(pid_file):
    open(pid_file, "w").write(str(os.getpid()))
    time.sleep(600)

class Group:
    @staticmethod
    def member(): return 5
"""


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "my_probes.py").write_text(PROBES)
    return tmp_path


@pytest.fixture
def call(folder, context):
    async def run(name: str, **fields):
        return await PythonCheck(kind="python", call=f"my_probes:{name}", path=[folder], **fields).probe(context)

    return run


async def test_a_bool_decides(call):
    check = PythonCheck(kind="python", call="x:y")
    assert check.critical_conditions()[0].holds((await call("fine")).values) is True
    assert check.critical_conditions()[0].holds((await call("bad")).values) is False


async def test_a_number_with_arguments(call):
    probe = await call("number", args={"by": 2})
    assert probe.values["value"] == 43
    assert probe.values["ok"] is True
    assert probe.values["response_time_ms"] > 0
    assert not probe.measures, "value is a metric of the kind already"


async def test_a_mapping_gives_values_and_its_numbers_become_samples(call):
    probe = await call("mapping")
    assert {name: probe.values[name] for name in ("rows", "share", "at", "name")} == {
        "rows": 12,
        "share": 0.5,
        "at": "2024-02-03",
        "name": "orders",
    }
    assert {measure.metric: measure.value for measure in probe.measures} == {"rows": 12.0, "share": 0.5}


async def test_coroutines_and_attributes_can_be_called(call):
    assert (await call("later")).values["rows"] == 3
    assert (await call("Group.member")).values["value"] == 5


async def test_source_failure_inside_is_a_finding(call):
    with pytest.raises(SourceFailure, match="orders is 3 days old") as caught:
        await call("failing")
    assert caught.value.values["age_days"] == 3


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nothing", "returned NoneType; return a bool, a number or a mapping"),
        ("raising", "raised ValueError: no such table"),
        ("exiting", r"called sys.exit\(3\)"),
        ("vanishing", "ended its process with exit code 9"),
        ("crashing", "ended its process with signal SIGSEGV"),
        ("flooding", "printed without end"),
        ("huge", "returned more than 1024 KiB"),
        ("not_there", "my_probes has no 'not_there'"),
    ],
)
async def test_misbehaving_callables_stop_only_themselves(call, name, message):
    with pytest.raises(CheckError, match=message):
        await call(name)


async def test_memory_is_bounded(call):
    with pytest.raises(CheckError, match="memory"):
        await call("hungry", memory_mb=512)


async def test_prints_and_leftover_threads_do_not_disturb(call):
    assert (await call("printing")).values["ok"] is True
    assert (await call("lingering")).values["ok"] is True


async def test_an_unknown_module_says_what_to_do(context):
    with pytest.raises(CheckError, match="there is no module 'no_such_module'; name its folder in `path`"):
        await PythonCheck(kind="python", call="no_such_module:run").probe(context)


async def test_path_lies_beside_the_configuration(folder, context):
    fields = {"kind": "python", "call": "my_probes:fine", "path": ["."]}
    check = PythonCheck.model_validate(fields, context={"folder": folder})
    assert (await check.probe(context)).values["ok"] is True


def ended(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


async def read_pid(path) -> int:
    while not (path.exists() and path.read_text()):
        await asyncio.sleep(0.02)
    return int(path.read_text())


async def test_a_hanging_call_is_killed_with_the_probe(call, tmp_path):
    task = asyncio.create_task(call("hanging", args={"pid_file": str(tmp_path / "pid")}))
    pid = await read_pid(tmp_path / "pid")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    while not ended(pid):
        await asyncio.sleep(0.02)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ties a child to its parent")
async def test_a_hanging_call_dies_with_a_killed_run(folder, tmp_path):
    code = f"""
import asyncio
from monitoring_pipeline.checks.kinds.python import PythonCheck
asyncio.run(PythonCheck(kind="python", call="my_probes:hanging", path=[{str(folder)!r}],
                        args={{"pid_file": {str(tmp_path / "pid")!r}}}).probe(None))
"""
    run = subprocess.Popen([sys.executable, "-c", code])
    pid = await read_pid(tmp_path / "pid")
    os.kill(run.pid, signal.SIGKILL)
    run.wait()
    while not ended(pid):
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("call", ["no_function", "a:b:c", "os;x:y", ":x", "a.b:"])
def test_call_has_one_form(call):
    with pytest.raises(ValidationError, match="call"):
        PythonCheck(kind="python", call=call)
