"""The manual knows every key and every check kind."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

from pydantic import BaseModel

from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config.fields import ComponentFields, HeadFields, SourceEntry
from monitoring_pipeline.config.reference import checks_reference, main
from monitoring_pipeline.config.validation import field_names
from tests.config.conftest import Load

DOCS = Path(__file__).parents[2] / "docs"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    for name, info in model.model_fields.items():
        key = prefix + (info.alias or name)
        yield key
        for inner in _models(info.annotation):
            yield from _keys(inner, f"{key}.")


def test_every_key_has_a_heading() -> None:
    headings = set(re.findall(r"^### `(.+)`$", (DOCS / "configuration.md").read_text(), re.MULTILINE))
    keys = {*_keys(HeadFields), *_keys(ComponentFields, "components.NAME."), *_keys(SourceEntry, "sources.")}
    assert keys - headings == set(), "keys without a heading"
    assert headings - keys == set(), "headings of keys that do not exist"


def test_the_example_of_the_manual_loads(load: Load) -> None:
    example = re.findall(r"```yaml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.DOTALL)[0]
    config = load(example)
    assert [source.id for source in config.sources] == ["orders-db", "orders-api", "shop-1", "shop-2"]
    assert config.warnings == ()


def test_checks_are_described_as_they_are() -> None:
    written = (DOCS / "checks.md").read_text()
    assert written == checks_reference(), "run: python -m monitoring_pipeline.config.reference"


def test_every_kind_and_field_is_in_the_reference(tmp_path: Path) -> None:
    main([str(tmp_path / "checks.md")])
    text = (tmp_path / "checks.md").read_text()
    sections = dict(re.findall(r"^## (\S+)\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE))
    for name, model in check_kinds().by_name.items():
        assert model.__doc__, f"{name} has no description"
        common = sections.get(name, "") + checks_reference().split("## ")[1]
        assert [key for key in field_names(model) if key != "kind" and f"`{key}`" not in common] == []
