"""The section `analysis`: what is watched for anomalies, and when people work."""

from __future__ import annotations

from datetime import date

import pytest

from monitoring_pipeline.analysis.metric_types import MetricType
from tests.config.conftest import Load

SOURCES = "sources: [{id: orders, checks: [{kind: tcp, host: db.example.com, port: 5432}]}]\n"


def test_series_are_described_by_the_first_entry_that_fits(load: Load) -> None:
    config = load(
        SOURCES
        + """
analysis:
  timezone: Europe/Berlin
  holidays: [2026-12-25, 2026-12-26]
  holiday_calendar: free.ics
  sensitivity: 1.5
  series:
    - {source: "ord*", metric: rows, type: count, direction: below}
    - {metric: "*", enabled: false}
"""
    )
    analysis = config.analysis
    assert analysis.holidays == (date(2026, 12, 25), date(2026, 12, 26))
    assert analysis.holiday_calendar == config.path.parent / "free.ics"
    assert analysis.series[0].type is MetricType.COUNT
    assert [entry.fits("orders", "tcp", "rows") for entry in analysis.series] == [True, True]
    assert [entry.fits("other", "tcp", "rows") for entry in analysis.series] == [False, True]


def test_the_isolation_forest_says_what_it_lacks(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    forest = SOURCES + "analysis: {isolation_forest: true}\n"
    assert load(forest).warnings == ()
    monkeypatch.setattr("monitoring_pipeline.config.extras.requires", lambda _: ['no-such-client; extra == "analysis"'])
    assert load(SOURCES).warnings == ()
    [lacks] = load(forest).warnings
    assert lacks.startswith("`analysis.isolation_forest` needs something that is not installed: pip install")
