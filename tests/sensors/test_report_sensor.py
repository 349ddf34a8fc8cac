"""The sensor that looks for reports that are due, and the job it launches."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest

from monitoring_pipeline.app import Monitoring
from sensors.reports import report_job, reports
from tests.servers import free_port

CONFIG = """
name: shop
channels: {{mail: {{kind: email, host: 127.0.0.1, port: {port}, sender: a@example.com, to: b@example.com}}}}
reports: {{daily: {{channel: mail, period: day}}}}
sources: [{{id: orders, checks: [{{kind: tcp, host: 127.0.0.1, port: 1}}]}}]
"""
SEVEN = datetime(2026, 3, 30, 7, tzinfo=UTC)


def asked(monitoring: Monitoring) -> dg.RunRequest | dg.SkipReason:
    answer = reports(dg.build_sensor_context(resources={"monitoring": monitoring}))
    assert isinstance(answer, (dg.RunRequest, dg.SkipReason))
    return answer


def test_a_report_that_is_due_is_tried_and_a_failure_is_told(tmp_path: Path):
    (tmp_path / "monitoring.yaml").write_text(CONFIG.format(port=free_port()))
    monitoring = Monitoring.open(tmp_path / "monitoring.yaml", lambda: SEVEN.replace(hour=6))
    assert isinstance(asked(monitoring), dg.SkipReason)
    monitoring.clock = lambda: SEVEN
    request = asked(monitoring)
    assert isinstance(request, dg.RunRequest)
    assert request.tags == {"monitoring/why": "daily"}
    with pytest.raises(dg.Failure, match=r"daily \(2026-03-29\): Undelivered: the mail server .* cannot be reached"):
        report_job.execute_in_process(resources={"monitoring": monitoring})
    assert isinstance(asked(monitoring), dg.SkipReason), "it waits before the next attempt"
    monitoring.close()
