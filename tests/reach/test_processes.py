"""Child processes stay within their bounds and leave nothing behind."""

import asyncio
import os
import signal
import sys
from pathlib import Path

import psutil
import pytest

from monitoring_pipeline.reach.processes import describe_exit, run_bounded


def python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def gone(pid: int) -> bool:
    """Whether the process disappears (a zombie that awaits its reaper counts as gone)."""
    for _ in range(200):
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
        except FileNotFoundError:
            return True
        await asyncio.sleep(0.05)
    return False


async def read_number(path) -> int:
    while not (path.exists() and path.read_text().strip()):
        await asyncio.sleep(0.02)
    return int(path.read_text())


async def test_both_outputs_the_code_and_the_input_pass_through():
    code = "import sys; print(sys.stdin.read()[::-1]); print('bad', file=sys.stderr); sys.exit(7)"
    finished = await run_bounded(python(code), stdin=b"abc")
    assert finished.exit_code == 7
    assert finished.stdout == b"cba\n"
    assert finished.stderr == b"bad\n"
    assert not finished.cut
    assert not finished.flooded
    assert finished.duration_ms > 0


async def test_output_beyond_the_limit_is_drained_and_dropped():
    code = "import sys; sys.stdout.write('x' * 3_000_000); sys.exit(4)"
    finished = await run_bounded(python(code), max_output=1000)
    assert finished.exit_code == 4, "it must be able to finish writing"
    assert finished.stdout == b"x" * 1000
    assert finished.cut


async def test_a_flood_without_end_is_killed():
    finished = await run_bounded(["yes"], max_output=10)
    assert finished.flooded
    assert finished.exit_code == -signal.SIGKILL
    assert finished.stdout == b"y\ny\ny\ny\ny\n"


async def test_cancelling_kills_the_whole_group(tmp_path):
    script = f"sleep 600 & echo $! > {tmp_path / 'grandchild'}; echo $$ > {tmp_path / 'child'}; wait"
    task = asyncio.create_task(run_bounded(["sh", "-c", script]))
    child, grandchild = await read_number(tmp_path / "child"), await read_number(tmp_path / "grandchild")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(child)
    assert await gone(grandchild)


async def test_a_child_that_ignores_signals_is_killed_too(tmp_path):
    code = f"""
import os, signal, time
for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(number, signal.SIG_IGN)
open({str(tmp_path / "child")!r}, "w").write(str(os.getpid()))
time.sleep(600)
"""
    task = asyncio.create_task(run_bounded(python(code)))
    child = await read_number(tmp_path / "child")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await gone(child)


async def test_what_a_child_leaves_running_is_killed_when_it_ends(tmp_path):
    pid_file = tmp_path / "left"
    finished = await run_bounded(["sh", "-c", f"sleep 600 & echo $! > {pid_file}; echo done"])
    assert finished.stdout == b"done\n"
    assert await gone(int(pid_file.read_text()))


async def test_an_escaped_grandchild_holding_the_pipes_does_not_hold_us(tmp_path):
    pid_file = tmp_path / "escaped"
    code = f"""
import subprocess
child = subprocess.Popen(["sleep", "600"], start_new_session=True)
open({str(pid_file)!r}, "w").write(str(child.pid))
print("done", flush=True)
"""
    async with asyncio.timeout(60):
        finished = await run_bounded(python(code))
    os.kill(int(pid_file.read_text()), signal.SIGKILL)
    assert finished.stdout == b"done\n"


async def test_the_answer_comes_by_a_descriptor_of_its_own():
    code = "import os, sys; print('noise'); os.write(int(sys.argv[1]), b'42')"
    finished = await run_bounded([*python(code), "{answer_fd}"], answer_limit=100)
    assert finished.answer == b"42"
    assert finished.stdout == b"noise\n"


async def test_too_long_an_answer_is_no_answer():
    code = "import os, sys; os.write(int(sys.argv[1]), b'4' * 200)"
    finished = await run_bounded([*python(code), "{answer_fd}"], answer_limit=100)
    assert finished.answer is None


async def test_a_child_that_never_reads_its_input_does_not_block():
    finished = await run_bounded(["true"], stdin=b"x" * 5_000_000)
    assert finished.exit_code == 0


async def test_a_program_that_is_not_there_raises_and_leaks_nothing():
    before = descriptors()
    with pytest.raises(FileNotFoundError):
        await run_bounded(["/nowhere/program"], answer_limit=10)
    assert descriptors() <= before


async def test_no_descriptor_and_no_zombie_is_left():
    await run_bounded(["true"])
    before, others = descriptors(), psutil.Process().children()  # servers of other tests may be among these
    await asyncio.gather(*(run_bounded(["echo", str(n)], answer_limit=10) for n in range(20)))
    await asyncio.sleep(0)
    assert descriptors() <= before
    assert set(psutil.Process().children()) - set(others) == set()  # a zombie would be one


async def test_it_works_without_pidfd(monkeypatch):
    monkeypatch.delattr(os, "pidfd_open")
    finished = await run_bounded(["sh", "-c", "echo hi; exit 3"])
    assert (finished.exit_code, finished.stdout) == (3, b"hi\n")


def test_it_works_on_uvloop():
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        finished = runner.run(run_bounded(["sh", "-c", "echo hi; kill -SEGV $$"]))
    assert finished.stdout == b"hi\n"
    assert describe_exit(finished.exit_code) == "signal SIGSEGV"


def test_exits_are_described_in_words():
    assert describe_exit(3) == "exit code 3"
    assert describe_exit(-9) == "signal SIGKILL"
    assert describe_exit(-250) == "signal 250"
