"""`busta init` on a machine with a few servers that really listen."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.reference import SHAPES
from monitoring_pipeline.cli.root import busta
from monitoring_pipeline.records import Status
from tests.cli.conftest import document


def init(config: Path, *arguments: str, **options: Any) -> Result:
    return CliRunner().invoke(busta, ["--config", str(config), "init", *arguments], **options)


@pytest.fixture
def config(tmp_path: Path) -> Path:
    return tmp_path / "monitoring.yaml"


def test_what_it_writes_works_here(config: Path, web: int) -> None:
    result = init(config, "--yes", "--json", "--port", str(web))
    assert result.exit_code == exits.OK
    found = document(result)
    assert set(found) == set(SHAPES["init"])
    by_id = {each["id"]: each for each in found["found"]}
    assert by_id["machine"]["kinds"] == ["resources"]
    assert by_id[f"http-{web}"] | {"what": ""} == {
        "id": f"http-{web}", "group": "services", "what": "", "where": f"127.0.0.1:{web}", "enabled": True,
        "status": "healthy", "message": "", "kinds": ["http"],
    }  # fmt: skip
    monitoring = Monitoring.open(config)
    try:
        assert not monitoring.config.warnings
        watched = {source.id for source in monitoring.config.sources}
        assert {"machine", f"http-{web}", "operational-store", "warehouse", "sample-shop", "dagster"} <= watched
        assert watched == {each["id"] for each in found["found"] if each["enabled"]}
        results = monitoring.check_now(
            [
                bound.key
                for bound in monitoring.config.checks
                if bound.source.component == "samples"
                or bound.source.id in ("operational-store", "warehouse", f"http-{web}")
            ]
        )
        assert len(results) == 10
        assert {result.key: result.message for result in results if result.status is Status.CRITICAL} == {}
        assert {result.key: result.message for result in results if result.status is Status.UNKNOWN} == {}
    finally:
        monitoring.close()


def test_the_sample_database_is_the_sample_files(config: Path) -> None:
    init(config, "--yes")
    with sqlite3.connect(config.parent / "samples" / "shop.db") as connection:
        orders = connection.execute("SELECT count(*), round(sum(amount), 2) FROM orders").fetchone()
    connection.close()
    lines = (config.parent / "samples" / "orders.csv").read_text().splitlines()[1:]
    assert orders == (len(lines), round(sum(float(line.split(",")[5]) for line in lines), 2))


def test_public_data_is_written_and_off(config: Path) -> None:
    init(config, "--yes")
    text = (config.parent / "sources" / "public-open-data.yaml").read_text()
    assert yaml.safe_load(text)["templates"]["public-open-data"]["enabled"] is False
    (config.parent / "sources" / "public-open-data.yaml").write_text(text.replace("enabled: false", "enabled: true"))
    monitoring = Monitoring.open(config)
    assert {s.id for s in monitoring.config.sources if s.component == "public-open-data"} == {
        "open-meteo", "usgs-earthquakes", "world-bank", "wikipedia", "data-gov",
    }  # fmt: skip


@pytest.mark.parametrize("there", ["monitoring.yaml", "sources/samples.yaml"])
def test_it_overwrites_only_when_forced(config: Path, there: str) -> None:
    file = config.parent / there
    file.parent.mkdir(exist_ok=True)
    file.write_text("sources: []  # mine\n")
    result = init(config, "--yes")
    assert result.exit_code == exits.CANNOT_CREATE
    assert str(file) in result.stderr
    assert file.read_text() == "sources: []  # mine\n"
    assert [path for path in config.parent.rglob("*.yaml") if path != file] == []
    assert init(config, "--yes", "--force").exit_code == exits.OK
    assert "mine" not in file.read_text()


def test_the_user_decides(config: Path, web: int) -> None:
    answers = f"http-{web}\nn\ny\n"  # leave that service out, no samples, public data on
    result = init(config, "--port", str(web), input=answers)
    assert result.exit_code == exits.OK, result.stderr
    assert f"http-{web}" in result.stdout  # it was shown
    monitoring = Monitoring.open(config)
    watched = {source.id for source in monitoring.config.sources}
    assert {"machine", "wikipedia"} <= watched
    assert not watched & {f"http-{web}", "sample-shop"}
    assert not (config.parent / "samples").exists()


def test_comments_say_what_the_file_is(config: Path) -> None:
    init(config, "--yes")
    for file in (config, *(config.parent / "sources").glob("*.yaml")):
        assert file.read_text().startswith("# ")
