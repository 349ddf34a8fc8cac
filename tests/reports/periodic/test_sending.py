"""Reports reach people by a real SMTP server: once per period, again after a failure, never by two at once."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.alerting.delivery.channel import Undelivered
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.errors import ConfigError, NotFound
from tests.alerting.delivery.channels.postbox import Postbox
from tests.reports.periodic.conftest import CONFIG, NOW, fill

Box = tuple[Postbox, asyncio.AbstractEventLoop]


@pytest.fixture
def postbox() -> Iterator[Postbox]:
    """A mail server in a thread of its own: reports are sent from threads without a loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    box = asyncio.run_coroutine_threadsafe(Postbox().__aenter__(), loop).result(10)
    yield box
    asyncio.run_coroutine_threadsafe(box.__aexit__(None, None, None), loop).result(10)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


@pytest.fixture
def at(tmp_path: Path, postbox: Postbox) -> Iterator[Callable[[datetime], Monitoring]]:
    """The installation at a moment, its mail going to the postbox."""
    (tmp_path / "monitoring.yaml").write_text(CONFIG.format(port=postbox.port))
    opened: list[Monitoring] = []

    def open_at(moment: datetime) -> Monitoring:
        opened.append(Monitoring.open(tmp_path / "monitoring.yaml", lambda: moment))
        return opened[-1]

    yield open_at
    for monitoring in opened:
        monitoring.close()


def names(monitoring: Monitoring) -> list[tuple[str, str, bool]]:
    return [(each.name, each.period, bool(each.error)) for each in monitoring.reporting.send_due()]


def test_each_is_sent_once_when_its_time_has_come(at: Callable[[datetime], Monitoring], postbox: Postbox):
    fill(at(NOW))
    # Monday, 30 March, in Berlin: the week is over, it is two minutes to seven.
    monday = datetime(2026, 3, 30, 4, 58, tzinfo=UTC)
    assert at(monday).reporting.due() == []
    assert at(monday + timedelta(minutes=2)).reporting.due() == ["weekly"]
    assert names(at(monday + timedelta(minutes=2))) == [("weekly", "2026-W13", False)]
    assert names(at(monday + timedelta(minutes=4))) == []
    assert names(at(monday + timedelta(hours=3))) == [("bad-daily", "2026-03-29", False)]
    assert names(at(NOW)) == [("bad-daily", "2026-03-30", False)]
    assert [mail.recipients for mail in postbox.mails] == [
        ["team@example.com"],
        ["ana@example.com"],
        ["ana@example.com"],
    ]
    weekly = postbox.mails[0]
    assert weekly.mail["Subject"] == "Shop & Co: report of Shop & Co: 23 to 29 March 2026 (week 13)"
    assert weekly.mail["Message-ID"] == "<report-weekly-2026-W13@example.com>"
    html = weekly.part("text/html")
    pictures = [part["Content-ID"].strip("<>") for part in weekly.mail.walk() if part.get_content_type() == "image/png"]
    assert pictures == ["availability@example.com", "response@example.com"]
    assert all(f"cid:{cid}" in html for cid in pictures)
    assert "Good \\<one\\>" in weekly.part("text/plain")
    files = {part.get_filename(): part.get_content() for part in weekly.mail.iter_attachments()}
    assert set(files) == {"system-2026-W13.csv", "system-2026-W13.json"}
    assert json.loads(files["system-2026-W13.json"])["complete"] is True


def test_what_failed_is_tried_again_later_and_then_given_up(at: Callable[[datetime], Monitoring], postbox: Postbox):
    begin = datetime(2026, 3, 30, 5, 0, tzinfo=UTC)
    postbox.says["mail"] = "451 try later"
    (tried,) = at(begin).reporting.send_due()
    assert "451" in tried.error
    assert names(at(begin + timedelta(minutes=4))) == []
    assert names(at(begin + timedelta(minutes=6))) == [("weekly", "2026-W13", True)]
    assert names(at(begin + timedelta(minutes=12))) == []
    del postbox.says["mail"]
    assert names(at(begin + timedelta(minutes=17))) == [("weekly", "2026-W13", False)]
    assert len(postbox.mails) == 1
    assert "weekly" not in at(begin + timedelta(days=3)).reporting.due()


def test_nobody_sends_what_somebody_is_sending_until_the_lease_ends(
    at: Callable[[datetime], Monitoring], postbox: Postbox, monkeypatch: pytest.MonkeyPatch
):
    from monitoring_pipeline.reports.periodic import sending

    begin = datetime(2026, 3, 30, 5, 0, tzinfo=UTC)

    def dies(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(sending, "post", dies)
        at(begin).reporting.send_due()
    assert names(at(begin + timedelta(minutes=15))) == []
    assert names(at(begin + timedelta(minutes=17))) == [("weekly", "2026-W13", False)]
    assert len(postbox.mails) == 1


def test_one_can_be_sent_by_hand_again_and_again(at: Callable[[datetime], Monitoring], postbox: Postbox):
    monitoring = at(NOW)
    for _ in range(2):
        assert monitoring.reporting.send("weekly").period.name == "2026-W13"
    assert len({mail.mail["Message-ID"] for mail in postbox.mails}) == 2
    with pytest.raises(NotFound, match="did you mean 'weekly'"):
        monitoring.reporting.send("weekely")
    postbox.says["mail"] = "550 no"
    with pytest.raises(Undelivered, match="550"):
        monitoring.reporting.send("weekly")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("  weekly: {channel: chat}", "'chat' is no email channel: reports are sent by e-mail"),
        ("  weekly: {channel: mial}", "'mial' is not a channel; did you mean 'mail'?"),
        ("  weekly: {channel: mail, source: baad}", "'baad' is not a source; did you mean 'bad'?"),
        ("  weekly: {channel: mail, source: bad, component: web}", "give one of them"),
        ("  weekly: {channel: mail, component: wbe}", "'wbe' is not a component; did you mean 'web'?"),
        ("  weekly: {channel: mail, to: nobody}", "is not an e-mail address"),
        ("  weekly: {channel: mail, period: year}", "period"),
    ],
)
def test_mistakes_are_told_with_their_place(tmp_path: Path, line: str, problem: str):
    text = CONFIG.format(port=25).replace("  weekly: {channel: mail, attach: [csv, json]}", line)
    (tmp_path / "monitoring.yaml").write_text(text)
    number = text.splitlines().index(line) + 1
    with pytest.raises(ConfigError) as failed:
        Monitoring.open(tmp_path / "monitoring.yaml")
    told = [str(each) for each in failed.value.problems]
    assert any(f"monitoring.yaml:{number}:" in each and problem in each for each in told), told
