"""The manual knows every key and every kind of check, condition and channel."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import pytest
import yaml
from pydantic import BaseModel, TypeAdapter

from monitoring_pipeline.alerting.delivery.channel import channel_kinds
from monitoring_pipeline.alerting.rules.condition import AnyCondition, condition_kinds
from monitoring_pipeline.alerting.rules.defaults import default_rules
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.selector import Matcher, Selector
from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config.fields import ComponentFields, HeadFields, SourceEntry
from monitoring_pipeline.config.reference import main, pages
from monitoring_pipeline.config.validation import field_names
from monitoring_pipeline.quality.table import table_kinds
from tests.config.conftest import Load

DOCS = Path(__file__).parents[2] / "docs"


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models(part)


def _is_mapping(annotation: Any) -> bool:
    return isinstance(get_origin(annotation), type) and issubclass(get_origin(annotation), Mapping)


def _keys(model: type[BaseModel], prefix: str = "") -> Iterator[str]:
    """Every key with a heading: rules and selectors have pages and tables of their own."""
    for name, info in model.model_fields.items():
        key = prefix + (info.alias or name)
        yield key
        for inner in _models(info.annotation):
            if not issubclass(inner, Rule | Selector):
                yield from _keys(inner, f"{key}.NAME." if _is_mapping(info.annotation) else f"{key}.")


def test_every_key_has_a_heading() -> None:
    headings = set(re.findall(r"^### `(.+)`$", (DOCS / "configuration.md").read_text(), re.MULTILINE))
    keys = {*_keys(HeadFields), *_keys(ComponentFields, "components.NAME."), *_keys(SourceEntry, "sources.")}
    assert keys - headings == set(), "keys without a heading"
    assert headings - keys == set(), "headings of keys that do not exist"


def test_every_key_of_selectors_is_in_the_table() -> None:
    rows = dict(
        re.findall(r"^\| `(\w+)` \| .+ \| (yes)? ?\| yes \|$", (DOCS / "configuration.md").read_text(), re.MULTILINE)
    )
    assert set(rows) == set(Matcher.model_fields)
    assert {key for key, sources in rows.items() if sources} == set(Selector.model_fields)


def test_the_example_of_the_manual_loads(load: Load) -> None:
    example = re.findall(r"```yaml\n(.*?)```", (DOCS / "configuration.md").read_text(), re.DOTALL)[0]
    config = load(example)
    assert [source.id for source in config.sources] == ["orders-db", "orders-api", "shop-1", "shop-2"]
    assert config.warnings == ()


@pytest.mark.parametrize("name", ["checks.md", "rules.md", "channels.md", "tables.md"])
def test_kinds_are_described_as_they_are(name: str) -> None:
    assert (DOCS / name).read_text() == pages()[name], "run: make docs"


def test_every_kind_and_field_is_in_the_reference(tmp_path: Path) -> None:
    main([str(tmp_path)])
    kinds: dict[str, Mapping[str, type[BaseModel]]] = {
        "checks.md": check_kinds().by_name,
        "rules.md": condition_kinds().by_name,
        "channels.md": channel_kinds().by_name,
        "tables.md": table_kinds().by_name,
    }
    assert {path.name for path in tmp_path.iterdir()} == set(kinds)
    for page, models in kinds.items():
        text = (tmp_path / page).read_text()
        sections = dict(re.findall(r"^#{2,3} (\S+)\n(.*?)(?=^#{2,3} |\Z)", text, re.DOTALL | re.MULTILINE))
        common = text.split("\n## ")[1]
        for name, model in models.items():
            assert model.__doc__, f"{name} has no description"
            documented = sections.get(name, "") + common
            assert [key for key in field_names(model) if key != "kind" and f"`{key}`" not in documented] == [], name


def test_examples_of_conditions_are_conditions() -> None:
    adapter: TypeAdapter[Any] = TypeAdapter(AnyCondition)
    for name, kind in condition_kinds().by_name.items():
        assert kind.examples, f"{name} has no example"
        for example in kind.examples:
            found = adapter.validate_python(yaml.safe_load(example))
            assert name in {found.kind, *(part.kind for part in _parts(found))}


def _parts(condition: Any) -> list[Any]:
    of = getattr(condition, "of", ())
    return [of] if isinstance(of, BaseModel) else list(of)


def test_examples_of_channels_load(load: Load) -> None:
    for name, kind in channel_kinds().by_name.items():
        assert kind.examples, f"{name} has no example"
        for example in kind.examples:
            names = re.findall(r"\$\{(\w+)\}", example)
            environ = {name: "https://a.example.com/b" if "URL" in name else "abc123" for name in names}
            indented = "\n".join(f"  {line}" for line in example.splitlines())
            config = load(f"sources: []\nchannels:\n{indented}\n", environ=environ)
            assert {channel.kind for channel in config.alerting.channels.values()} == {name}


def test_built_in_rules_are_in_the_manual_as_they_are(load: Load) -> None:
    (block,) = re.findall(r"## Built-in rules\n.*?```yaml\n(.*?)```", (DOCS / "rules.md").read_text(), re.DOTALL)
    assert load(f"sources: []\n{block}").alerting.rules == default_rules()
