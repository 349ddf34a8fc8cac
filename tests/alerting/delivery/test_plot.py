"""Pictures of series: a small PNG of real values, and none where there is nothing to draw."""

from __future__ import annotations

import io
import math
import random
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from PIL import Image

from monitoring_pipeline.alerting.delivery.plot import series_png

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
RED, BLUE, PINK = (185, 28, 28), (37, 99, 235), (254, 228, 228)


def series(count: int, step_s: float = 60, level: float = 100.0) -> list[tuple[datetime, float]]:
    noise = random.Random(1)
    return [(NOW - timedelta(seconds=step_s * n), level + noise.random()) for n in range(count)][::-1]


def pixels(png: bytes) -> set[tuple[int, ...]]:
    with Image.open(io.BytesIO(png)) as picture:
        found = picture.convert("RGB").getcolors(1_000_000)
    assert found is not None
    return {colour for _, colour in found}


def test_it_is_a_small_png() -> None:
    png = series_png(
        "Orders API: response_time_ms", series(360), unit="ms", threshold=150, since=NOW - timedelta(hours=1)
    )
    assert png is not None
    with Image.open(io.BytesIO(png)) as picture:
        assert (picture.format, picture.size) == ("PNG", (640, 220))
    assert len(png) < 40_000
    assert {RED, BLUE, PINK} <= pixels(png)


def test_without_limit_and_firing_time_there_is_only_the_line() -> None:
    png = series_png("x", series(100))
    assert png is not None
    assert BLUE in pixels(png)
    assert not {RED, PINK} & pixels(png)


def test_many_noisy_values_stay_small_and_keep_their_spike() -> None:
    values = [(at, value * (1 + index % 7)) for index, (at, value) in enumerate(series(50_000, 0.5))]
    calm, spiked = (
        series_png("x", values),
        series_png("x", [*values[:30_000], (values[30_000][0], 1e6), *values[30_001:]]),
    )
    assert calm is not None
    assert spiked is not None
    assert max(len(calm), len(spiked)) < 40_000
    assert calm != spiked


@pytest.mark.parametrize("values", [[], [(NOW, math.nan)], [(NOW, math.inf), (NOW, -math.inf)], [(NOW, 1e308)]])
def test_nothing_to_draw_is_no_picture(values: list[tuple[datetime, float]]) -> None:
    assert series_png("x", values) is None


@pytest.mark.parametrize(
    ("values", "threshold", "since"),
    [
        ([(NOW, 5.0)], None, None),
        ([(NOW, 5.0)] * 3, 4.0, NOW),
        ([(NOW, 0.0), (NOW, 0.0)], 0.0, None),
        ([*series(5), (NOW, math.nan)], math.nan, NOW - timedelta(days=3)),
        (series(5, level=1e299), -1e299, NOW + timedelta(days=1)),
        (series(5, level=1e-300), 0.0, None),
        (series(5, step_s=1e-6), 1.0, NOW - timedelta(days=1)),
        (series(5, step_s=1e8), 1.0, NOW - timedelta(days=1)),
    ],
)
def test_odd_values_are_drawn(
    values: list[tuple[datetime, float]], threshold: float | None, since: datetime | None
) -> None:
    assert series_png("x", values, threshold=threshold, since=since) is not None


@pytest.mark.parametrize(
    "title", ["$x^2$ costs 5$", "\\frac{", "\u6f22\u5b57 \U0001f600 \x00\ud800", "a\nb", "long " * 500]
)
def test_titles_are_no_formulas(title: str) -> None:
    assert series_png(title, series(10), unit=title) is not None


def test_several_threads_draw_at_once() -> None:
    with ThreadPoolExecutor(8) as pool:
        pictures = list(pool.map(lambda n: series_png(f"Series {n % 2}", series(50)), range(8)))
    assert None not in pictures
    assert len(set(pictures)) == 2


def test_a_home_that_cannot_be_written_costs_no_picture(tmp_path) -> None:
    (tmp_path / "home").write_text("a file where a folder is expected")
    (tmp_path / "tmp").mkdir()
    code = (
        "from datetime import UTC, datetime; from monitoring_pipeline.alerting.delivery.plot import series_png;"
        "print(len(series_png('x', [(datetime(2026, 3, 1, tzinfo=UTC), 1.0)])))"
    )
    environment = {"HOME": str(tmp_path / "home"), "TMPDIR": str(tmp_path / "tmp"), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    assert int(done.stdout) > 1000
