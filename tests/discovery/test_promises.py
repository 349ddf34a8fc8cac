"""What `busta init` writes about promises and data loads, and is about what was found."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring_pipeline.config import Config, load_config
from monitoring_pipeline.discovery import machine
from monitoring_pipeline.discovery.found import Found
from monitoring_pipeline.discovery.ourselves import Ports
from monitoring_pipeline.discovery.run import Discovery
from monitoring_pipeline.discovery.sample_data import sample_sources
from monitoring_pipeline.discovery.writing import files_of, write


def written(folder: Path, *found: Found) -> Config:
    write(files_of(Discovery(found, Ports(), (), "Europe/Berlin"), folder, folder / "monitoring.yaml"))
    return load_config(folder / "monitoring.yaml", environ={})


HERE = Found("machine", "", "", {"id": "machine", "component": "machine"})


def test_samples_have_suites_and_a_promise_about_quality(tmp_path: Path) -> None:
    config = written(tmp_path, HERE, *sample_sources(tmp_path / "samples"))
    assert config.warnings == ()
    assert {name: suite.source for name, suite in config.suites.items()} == {
        "sample-orders": "sample-shop",
        "sample-products": "sample-exports",
    }
    assert {name: spec.kind for name, spec in config.objectives.items()} == {
        "machine-up": "uptime",
        "samples-good": "quality",
    }
    assert config.analysis.timezone == "Europe/Berlin"


def test_without_samples_there_is_nothing_about_them(tmp_path: Path) -> None:
    config = written(tmp_path, HERE)
    assert config.suites == {}
    assert set(config.objectives) == {"machine-up"}


def test_with_nothing_found_nothing_is_promised(tmp_path: Path) -> None:
    config = written(tmp_path)
    assert config.objectives == {}


def test_the_time_zone_is_the_machines(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "zoneinfo" / "Asia").mkdir(parents=True)
    zone = tmp_path / "zoneinfo" / "Asia" / "Tokyo"
    zone.touch()
    link = tmp_path / "localtime"
    link.symlink_to(zone)
    monkeypatch.setattr(machine, "_LOCAL_TIME", link)
    monkeypatch.delenv("TZ", raising=False)
    assert machine.time_zone() == "Asia/Tokyo"
    monkeypatch.setenv("TZ", ":Europe/Paris")
    assert machine.time_zone() == "Europe/Paris"
    monkeypatch.setenv("TZ", "nonsense")
    link.unlink()
    assert machine.time_zone() == "UTC"
