"""`command` against real programs: good, bad, flooding, hanging, missing."""

import asyncio
import dataclasses
import sys
from pathlib import Path

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.kinds.command import CommandCheck
from monitoring_pipeline.errors import CheckError, SourceFailure


@pytest.fixture
def allowed(context):
    return dataclasses.replace(context, allow_commands=True)


def command(*argv: str, **fields) -> CommandCheck:
    return CommandCheck(kind="command", argv=argv, **fields)


def python(code: str, **fields) -> CommandCheck:
    return command(sys.executable, "-c", code, **fields)


async def test_it_is_off_unless_allowed(context):
    with pytest.raises(CheckError, match=r"execution\.allow_commands"):
        await command("true").probe(context)


async def test_exit_code_outputs_and_time(allowed):
    check = command("sh", "-c", "echo fine; echo worse >&2; exit 3")
    probe = await check.probe(allowed)
    assert probe.values["exit_code"] == 3
    assert probe.values["stdout"] == "fine\n"
    assert probe.values["stderr"] == "worse\n"
    assert probe.values["response_time_ms"] > 0
    assert "json" not in probe.values
    assert check.critical_conditions()[0].evaluate(probe.values).text == "exit_code (3) == 0"


async def test_json_output_can_be_used_in_conditions(allowed):
    check = command("echo", '{"items": [{"age": 3}]}', conditions=["json.items[0].age < 3"])
    probe = await check.probe(allowed)
    verdict = check.critical_conditions()[0].evaluate(probe.values)
    assert verdict.holds is False


async def test_no_shell_reads_the_arguments(allowed):
    probe = await command("echo", "$HOME; `id`").probe(allowed)
    assert probe.values["stdout"] == "$HOME; `id`\n"


async def test_only_named_variables_reach_the_program(allowed, monkeypatch):
    monkeypatch.setenv("OUR_DATABASE_PASSWORD", "do-not-pass")
    check = command("env", env={"TOKEN": "s3cret"})
    probe = await check.probe(allowed)
    assert "TOKEN=s3cret\n" in probe.values["stdout"]
    assert "PATH=" in probe.values["stdout"]
    assert "do-not-pass" not in probe.values["stdout"]
    assert "s3cret" not in repr(check) + check.model_dump_json()


async def test_cwd_lies_beside_the_configuration(allowed, tmp_path):
    (tmp_path / "jobs").mkdir()
    fields = {"kind": "command", "argv": ["pwd"], "cwd": "jobs"}
    check = CommandCheck.model_validate(fields, context={"folder": tmp_path})
    probe = await check.probe(allowed)
    assert probe.values["stdout"].strip() == str((tmp_path / "jobs").resolve())


async def test_long_output_is_cut_and_said_so(allowed):
    probe = await python("print('x' * 100_000)", max_output=1000).probe(allowed)
    assert probe.values["stdout"] == "x" * 1000
    assert probe.values["exit_code"] == 0
    assert "max_output" in probe.warnings[0]


async def test_endless_output_is_an_error_of_the_check(allowed):
    with pytest.raises(CheckError, match="'yes' wrote without end"):
        await command("yes").probe(allowed)


async def test_a_hanging_program_is_killed_with_the_probe(allowed, tmp_path):
    pid_file = tmp_path / "pid"
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(3):
            await command("sh", "-c", f"echo $$ > {pid_file}; sleep 600").probe(allowed)
    pid = int(pid_file.read_text())
    state = ""
    for _ in range(200):
        try:
            state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
        except FileNotFoundError:
            state = "gone"
        if state in ("Z", "gone"):
            break
        await asyncio.sleep(0.02)
    assert state in ("Z", "gone")
    assert CommandCheck.timeout_is_failure is False


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"argv": ["/no/such/program"]}, "there is no program '/no/such/program'"),
        ({"argv": ["true"], "cwd": "/no/such/folder"}, "there is no folder '/no/such/folder'"),
        ({"argv": ["/etc/passwd"]}, "'/etc/passwd' cannot be started: Permission denied"),
        ({"argv": ["echo", "a\0b"]}, "cannot be started"),
    ],
)
async def test_what_cannot_be_started_says_why(allowed, fields, message):
    with pytest.raises(CheckError, match=message):
        await CommandCheck(kind="command", **fields).probe(allowed)


async def test_a_program_killed_by_a_signal_is_a_finding(allowed):
    check = command("sh", "-c", "kill -TERM $$")
    probe = await check.probe(allowed)
    assert probe.values["exit_code"] == -15
    assert check.critical_conditions()[0].holds(probe.values) is False


def nagios(code: int, text: str) -> CommandCheck:
    return command("sh", "-c", f"echo '{text}'; exit {code}", nagios=True)


async def test_nagios_exit_codes(allowed):
    fine = await nagios(0, "OK - all good").probe(allowed)
    assert nagios(0, "").warning_conditions()[0].holds(fine.values) is True
    assert nagios(0, "").critical_conditions() == ()
    warned = await nagios(1, "WARNING - slow").probe(allowed)
    assert nagios(1, "").warning_conditions()[0].holds(warned.values) is False
    assert warned.details["output"] == "WARNING - slow"
    with pytest.raises(SourceFailure, match="CRITICAL - disk full"):
        await nagios(2, "CRITICAL - disk full").probe(allowed)
    with pytest.raises(CheckError, match="UNKNOWN - no idea"):
        await nagios(3, "UNKNOWN - no idea").probe(allowed)
    with pytest.raises(CheckError, match="exit code 127"):
        await nagios(127, "").probe(allowed)


def test_a_program_must_be_named():
    with pytest.raises(ValidationError, match="argv"):
        CommandCheck(kind="command", argv=[])
