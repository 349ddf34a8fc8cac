"""docs/quality.md and the plug-in example: their configuration loads, their code does what it says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.config import load_config
from monitoring_pipeline.errors import ConfigError
from monitoring_pipeline.quality import DataSourceValidator, Measurement
from monitoring_pipeline.quality.fetch import Wanted, batch_of
from monitoring_pipeline.quality.outcome import Examination
from monitoring_pipeline.quality.validator import examined

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "quality.md").read_text()


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)


def run(code: str) -> dict[str, Any]:
    names: dict[str, Any] = {}
    exec(compile(code, "guide", "exec", dont_inherit=True), names)
    return names


@pytest.mark.parametrize("block", blocks(GUIDE, "yaml"), ids=lambda block: block.split(":")[0])
def test_the_configuration_loads_without_a_warning(block: str, tmp_path: Path) -> None:
    suites = "" if "suites:" in block else "suites:\n  daily: {source: orders-db, table: {kind: file, path: a.csv}}\n"
    text = block if block.startswith("sources:") else "sources:\n  - id: orders-db\n" + suites + block
    (tmp_path / "monitoring.yaml").write_text(text)
    config = load_config(tmp_path / "monitoring.yaml", environ={})
    assert config.warnings == ()
    assert config.suites


def test_the_error_is_the_one_people_get(tmp_path: Path) -> None:
    text = "sources:\n  - {id: orders}\nsuites:\n  daily:\n    source: orders\n    table: {kind: file, path: a.csv}\n"
    text += "    expectations:\n      - type: expect_column_to_exist\n        colum: id\n"
    (tmp_path / "monitoring.yaml").write_text(text)
    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / "monitoring.yaml", environ={})
    (message,) = blocks(GUIDE, "text")
    assert str(caught.value).endswith(message.strip().removeprefix("monitoring.yaml:"))


def test_the_validator_is_one() -> None:
    (code,) = [block for block in blocks(GUIDE, "python") if "NightlyValidator" in block]
    validator = run(code)["validator"]
    assert isinstance(validator, DataSourceValidator)
    told = validator.validate("orders-db")
    assert isinstance(told, Measurement)
    assert examined(Examination(), told).rows == 48_210


def test_the_plug_in_example_is_a_kind_of_table(tmp_path: Path) -> None:
    (code,) = [block for block in blocks((ROOT / "docs" / "plugins.md").read_text(), "python") if "LakeTable" in block]
    table = run(code)["LakeTable"](kind="lake", table="orders")
    with batch_of(table, Wanted(), tmp_path) as batch:
        assert (batch.rows, batch.types) == (1, {"id": "INTEGER"})
