"""An installation with two weeks behind it, made once: a good source, a bad one, and one that nobody watched."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from monitoring_pipeline.app import Monitoring
from tests.store.rows import change, gap, result, sample, write

NOW = datetime(2026, 3, 31, 8, 0, tzinfo=UTC)
"""A Tuesday. In Berlin clocks went forward on the Sunday before."""
MONDAY = datetime(2026, 3, 22, 23, 0, tzinfo=UTC)
"""The begin of last week in Berlin."""

CONFIG = """\
name: Shop & Co
analysis: {{timezone: Europe/Berlin}}
components: {{web: {{}}, data: {{}}}}
channels:
  mail: {{kind: email, host: 127.0.0.1, port: {port}, sender: reports@example.com, to: team@example.com}}
  chat: {{kind: slack, webhook_url: "https://hooks.example.com/T0"}}
objectives:
  there: {{kind: uptime, source: bad, target: 99.9, window: week, timezone: Europe/Berlin}}
reports:
  weekly: {{channel: mail, attach: [csv, json]}}
  bad-daily: {{channel: mail, period: day, source: bad, to: [ana@example.com], at: "09:00"}}
sources:
  - {{id: good, name: "Good <one>", component: web, checks: [{{id: web, kind: file, path: monitoring.yaml}}]}}
  - {{id: bad, component: data, checks: [{{id: web, kind: file, path: monitoring.yaml}}]}}
  - {{id: dark, component: data, checks: [{{id: web, kind: file, path: monitoring.yaml}}]}}
"""


def fill(monitoring: Monitoring) -> None:
    """Sixteen days, a result each half hour. The bad one is critical for two hours of each day of last week."""
    luck = random.Random(5)
    results, samples = [], []
    for number in range(16 * 48):
        at = NOW - timedelta(days=16) + timedelta(minutes=30 * number)
        broken = at >= MONDAY and at.hour in (10, 11)
        results += [result("good", at), result("bad", at, "critical" if broken else "healthy")]
        slow = 3 if at >= MONDAY else 1
        samples += [sample("good", at, luck.gauss(50, 5)), sample("bad", at, slow * luck.gauss(100, 10))]
    write(monitoring.store, "results", results)
    write(monitoring.store, "samples", samples)
    write(monitoring.store, "gaps", [gap("dark", NOW - timedelta(days=16), NOW - timedelta(minutes=30), 768)])
    days = [MONDAY + timedelta(days=n, hours=11) for n in range(8)]
    write(
        monitoring.store, "status_changes",
        [change("good", NOW - timedelta(days=16), "unknown", "healthy"),
         change("bad", NOW - timedelta(days=16), "unknown", "healthy")]
        + [each for day in days for each in (
            change("bad", day, "healthy", "critical"), change("bad", day + timedelta(hours=2), "critical", "healthy")
        )],
    )  # fmt: skip


@pytest.fixture(scope="package")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Monitoring]:
    folder = tmp_path_factory.mktemp("lived")
    (folder / "monitoring.yaml").write_text(CONFIG.format(port=2525))
    monitoring = Monitoring.open(folder / "monitoring.yaml", lambda: NOW)
    fill(monitoring)
    monitoring.load_history()
    monitoring.roll_up()
    monitoring.publish_history()
    yield monitoring
    monitoring.close()
