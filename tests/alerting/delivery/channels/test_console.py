"""The console channel: whole lines on standard error or in a file."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.delivery.channels.console import ConsoleChannel
from monitoring_pipeline.alerting.message import Kind, Message
from tests.alerting.delivery.channels.messages import STRANGE, alert, message
from tests.alerting.delivery.channels.receiver import sending

LINE = (
    "2026-03-01 12:00:00 UTC [CRITICAL] Orders API: response_time_ms (812) > 300. Since 2026-03-01 11:58 UTC."
    " https://monitoring.example.com/alerts/7/acknowledge?token=t0k&x=1\n"
)


async def write(told: Message | None = None, **fields: Any) -> None:
    async with sending() as context:
        await ConsoleChannel(kind="console", **fields).send(told or message(), context)


async def test_a_line_on_standard_error(capsys: pytest.CaptureFixture[str]) -> None:
    await write()
    assert capsys.readouterr() == ("", LINE)


async def test_lines_at_the_end_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    path.write_text("before\n")
    await write(path=path)
    await write(path=path)
    assert path.read_text() == "before\n" + 2 * LINE


async def test_a_new_file_is_not_for_everybody(tmp_path: Path) -> None:
    await write(path=tmp_path / "alerts.log")
    assert (tmp_path / "alerts.log").stat().st_mode & 0o007 == 0


async def test_the_message_as_json(tmp_path: Path) -> None:
    await write(path=tmp_path / "alerts.jsonl", format="json")
    text = (tmp_path / "alerts.jsonl").read_text()
    assert text.count("\n") == 1
    assert Message.model_validate_json(text) == message()
    assert json.loads(text)["alerts"][0]["source"] == "orders-api"


async def test_many_at_once_do_not_mix(tmp_path: Path) -> None:
    path = tmp_path / "alerts.log"
    await asyncio.gather(*(write(message(title=f"{n} " + "x" * 150), path=path, format="json") for n in range(40)))
    titles = [json.loads(line)["title"] for line in path.read_text().splitlines()]
    assert sorted(int(title.split()[0]) for title in titles) == list(range(40))


@pytest.mark.parametrize("format", ["line", "json"])
async def test_what_others_wrote_stays_on_its_line(tmp_path: Path, format: str) -> None:  # noqa: A002
    path = tmp_path / "alerts.log"
    odd = f"\x1b[2J\x1b]0;x\x07\r\n {STRANGE} \ud800"
    await write(message(Kind.FIRING, alert(summary=odd), title=odd, note=odd), path=path, format="line")
    text = path.read_text()
    assert text.count("\n") == 1
    assert text.rstrip("\n").isprintable()


async def test_a_line_of_the_users_own(tmp_path: Path) -> None:
    await write(path=tmp_path / "a", templates={"line": "{{ message.kind }}\n{{ alert.source }}"})
    assert (tmp_path / "a").read_text() == "firing orders-api\n"


@pytest.mark.parametrize(
    ("name", "reason"),
    [("no/alerts.log", "No such file"), ("", "Is a directory"), ("file/alerts.log", "Not a directory")],
)
async def test_a_path_that_can_never_be_written_is_a_clear_error(tmp_path: Path, name: str, reason: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(Undelivered, match=f"cannot be written: {reason}") as failed:
        await write(path=tmp_path / name)
    assert failed.value.permanent


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="only Linux has /dev/full")
async def test_a_full_disk_is_tried_again() -> None:
    with pytest.raises(Undelivered, match="No space left") as failed:
        await write(path="/dev/full")
    assert not failed.value.permanent


async def test_a_pipe_that_nobody_reads_does_not_hang(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Undelivered) as failed:
        await write(path=tmp_path / "pipe")
    assert not failed.value.permanent
