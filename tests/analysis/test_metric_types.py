"""Kinds of numbers, told from names and units."""

from __future__ import annotations

import pytest

from monitoring_pipeline.analysis.metric_types import metric_type


@pytest.mark.parametrize(
    ("metric", "unit", "expected"),
    [
        ("response_time_ms", "ms", "latency"),
        ("dns_ms", "", "latency"),
        ("age_s", "s", "freshness"),
        ("replication.lag", "s", "freshness"),
        ("disk.used", "%", "ratio"),
        ("error_ratio", "", "ratio"),
        ("rows", "", "count"),
        ("nulls.customer", "", "count"),
        ("queue", "messages", "count"),
        ("page_views", "", "gauge"),
        ("temperature", "C", "gauge"),
        ("image_count", "", "count"),
    ],
)
def test_a_name_and_a_unit_tell_the_kind(metric: str, unit: str, expected: str) -> None:
    assert metric_type(metric, unit) == expected
