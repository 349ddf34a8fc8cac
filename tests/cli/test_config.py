"""`busta config`: problems at their place, the resolved configuration, its schema."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.reference import SHAPES
from tests.cli.conftest import Busta, document


@pytest.fixture
def broken(config: Path) -> Path:
    path = config.with_name("broken.yaml")
    path.write_text(config.read_text().replace("kind: http", "kind: htpp").replace("every: 1h", "every: soon"))
    return path


def test_every_problem_is_one_line_with_its_place(run: Busta, broken: Path) -> None:
    result = run("config", "validate", path=broken)
    assert (result.exit_code, result.stdout) == (exits.BAD_CONFIG, "")
    lines = result.stderr.splitlines()
    assert len(lines) == 2
    assert all(line.startswith(f"busta: {broken}:") for line in lines)
    assert "did you mean 'http'?" in lines[0]


def test_problems_as_json(run: Busta, broken: Path) -> None:
    result = run("config", "validate", "--json", path=broken)
    found = document(result)
    assert result.exit_code == exits.BAD_CONFIG
    assert found["valid"] is False
    assert [each["file"] for each in found["problems"]] == [str(broken)] * 2
    assert all(each["line"] > 1 and each["column"] > 1 for each in found["problems"])


def test_a_valid_configuration(run: Busta, config: Path) -> None:
    found = document(run("config", "validate", "--json"))
    assert set(found) == set(SHAPES["config validate"])
    assert (found["valid"], found["sources"], found["checks"]) == (True, 5, 6)


def test_show_is_yaml_that_can_be_used_again(run: Busta, tmp_path: Path) -> None:
    shown = run("config", "show").stdout
    assert yaml.safe_load(shown)["name"] == "shop"
    assert document(run("config", "show", "--json"))["name"] == "shop"


def test_schema(run: Busta) -> None:
    schema = json.loads(run("config", "schema").stdout)
    assert "sources" in schema["properties"]
    assert "yaml-language-server" in run("config", "schema", "--help").stdout
