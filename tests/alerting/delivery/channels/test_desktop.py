"""The desktop channel: the program it starts gets the words as they are, and its failures are told."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.alerting.delivery.channels.desktop import DesktopChannel
from monitoring_pipeline.alerting.message import Kind, Message
from monitoring_pipeline.records import Severity
from tests.alerting.delivery.channels.messages import STRANGE, alert, message
from tests.alerting.delivery.channels.receiver import sending

NOTES = "import json, sys\nopen({file!r}, 'w').write(json.dumps(sys.argv[1:]))\n"


class Desktop:
    """A folder that is the whole PATH, with programs that a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.file = folder / "arguments.json"

    def install(self, name: str, code: str = NOTES) -> None:
        program = self.folder / name
        program.write_text(f"#!{sys.executable}\n" + code.replace("{file!r}", repr(str(self.file))))
        program.chmod(0o755)

    @property
    def arguments(self) -> list[str]:
        found: list[str] = json.loads(self.file.read_text())
        return found


@pytest.fixture
def desktop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Desktop:
    monkeypatch.setenv("PATH", str(tmp_path))
    return Desktop(tmp_path)


async def show(told: Message | None = None, **fields: Any) -> None:
    async with sending() as context:
        await DesktopChannel(kind="desktop", **fields).send(told or message(), context)


async def test_notify_send_shows_title_and_facts(desktop: Desktop) -> None:
    desktop.install("notify-send")
    await show()
    assert desktop.arguments == [
        "--app-name=monitoring-pipeline", "--urgency=critical", "--",
        "[CRITICAL] Orders API: response_time_ms (812) > 300",
        "Since: 2026-03-01 11:58 UTC, for 2 min. Normal: 80 to 140 ms. Check: http",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("told", "urgency"),
    [
        (message(Kind.RESOLVED), "low"),
        (message(severity=Severity.WARNING), "normal"),
        (message(severity=Severity.INFO), "low"),
        (message(Kind.TEST).model_copy(update={"alerts": ()}), "low"),
    ],
)
async def test_urgency_follows_the_severity(desktop: Desktop, told: Message, urgency: str) -> None:
    desktop.install("notify-send")
    await show(told)
    assert desktop.arguments[1] == f"--urgency={urgency}"


async def test_osascript_gets_the_words_as_arguments(desktop: Desktop) -> None:
    desktop.install("osascript")
    await show(message(title='x" & do shell script "id'))
    flag, script, dashes, title, _ = desktop.arguments
    assert (flag, dashes, title) == ("-e", "--", '[CRITICAL] x" & do shell script "id')
    assert "item 1 of argv" in script


@pytest.mark.parametrize(
    "text", ["$(touch hacked)", "--hint=x", "; rm -rf x", "<b>&</b>", STRANGE, "\ud800", "x" * 5000]
)
async def test_words_are_no_commands_and_no_markup(desktop: Desktop, text: str) -> None:
    desktop.install("notify-send")
    await show(message(Kind.FIRING, alert(last_change=text), title=text, note=text))
    assert len(desktop.arguments) == 5
    assert desktop.arguments[2] == "--"
    assert "<b>" not in desktop.arguments[4]
    assert len(desktop.arguments[3]) <= 120
    assert {path.name for path in desktop.folder.iterdir()} == {"notify-send", "arguments.json"}


async def test_words_of_the_users_own(desktop: Desktop) -> None:
    desktop.install("notify-send")
    await show(templates={"title": "{{ alert.source }}", "body": "{{ message.severity }}"})
    assert desktop.arguments[3:] == ["orders-api", "critical"]


async def test_without_a_program_it_says_what_to_install(desktop: Desktop) -> None:
    with pytest.raises(Undelivered, match="neither notify-send nor osascript is here: install notify-send") as failed:
        await show()
    assert failed.value.permanent


async def test_a_program_that_fails_says_why(desktop: Desktop) -> None:
    desktop.install("notify-send", "import sys\nsys.exit('Cannot connect\\nto the session bus')\n")
    with pytest.raises(Undelivered, match="notify-send failed with 1: Cannot connect to the session bus") as failed:
        await show()
    assert not failed.value.permanent


async def test_a_program_that_cannot_be_started_is_a_clear_error(desktop: Desktop) -> None:
    (desktop.folder / "notify-send").write_bytes(b"\x7fELF nonsense")
    (desktop.folder / "notify-send").chmod(0o755)
    with pytest.raises(Undelivered, match="notify-send cannot be started") as failed:
        await show()
    assert failed.value.permanent


async def test_a_program_that_hangs_ends_with_the_sending(desktop: Desktop) -> None:
    desktop.install("notify-send", "import os, time\nopen({file!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
    task = asyncio.create_task(show())
    while not desktop.file.exists() or not desktop.file.read_text():
        await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(ProcessLookupError):
        os.kill(int(desktop.file.read_text()), 0)
