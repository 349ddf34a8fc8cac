"""`busta sources trends|forecast`, `busta risks`, `busta patterns`, `busta performance`."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from tests.cli.conftest import Busta, document

PNG = b"\x89PNG"


@pytest.fixture
def here(outlook_history: tuple[Path, datetime]) -> Path:
    return outlook_history[0]


def test_trends_of_a_source(run: Busta, here: Path, tmp_path: Path):
    plot = tmp_path / "trends.png"

    shown = run("sources", "trends", "files", "--plot", str(plot), path=here)
    found = document(run("sources", "trends", "files", "--metric", "disk_percent", "--json", path=here))

    assert "upward, +1 % a day" in shown.stdout
    assert plot.read_bytes().startswith(PNG)
    assert {trend["direction"] for trend in found["trends"]} == {"upward", "stable"}
    assert run("sources", "trends", "nobody", path=here).exit_code != 0


def test_a_series_is_taken_apart(run: Busta, here: Path, tmp_path: Path):
    parts = tmp_path / "parts.png"

    assert run("sources", "trends", "api", "--parts", str(parts), path=here).exit_code == 0
    assert parts.read_bytes().startswith(PNG)
    assert "choose with --metric" in run("sources", "trends", "files", "--parts", str(parts), path=here).stderr
    assert "too little history" in run("sources", "trends", "quiet", "--parts", str(parts), path=here).stderr
    assert "a picture needs a source" in run("sources", "trends", "--parts", str(parts), path=here).stderr


def test_trends_of_everything(run: Busta, here: Path, outlook_kept: Path):
    assert "No trends are kept yet" in run("sources", "trends", path=here).stderr
    lines = run("sources", "trends", path=outlook_kept).stdout.splitlines()

    assert next(line for line in lines if "upward" in line).split()[0] == "files"
    assert document(run("sources", "trends", "--json", path=outlook_kept))["at"]


def test_a_forecast_with_its_limit(run: Busta, here: Path, tmp_path: Path):
    plot = tmp_path / "forecast.png"

    shown = run("sources", "forecast", "files", "--ahead", "7d", "--plot", str(plot), path=here)
    found = document(run("sources", "forecast", "files", "disk_percent", "--below", "90", "--json", path=here))

    assert "disk_percent reaches 95 % in 10-11 days" in shown.stdout
    assert 'disk_percent {"mount":"/data"} 95 %: not within 90 days' in shown.stdout
    assert plot.read_bytes().startswith(PNG)
    assert {each["limit_value"] for each in found["capacity"]} == {90.0}
    for limit in ("nan", "inf"):
        refused = run("sources", "forecast", "files", "disk_percent", "--below", limit, path=here)
        assert "a limit is a finite number" in refused.stderr
    assert len(found["forecasts"][0]["steps"]) == 24
    assert found["forecasts"][0]["steps"][0].keys() == {"at", "point", "low", "high"}


def test_a_forecast_of_one_metric(run: Busta, here: Path):
    shown = run("sources", "forecast", "api", "response_time_ms", path=here)

    assert "90% interval" in shown.stdout
    assert "errors in the past" in shown.stdout
    assert "too little history" in run("sources", "forecast", "quiet", path=here).stdout
    assert "there is no metric 'response'" in run("sources", "forecast", "api", "response", path=here).stderr
    assert "Nothing was measured" in run("sources", "forecast", "nightly", path=here).stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("api", "response_time_ms", "--below", "1", "--above", "2"), "either --below or --above"),
        (("api", "--below", "1"), "a limit needs a METRIC"),
    ],
)
def test_limits_that_make_no_sense(run: Busta, here: Path, options: tuple[str, ...], complaint: str):
    assert complaint in run("sources", "forecast", *options, path=here).stderr


def test_risks_now_and_kept(run: Busta, here: Path, outlook_kept: Path):
    assert "Nothing is kept yet" in run("risks", path=here).stderr
    fresh = run("risks", "--now", path=here).stdout
    kept = run("risks", "shop", path=outlook_kept).stdout
    found = document(run("risks", "--json", path=outlook_kept))

    assert "system risk" in fresh
    assert "too few failures to learn from" in fresh
    assert "watch api first" in kept
    assert "because fails 4 min after api" in kept
    assert found["risks"][0]["source"] == "nightly"
    assert {row["metric"] for row in found["capacity"]} == {"disk_percent", "response_time_ms"}


def test_patterns_now_and_kept(run: Busta, here: Path, outlook_kept: Path):
    assert "Nothing is kept yet" in run("patterns", path=here).stderr
    assert "daily around 02:10" in run("patterns", "--now", path=here).stdout
    assert "4 min after api" in run("patterns", "api", path=outlook_kept).stdout
    assert "more than chance" in run("patterns", "files", path=outlook_kept).stdout


def test_performance_now_and_kept(run: Busta, here: Path, outlook_kept: Path):
    assert "Nothing is kept yet" in run("performance", path=here).stderr
    assert "learning" in run("performance", "--now", path=here).stdout
    assert "begin with shop/response_time_ms" in run("performance", "web", path=outlook_kept).stdout
    assert "there is no component 'wep'; did you mean 'web'?" in run("performance", "wep", path=here).stderr
    assert document(run("performance", "web", "--json", path=outlook_kept))["performance"][0]["component"] == "web"
