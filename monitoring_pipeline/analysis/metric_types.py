"""What kind of number a metric is, told from its unit and its name: kinds vary in ways of their own."""

from __future__ import annotations

import re
from enum import StrEnum

__all__ = ["MetricType", "metric_type"]


class MetricType(StrEnum):
    """latency: durations, skewed upwards. ratio: shares and percentages. count: how many; never negative. freshness:
    the age of something that is renewed now and then. gauge: any other number."""

    LATENCY = "latency"
    RATIO = "ratio"
    COUNT = "count"
    FRESHNESS = "freshness"
    GAUGE = "gauge"


_DURATIONS = frozenset({"us", "ms", "s", "min", "h"})
_SHARES = frozenset({"%", "percent", "ratio"})
_COUNTS = frozenset({"count", "rows", "requests", "messages", "errors", "events", "files", "objects", "keys"})
# Whole words of a name: `page_views` has no age, `image_count` neither.
_FRESH = re.compile(r"(^|[._])(age|lag|staleness|freshness|since_\w+)($|[._])")
_SHARE = re.compile(r"(^|[._])(percent|pct|ratio|share|utili[sz]ation)($|[._])")
_COUNT = re.compile(
    r"(^|[._])(count|rows|total|requests|errors|messages|nulls|distinct|objects|files|keys|size)($|[._])"
)
_DURATION = re.compile(r"(^|[._])(latency|duration|response_time|elapsed)($|[._])|_(ms|seconds)$")


def metric_type(metric: str, unit: str) -> MetricType:
    """The kind of a metric that nobody described."""
    unit, name = unit.lower(), metric.lower()
    if _FRESH.search(name):
        return MetricType.FRESHNESS
    if unit in _DURATIONS or _DURATION.search(name):
        return MetricType.LATENCY
    if unit in _SHARES or _SHARE.search(name):
        return MetricType.RATIO
    if unit in _COUNTS or (not unit and _COUNT.search(name)):
        return MetricType.COUNT
    return MetricType.GAUGE
