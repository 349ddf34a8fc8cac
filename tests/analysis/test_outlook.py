"""The outlook of an installation with four weeks of history: what is read, found, kept, and seen by rules."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.analysis.capacity import ReachState
from monitoring_pipeline.analysis.outlook import Daily, Hourly, step_for
from monitoring_pipeline.analysis.outlook_rows import pattern_of, reach_of, reach_row
from monitoring_pipeline.analysis.pictures import decomposition_png, forecasts_png, risks_png, trends_png
from monitoring_pipeline.analysis.trends import Direction, find_trends
from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.reports.alerts import AlertFilter
from monitoring_pipeline.store.outlook import inputs, results
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.outlook import open_at

PNG = b"\x89PNG"


@pytest.fixture(scope="module")
def monitoring(outlook_history: tuple[Path, datetime]) -> Iterator[Monitoring]:
    with open_at(*outlook_history) as opened:
        yield opened


@pytest.fixture(scope="module")
def daily(monitoring: Monitoring) -> Daily:
    return monitoring.outlook.look_daily()


@pytest.fixture(scope="module")
def hourly(monitoring: Monitoring) -> Hourly:
    return monitoring.outlook.look_hourly()


@pytest.fixture
def own(outlook_history: tuple[Path, datetime], tmp_path: Path) -> Iterator[Monitoring]:
    """A copy that may be written to."""
    path, now = outlook_history
    shutil.copytree(path.parent, tmp_path / "own")
    with open_at(tmp_path / "own" / path.name, now) as opened:
        yield opened


def test_a_grid_has_a_series_per_set_of_tags_and_none_of_what_we_computed(monitoring: Monitoring):
    disks = monitoring.outlook.grid("files")
    api = monitoring.outlook.grid("api")

    assert [(key.metric, key.unit, json.loads(key.tags)) for key in disks.keys] == [
        ("disk_percent", "%", {"mount": "/data"}),
        ("disk_percent", "%", {}),
    ]
    assert disks.values.shape == (2, 28 * 24)
    assert disks.end <= monitoring.clock() < disks.end + disks.step
    assert [key.metric for key in api.keys] == ["response_time_ms"]


def test_short_stretches_are_looked_at_more_closely(monitoring: Monitoring):
    assert [step_for(timedelta(days=days)) for days in (28, 14, 7, 1)] == [
        timedelta(hours=1), timedelta(hours=1), timedelta(minutes=30), timedelta(minutes=5),
    ]  # fmt: skip
    grid = monitoring.outlook.grid("api", timedelta(days=7))

    assert grid.steps == 7 * 48
    assert find_trends(grid)[0].direction is Direction.STABLE


def test_trends_of_everything_tell_tags_apart(daily: Daily):
    found = {(trend.key.source, trend.key.metric, trend.key.tags): trend for trend in daily.trends}

    assert found["files", "disk_percent", "{}"].direction is Direction.UPWARD
    assert found["files", "disk_percent", "{}"].slope_per_day == pytest.approx(1, rel=0.02)
    assert found["files", "disk_percent", '{"mount":"/data"}'].direction is Direction.STABLE
    assert found["quiet", "duration_ms", "{}"].direction is Direction.LEARNING


def test_patterns_are_those_that_are_there(daily: Daily):
    found = {(pattern.source, pattern.kind.value): pattern.text for pattern in daily.patterns}

    assert found.keys() == {("nightly", "periodic"), ("shop", "together")}
    assert "daily around 02:10" in found["nightly", "periodic"]
    assert "4 min after api" in found["shop", "together"]
    assert "a dependency" in found["shop", "together"]


def test_a_component_that_got_slower_says_so(daily: Daily):
    web = next(each for each in daily.performance if each.component == "web")
    jobs = next(each for each in daily.performance if each.component == "jobs")

    assert web.score is not None
    assert web.score < 70
    assert any("begin with shop/response_time_ms" in text for text in web.recommendations)
    assert any("of results fail" in text for text in web.recommendations)
    assert jobs.score is None


def test_capacity_is_measured_against_checks_and_given_limits(hourly: Hourly):
    found = {(reach.key.source, reach.key.tags): reach for reach in hourly.reaches}

    disk = found["files", "{}"]
    assert disk.state is ReachState.REACHES
    assert disk.likely == pytest.approx(10.1 * 24, rel=0.06)
    assert disk.limit.why == "critical unless disk_percent < 95"
    assert found["files", '{"mount":"/data"}'].state is ReachState.NOT_WITHIN
    assert found["api", "{}"].limit.why == "analysis.limits"


def test_risks_say_what_they_are_made_of(hourly: Hourly):
    found = {risk.source: risk for risk in hourly.risks}

    assert found["nightly"].risk == max(risk.risk or 0 for risk in hourly.risks)
    assert found["nightly"].reasons == ("failed 23 times in the last 28 days",)
    assert not hourly.models[1].used
    assert found["quiet"].actions == ()
    assert hourly.system.risk is not None
    assert hourly.system.top[0] == "nightly"


def test_what_is_kept_is_read_back_and_computing_again_replaces_it(own: Monitoring):
    first, bars = own.outlook.refresh_daily()
    again, _ = own.outlook.refresh_daily()
    own.publish_history()
    kept, picture = own.outlook.refresh_hourly()
    own.publish_history()

    assert again == first
    assert first["trends"] == len(own.outlook.read("trends")[1])
    assert kept["capacity"] == len(own.outlook.read("capacity")[1])
    assert picture.startswith(PNG)
    assert bars.startswith(PNG)
    patterns = [pattern_of(row) for row in own.outlook.read("patterns")[1]]
    assert {pattern.other for pattern in patterns} == {"", "api"}
    row = next(row for row in own.outlook.read("capacity", "files")[1] if row["tags"] == "{}")
    assert reach_row(reach_of(row)) == {name: value for name, value in row.items() if name != "period"}
    # The second run knew the pair, so the risk of `shop` names what to watch.
    shop = own.outlook.read("risks", "shop")[1][0]
    assert shop["actions"][0]["text"].startswith("watch api first")


def test_rules_see_it_as_samples(own: Monitoring):
    own.outlook.refresh_daily()
    own.outlook.refresh_hourly()

    with own.history(since=own.clock() - timedelta(minutes=1), tables=("samples",)) as connection:
        rows = connection.execute("SELECT source, metric, value, unit, tags FROM samples").fetchall()
    found = {(source, metric, tags): (value, unit) for source, metric, value, unit, tags in rows}
    assert found["files", "trend.disk_percent", "{}"] == (pytest.approx(7 * 100 / 71, rel=0.05), "%")
    hours, unit = found["files", "forecast.hours_to_threshold.disk_percent", "{}"]
    assert (200 < hours < 260, unit) == (True, "h")
    assert found["files", "forecast.hours_to_threshold.disk_percent", '{"mount":"/data"}'][0] == 90 * 24
    assert ("nightly", "risk", "{}") in found
    assert ("monitoring", "risk.system", "{}") in found


def test_results_of_old_periods_go(own: Monitoring):
    own.outlook.refresh_daily()
    path, now = own.config.stores.warehouse, own.clock()
    assert path is not None
    with open_warehouse(path, now) as warehouse:
        assert results.expire_results(warehouse, now, timedelta(days=2))["trends"] == 0
        assert results.expire_results(warehouse, now + timedelta(days=9), timedelta(days=2))["trends"] > 0
        with pytest.raises(ValueError, match="no table of results"):
            results.put(warehouse, now, {"watermarks": []})


def test_before_anything_was_computed_there_is_nothing(monitoring: Monitoring):
    assert monitoring.outlook.read("risks") == (None, [])


def test_changes_begin_with_how_each_source_stood(monitoring: Monitoring):
    now = monitoring.clock()
    with monitoring.history(tables=("status_changes",)) as connection:
        found = inputs.read_changes(connection, now - timedelta(days=2), now)

    before = {source: after for source, moment, after in found if moment < to_us(now - timedelta(days=2))}
    assert before.keys() == {"files", "api", "shop", "nightly", "quiet"}
    assert (before["files"], before["quiet"]) == ("healthy", "healthy")
    assert [moment for _, moment, _ in found] == sorted(moment for _, moment, _ in found)


def test_pictures_are_drawn(monitoring: Monitoring, hourly: Hourly):
    from monitoring_pipeline.analysis.decomposition import decompose
    from monitoring_pipeline.analysis.forecast import forecast

    grid = monitoring.outlook.grid("files")
    made = forecast(grid, 24)
    parts = decompose(monitoring.outlook.grid("api"))

    assert trends_png(grid, find_trends(grid)).startswith(PNG)
    assert forecasts_png(grid, made, {grid.keys[1]: 95.0}).startswith(PNG)
    assert risks_png(hourly.risks).startswith(PNG)
    assert risks_png([]).startswith(PNG)
    assert parts is not None
    assert decomposition_png(parts).startswith(PNG)


RULES = """
rules:
  - id: disk-full-soon
    when:
      kind: metric
      metric: forecast.hours_to_threshold.disk_percent
      operator: "<"
      threshold: {warning: 336, critical: 24}
      window: 3h
"""


def test_a_rule_tells_that_a_disk_will_be_full(outlook_history: tuple[Path, datetime], tmp_path: Path):
    path, now = outlook_history
    shutil.copytree(path.parent, tmp_path / "own")
    config = tmp_path / "own" / path.name
    config.write_text(config.read_text() + RULES)
    with open_at(config, now) as monitoring:
        monitoring.register()
        monitoring.outlook.refresh_hourly()
        alerts = monitoring.alerts(AlertFilter())

    assert [(view.alert.rule, view.alert.source, view.alert.severity.value) for view in alerts] == [
        ("disk-full-soon", "files", "warning")
    ]
    assert "forecast.hours_to_threshold.disk_percent" in alerts[0].alert.text
