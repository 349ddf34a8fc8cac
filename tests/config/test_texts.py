"""The last good configuration: kept as it was written, used while the files are broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from monitoring_pipeline.app import LAST_GOOD_VARIABLE, Monitoring
from monitoring_pipeline.errors import ConfigError

MAIN = """\
version: 1
include: [sources/*.yaml]
sources:
  - for_each: {csv: hosts.csv}
    id: "{id}"
    checks: [{kind: tcp, host: "{host}", port: 1}]
"""
OTHER = """\
sources:
  - id: db
    checks: [{kind: sql, url: "postgresql://u:${DB_PASSWORD:-quite-secret}@db.example.com/x"}]
"""


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "sources").mkdir()
    (tmp_path / "monitoring.yaml").write_text(MAIN)
    (tmp_path / "hosts.csv").write_text("id,host\na,a.example.com\nb,b.example.com\n")
    (tmp_path / "sources" / "db.yaml").write_text(OTHER)
    monkeypatch.chdir(tmp_path)
    file = tmp_path / ".busta" / "configuration.json"
    Monitoring.open(Path("monitoring.yaml")).keep_config(file)
    monkeypatch.setenv(LAST_GOOD_VARIABLE, str(file))
    return file


def ids(path: Path) -> list[str]:
    return [source.id for source in Monitoring.open(path).config.sources]


def test_a_broken_configuration_is_replaced_by_the_last_good_one(kept: Path, tmp_path: Path) -> None:
    path = tmp_path / "monitoring.yaml"
    good = Monitoring.open(path).config
    (tmp_path / "sources" / "db.yaml").unlink()
    (tmp_path / "hosts.csv").unlink()
    path.write_text("version: 1\nsources: [{id: }]\n")
    config = Monitoring.open(path).config
    assert [source.id for source in config.sources] == ["a", "b", "db"]
    assert config.fingerprint == good.fingerprint
    assert "the last good one is in force" in config.warnings[-1]
    assert "monitoring.yaml:2:" in config.warnings[-1]


def test_a_good_configuration_wins_over_the_kept_one(kept: Path, tmp_path: Path) -> None:
    (tmp_path / "sources" / "db.yaml").unlink()
    assert ids(tmp_path / "monitoring.yaml") == ["a", "b"]


def test_without_a_kept_one_the_problems_come_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "monitoring.yaml"
    path.write_text("version: 1\nsources: [{id: }]\n")
    monkeypatch.setenv(LAST_GOOD_VARIABLE, str(tmp_path / "nothing.json"))
    with pytest.raises(ConfigError):
        Monitoring.open(path)
    (tmp_path / "nothing.json").write_text("{")
    with pytest.raises(ConfigError):
        Monitoring.open(path)


def test_it_is_the_owners_alone_and_holds_no_interpolated_secret(kept: Path) -> None:
    assert kept.stat().st_mode & 0o777 == 0o600
    assert "${DB_PASSWORD:-quite-secret}" in kept.read_text()


def test_every_file_it_was_read_from_is_known(kept: Path, tmp_path: Path) -> None:
    files = {path.name for path in Monitoring.open(tmp_path / "monitoring.yaml").config.files}
    assert files == {"monitoring.yaml", "db.yaml", "hosts.csv"}
