"""The `file` kind."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.file import FileCheck
from monitoring_pipeline.errors import CheckError
from tests.reach.test_files import as_nobody, public_folder  # noqa: F401 - a fixture


def file(path: Path | str, **fields: Any) -> FileCheck:
    return FileCheck(kind="file", path=str(path), **fields)


def aged(path: Path, context: ProbeContext, seconds: float, content: str = "x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    moment = context.now.timestamp() - seconds
    os.utime(path, (moment, moment))
    return path


async def test_one_file(tmp_path: Path, context: ProbeContext) -> None:
    path = aged(tmp_path / "in.csv", context, 90, "hello")
    path.chmod(0o640)
    probe = await file(path).probe(context)
    assert probe.values["found"] is True
    assert (probe.values["count"], probe.values["size"], probe.values["mode"]) == (1, 5, "0640")
    assert probe.values["age_s"] == pytest.approx(90, abs=0.001)
    assert probe.values["response_time_ms"] > 0
    assert probe.details == {"path": str(path), "newest": str(path)}


async def test_many_files(tmp_path: Path, context: ProbeContext) -> None:
    aged(tmp_path / "a.csv", context, 10, "1")
    aged(tmp_path / "sub" / "b.csv", context, 100, "1234")
    aged(tmp_path / "sub" / "c.log", context, 1)
    probe = await file(tmp_path / "**" / "*.csv").probe(context)
    values = dict(probe.values)
    assert values.pop("response_time_ms") > 0
    assert values.pop("newest_age_s") == pytest.approx(10, abs=0.001)
    assert values.pop("oldest_age_s") == pytest.approx(100, abs=0.001)
    expected = {"count": 2, "bytes_total": 5, "largest_bytes": 4, "smallest_bytes": 1}
    assert values == {"found": True, "truncated": False, **expected}
    assert probe.details["newest"].endswith("a.csv")


async def test_nothing_there_is_critical_by_default(tmp_path: Path, context: ProbeContext) -> None:
    check = file(tmp_path / "*.csv")
    values = (await check.probe(context)).values
    assert (values["found"], values["count"], values["bytes_total"]) == (False, 0, 0)
    assert "newest_age_s" not in values
    assert [condition.holds(values) for condition in check.critical_conditions()] == [False]


async def test_a_file_that_must_not_be_there(tmp_path: Path, context: ProbeContext) -> None:
    check = file(tmp_path / "failed" / "*", conditions=["count == 0"])
    assert check.critical_conditions()[0].holds((await check.probe(context)).values) is True
    aged(tmp_path / "failed" / "order-17.json", context, 0)
    assert check.critical_conditions()[0].holds((await check.probe(context)).values) is False


async def test_what_may_not_be_read_is_unknown(public_folder: Path, context: ProbeContext) -> None:  # noqa: F811
    closed = public_folder / "closed"
    aged(closed / "a.csv", context, 0)
    closed.chmod(0)
    with as_nobody(), pytest.raises(CheckError, match="no permission"):
        await file(closed / "*.csv").probe(context)
    closed.chmod(0o700)


async def test_the_bound_is_told(tmp_path: Path, context: ProbeContext) -> None:
    for number in range(5):
        aged(tmp_path / f"{number}.csv", context, 0)
    values = (await file(tmp_path / "*.csv", max_files=3).probe(context)).values
    assert (values["count"], values["truncated"]) == (3, True)


async def test_a_pipe_is_not_opened(tmp_path: Path, context: ProbeContext) -> None:
    os.mkfifo(tmp_path / "pipe")
    async with asyncio.timeout(30):
        values = (await file(tmp_path / "pipe").probe(context)).values
    assert values["found"] is True


def test_a_wrong_path_is_refused() -> None:
    for path in ("", "a\0b"):
        with pytest.raises(ValidationError):
            file(path)
