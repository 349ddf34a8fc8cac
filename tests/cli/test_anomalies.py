"""`busta anomalies`, `busta sources baseline` and `relearn`, on a store with scores in it."""

from __future__ import annotations

import json
import math
from datetime import timedelta
from pathlib import Path

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.reference import SHAPES
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store.results import insert_samples
from tests.analysis.scoring.conftest import SHIPPED, distance
from tests.cli.conftest import Busta, document


@pytest.fixture
def strange(config: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two weeks of an hourly number that follows the day, and an hour ago one that did not."""
    trees = distance()
    monkeypatch.setattr(SHIPPED, lambda: trees)
    monitoring = Monitoring.open(config)
    monitoring.register()
    monitoring.scoring.catch_up()
    now = system_clock().replace(minute=0, second=0, microsecond=0)
    with monitoring.store.write() as connection:
        for hours in range(24 * 16, -1, -1):
            at = now - timedelta(hours=hours)
            value = 200 + 50 * math.sin(at.hour / 24 * 2 * math.pi) + (hours * 7919 % 13) + 2000 * (hours == 1)
            insert_samples(connection, [Sample("shop-api", "response_time_ms", at, value, "ms", "http")])
    monitoring.scoring.catch_up()
    monitoring.close()
    return config


def test_before_anything_is_scored(run: Busta) -> None:
    result = run("anomalies")
    assert result.exit_code == exits.OK
    assert "Nothing was strange in the series that have learnt what is normal" in " ".join(result.stderr.split())
    assert "Nothing of it was scored yet" in run("sources", "baseline", "shop-api").stderr
    assert run("anomalies", "--plot", "x.png").exit_code == exits.USAGE


def test_what_was_strange_is_told_with_what_was_normal(strange: Path, run: Busta, tmp_path: Path) -> None:
    told = run("anomalies", "shop-api", "--since", "3h").stdout
    assert "expected" in told
    found = document(run("anomalies", "--since", "3h", "--json"))
    assert set(found) == set(SHAPES["anomalies"])
    anomaly = next(each for each in found["anomalies"] if each["kind"] == "anomaly")
    assert (anomaly["source"], anomaly["metric"], anomaly["unit"]) == ("shop-api", "response_time_ms", "ms")
    assert anomaly["value"] > 2000
    assert anomaly["expected_high"] < 1000
    picture = tmp_path / "strange.png"
    assert run("anomalies", "shop-api", "--plot", str(picture)).exit_code == exits.OK
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_what_is_normal_by_hour(strange: Path, run: Busta, tmp_path: Path) -> None:
    overview = run("sources", "baseline", "shop-api").stdout
    assert "response_time_ms" in overview
    assert "known" in overview
    table = run("sources", "baseline", "shop-api", "response_time_ms").stdout
    assert "Mon" in table
    assert "23" in table
    found = document(run("sources", "baseline", "shop-api", "--json"))
    assert set(found) == set(SHAPES["sources baseline"])
    slots = found["baselines"][0]["slots"]
    assert len(slots) == 7 * 24
    assert all(slot["low"] <= slot["expected"] <= slot["high"] for slot in slots)
    picture = tmp_path / "normal.png"
    assert run("sources", "baseline", "shop-api", "response_time_ms", "--plot", str(picture)).exit_code == exits.OK
    assert picture.exists()


def test_a_stretch_that_was_not_normal_is_unlearnt(strange: Path, run: Busta) -> None:
    since = f"{system_clock() - timedelta(hours=3):%Y-%m-%dT%H:%MZ}"
    until = f"{system_clock():%Y-%m-%dT%H:%MZ}"
    wrong = run("sources", "relearn", "shop-api", "--from", until, "--to", since, "--reason", "a test")
    assert wrong.exit_code == exits.USAGE
    right = run("sources", "relearn", "shop-api", "--from", since, "--to", until, "--reason", "a test", "--json")
    assert set(json.loads(right.stdout)) == set(SHAPES["sources relearn"])
    assert json.loads(right.stdout)["series"] == 1
