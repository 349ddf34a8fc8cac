"""Sends the reports that are due: each once per period, whoever tries, however often.

The row of a report and its period is written before the e-mail goes out. Who dies between the server's answer and the
record leaves a lease that ends; the e-mail is sent again then, with the same Message-ID.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from monitoring_pipeline.alerting.delivery.channel import Channel, Undelivered
from monitoring_pipeline.alerting.delivery.channels.email import EmailChannel
from monitoring_pipeline.alerting.delivery.letter import address_of
from monitoring_pipeline.alerting.people.wall import on_wall
from monitoring_pipeline.clock import Clock
from monitoring_pipeline.reports.periodic.document import Report
from monitoring_pipeline.reports.periodic.letter import letter
from monitoring_pipeline.reports.periodic.period import Period, period_before
from monitoring_pipeline.reports.spec import ReportSpec
from monitoring_pipeline.store import sent_reports
from monitoring_pipeline.store.operational import OperationalStore

__all__ = ["Due", "Post", "Tried", "due", "post", "send_due"]

# Longer than the job that sends may run, or a slow report would go out twice.
_LEASE = timedelta(minutes=16)
_FIRST_WAIT, _LONGEST_WAIT = timedelta(minutes=5), timedelta(hours=2)
_GIVE_UP = timedelta(days=3)


@dataclass(frozen=True, slots=True)
class Due:
    """A report whose period is over and whose time has come."""

    name: str
    spec: ReportSpec
    period: Period

    @property
    def key(self) -> str:
        """What it is known by for ever."""
        return f"report-{self.name}-{self.period.name}"


@dataclass(frozen=True, slots=True)
class Tried:
    """What came of sending a report; `error` is empty when it was taken."""

    name: str
    period: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class Post:
    """What sending needs: the store, the channels by name, who makes a report, and who takes secrets out of texts."""

    store: OperationalStore
    channels: Mapping[str, Channel]
    make: Callable[[ReportSpec, Period], Report]
    redact: Callable[[str], str]
    zone: str = "UTC"


def due(post: Post, specs: Mapping[str, ReportSpec], now: datetime) -> list[Due]:
    """Reports to send now: of the last period that is over, unless it is older than three days, or than itself."""
    over = [
        Due(name, spec, period_before(spec.period, now, spec.timezone or post.zone))
        for name, spec in specs.items()
        if spec.enabled
    ]
    ripe = [each for each in over if _is_ripe(each, now)]
    if not ripe:
        return []
    with post.store.read() as connection:
        waiting = sent_reports.not_to_send(connection, [each.key for each in ripe], now)
    return [each for each in ripe if each.key not in waiting]


def send_due(specs: Mapping[str, ReportSpec], around: Post, clock: Clock) -> list[Tried]:
    """Makes and sends what is due; one that fails costs no other, and is tried again later for three days."""
    tried = []
    for each in due(around, specs, clock()):
        with around.store.write() as connection:
            mine = sent_reports.claim(connection, each.key, clock(), _LEASE)
        if mine:
            tried.append(_try(each, around, clock))
    return tried


def _is_ripe(each: Due, now: datetime) -> bool:
    zone = each.period.zone
    begin = on_wall(zone, datetime.combine(each.period.after, each.spec.at))
    return begin <= now < begin + min(_GIVE_UP, each.period.end - each.period.start)


def _try(each: Due, around: Post, clock: Clock) -> Tried:
    error = ""
    try:
        post(around, each.spec, around.make(each.spec, each.period), each.key)
    except Exception as failure:
        error = around.redact(f"{type(failure).__name__}: {failure}")[:1000]
    with around.store.write() as connection:
        sent_reports.note(connection, each.key, clock(), error, _wait)
    return Tried(each.name, each.period.name, error)


def _wait(attempts: int) -> timedelta:
    doubled: int = 1 << min(attempts - 1, 10)
    return min(_FIRST_WAIT * doubled, _LONGEST_WAIT)


def post(around: Post, spec: ReportSpec, report: Report, key: str) -> None:
    """Sends a report through its channel. Raises Undelivered."""
    channel = around.channels[spec.channel]
    assert isinstance(channel, EmailChannel)  # noqa: S101 - the configuration saw to it
    recipients: Sequence[str] = spec.to or channel.to
    addresses = [address_of(text) for text in recipients]
    if not addresses:
        raise Undelivered("there is nobody to send to: give the report or its channel `to`", permanent=True)
    reply_to = address_of(channel.reply_to) if channel.reply_to else None
    mail = letter(report, key, address_of(channel.sender), addresses, reply_to, spec.attach)
    asyncio.run(channel.deliver(mail, addresses))
