"""Components are compared with their own normal; noise and seasons cost nothing."""

from __future__ import annotations

import numpy as np
import pytest

from bench.synthetic import HOUR, MONDAY, daily, noise
from monitoring_pipeline.analysis.performance import Aspect, Counted, Performance, aspect_of, benchmark
from monitoring_pipeline.analysis.series import Floats, Grid, SeriesKey

DAYS = 28
WEB = {f"s{n}": "web" for n in range(4)}


def grid(values: Floats, metric: str = "response_time_ms", unit: str = "ms") -> Grid:
    return Grid(tuple(SeriesKey(f"s{n}", metric, unit=unit) for n in range(len(values))), MONDAY, HOUR, values)


def one(values: Floats, metric: str = "response_time_ms", unit: str = "ms") -> Performance:
    (found,) = benchmark(grid(values, metric, unit), WEB, {})
    return found


def last_day(values: Floats, factor: float, rows: slice = slice(None)) -> Floats:
    changed = values.copy()
    changed[rows, -24:] *= factor
    return changed


@pytest.fixture
def usual() -> Floats:
    return 100 + 30 * daily(DAYS) + 5 * noise(4, DAYS)


def test_as_usual_is_a_hundred(usual: Floats):
    found = one(usual)

    assert found.score == pytest.approx(100, abs=2)
    assert found.recommendations == ()


def test_twice_as_slow_is_fifty(usual: Floats):
    found = one(last_day(usual, 2.0))

    assert found.score == pytest.approx(51, abs=6)
    assert found.measured[0].ratio == pytest.approx(2.0, abs=0.1)
    assert "instead of" in found.recommendations[0]


def test_faster_is_no_better_than_a_hundred(usual: Floats):
    assert one(last_day(usual, 0.5)).score == pytest.approx(100)


def test_one_slow_source_among_four_shows(usual: Floats):
    found = one(last_day(usual, 5.0, slice(2, 3)))

    assert found.score is not None
    assert 70 < found.score < 85
    assert found.measured[0].worst == "s2/response_time_ms"


def test_throughput_that_halves_and_a_full_resource():
    rows = one(last_day(1000 + 20 * noise(4, DAYS), 0.5), "messages_s", "messages/s")
    full = one(np.minimum(100, last_day(50 + noise(4, DAYS), 1.9)), "memory_percent", "%")

    assert rows.score == pytest.approx(52, abs=5)
    assert full.score is not None
    assert full.score < 30
    assert "tightest resource" in full.recommendations[0]


def test_errors_count_beyond_chance():
    (worse,) = benchmark(grid(np.empty((0, 48))), {"a": "web"}, {"a": Counted(10, 10_000, 80, 1000)})
    (chance,) = benchmark(grid(np.empty((0, 48))), {"a": "web"}, {"a": Counted(100, 10_000, 14, 1000)})
    (young,) = benchmark(grid(np.empty((0, 48))), {"a": "web"}, {"a": Counted(0, 20, 3, 100)})

    assert worse.score is not None
    assert worse.score < 40
    assert worse.measured[0].now == pytest.approx(8.0)
    assert chance.score == 100
    assert young.score == 100


def test_too_little_history_is_learning():
    assert one(100 + noise(4, 3)).score is None
    (nothing,) = benchmark(grid(np.empty((0, 48))), {"a": "web"}, {})
    assert nothing.score is None


@pytest.mark.parametrize(
    ("metric", "unit", "aspect"),
    [
        ("response_time_ms", "ms", Aspect.RESPONSE_TIME),
        ("disk_read_bytes_s", "bytes/s", Aspect.THROUGHPUT),
        ("rows", "", Aspect.THROUGHPUT),
        ("collection.rows", "", Aspect.THROUGHPUT),
        ("collection.duration_ms", "ms", Aspect.RESPONSE_TIME),
        ("cpu_percent", "%", Aspect.RESOURCES),
        ("days_left", "d", None),
    ],
)
def test_what_a_metric_says_about_performance(metric: str, unit: str, aspect: Aspect | None):
    assert aspect_of(SeriesKey("s", metric, unit=unit)) is aspect
