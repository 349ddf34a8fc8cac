"""Writes docs/checks.md, docs/rules.md, docs/channels.md and docs/tables.md out of the kinds' own fields.

python -m monitoring_pipeline.config.reference            writes them into docs/
python -m monitoring_pipeline.config.reference FOLDER     writes them into FOLDER
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from inspect import cleandoc
from pathlib import Path

import yaml
from pydantic import BaseModel

from monitoring_pipeline.alerting.delivery.channel import Channel, RateLimit, channel_kinds
from monitoring_pipeline.alerting.rules.condition import Condition, condition_kinds
from monitoring_pipeline.alerting.rules.defaults import default_rules
from monitoring_pipeline.alerting.rules.rule import FlapSpec, Rule
from monitoring_pipeline.alerting.selector import Selector
from monitoring_pipeline.checks.check import Check, check_kinds
from monitoring_pipeline.config.field_tables import FieldTables
from monitoring_pipeline.config.schema import config_schema
from monitoring_pipeline.config.validation import field_names
from monitoring_pipeline.quality.table import Table, table_kinds

__all__ = ["channels_reference", "checks_reference", "pages", "rules_reference", "tables_reference"]

_WRITTEN = """Written by `python -m monitoring_pipeline.config.reference` out of the kinds themselves: change a
field's description there, not here."""
_CHECKS = f"""# Check kinds

{_WRITTEN} How sources, templates and defaults work is in
[configuration.md](configuration.md).
"""
_RULES = f"""# Rules

{_WRITTEN} What rules are for and how they behave
is in [alerting.md](alerting.md).
"""
_CHANNELS = f"""# Channel kinds

{_WRITTEN} Who is told through which channel, and
what happens when one does not answer, is in [alerting.md](alerting.md).
"""
_TABLES = f"""# Kinds of tables

{_WRITTEN} What suites do with tables is in
[quality.md](quality.md).
"""
_BUILT_IN = """## Built-in rules

They apply where there are no `rules:` at all, and beside your own with `alerting: {defaults: true}`; a rule of
your own with the same `id` goes before. `rules: []` means none.

Each objective has three more about its error budget (see [sla.md](sla.md)), which are called after it: for one named
`uptime` these are `uptime-burns-fast` (14.4 times too fast over 1h and 5m: critical), `uptime-burns` (6 times over 6h
and 30m: error) and `uptime-burns-slowly` (once over 3d and 6h: warning).

Sources with quality suites have one more, `data-quality`: while expectations about their data are not met, it fires
with the severity of the worst of them (see [quality.md](quality.md)).
"""


def checks_reference() -> str:
    """The Markdown of docs/checks.md: the fields all checks share, then one section per kind."""
    tables = FieldTables(config_schema()["$defs"])
    common = [name for name in Check.model_fields if name != "kind"]
    parts = [
        _CHECKS,
        "## Fields of every check\n\n`kind` is one of the kinds below and the only field every check needs.\n",
        # The base is no kind, but every kind has its fields.
        tables.of(Check, common, next(iter(check_kinds().by_name.values()), Check)),
    ]
    for name, model in sorted(check_kinds().by_name.items()):
        parts += _check(name, model, tables)
    return _joined(parts)


def rules_reference() -> str:
    """The Markdown of docs/rules.md: the fields of a rule, the conditions, the built-in rules."""
    tables = FieldTables(config_schema()["$defs"])
    parts = ["## Fields of a rule\n", tables.of(Rule)]
    for title, model in (("`sources`", Selector), ("`flapping`", FlapSpec)):
        parts += [f"### {title}\n", cleandoc(model.__doc__ or "") + "\n", tables.of(model)]
    parts += ["## Conditions\n\n`when` is one of these; `kind` says which.\n"]
    for name, kind in sorted(condition_kinds().by_name.items()):
        parts += _section(f"### {name}", kind, Condition, tables)
    rules = [
        {**rule.model_dump(mode="json", by_alias=True, exclude_defaults=True), "id": rule.id}
        for rule in default_rules()
    ]
    return _joined([_RULES, *parts, _BUILT_IN, _yaml(yaml.safe_dump({"rules": rules}, sort_keys=False, width=100))])


def channels_reference() -> str:
    """The Markdown of docs/channels.md: the fields all channels share, then one section per kind."""
    tables = FieldTables(config_schema()["$defs"])
    common = [name for name in Channel.model_fields if name != "kind"]
    anyone = next(iter(channel_kinds().by_name.values()), Channel)
    parts = [
        "## Fields of every channel\n\n`kind` is one of the kinds below.\n",
        tables.of(Channel, common, anyone),
        "### `rate_limit` and `storm_cap`\n",
        tables.of(RateLimit),
    ]
    for name, kind in sorted(channel_kinds().by_name.items()):
        parts += _section(f"## {name}", kind, Channel, tables)
        if kind.recipient_field:
            parts.append(f"Reaches people who have a `{kind.recipient_field}`.\n")
        if kind.template_names:
            parts.append(f"Texts that `templates` may replace: {_listed(kind.template_names)}.\n")
    return _joined([_CHANNELS, *parts])


def tables_reference() -> str:
    """The Markdown of docs/tables.md: one section per kind of table that suites examine."""
    tables = FieldTables(config_schema()["$defs"])
    parts = [_TABLES, "`kind` is one of the kinds below.\n"]
    for name, kind in sorted(table_kinds().by_name.items()):
        parts += _section(f"## {name}", kind, Table, tables)
    return _joined(parts)


def _check(name: str, model: type[Check], tables: FieldTables) -> Iterator[str]:
    yield from _section(f"## {name}", model, Check, tables)
    if model.metrics:
        metrics = (f"`{metric}`" + (f" ({unit})" if unit else "") for metric, unit in model.metrics.items())
        yield f"Samples: {', '.join(metrics)}.\n"
    for level, texts in (("Critical", model.default_conditions), ("Warning", model.default_warnings)):
        if texts:
            yield f"{level} unless conditions are given: {_listed(texts)}.\n"


def _section(heading: str, model: type[BaseModel], base: type[BaseModel], tables: FieldTables) -> Iterator[str]:
    yield f"{heading}\n"
    yield cleandoc(model.__doc__ or "") + "\n"
    extra = getattr(model, "extra", None)
    if extra:
        yield f"Needs a further client: `pip install 'monitoring-pipeline[{extra}]'`.\n"
    fields = model.model_fields
    own = [name for name in fields if name not in base.model_fields]
    changed = [name for name in fields if name in base.model_fields and _differs(model, base, name)]
    names = [*own, *(name for name in changed if name not in ("kind", "id"))]
    if names:
        yield tables.of(model, names)
    for inner in tables.parts_of(model, own):
        yield f"{_listed(_places(model, inner))} takes:\n"
        yield tables.of(inner)
    for example in getattr(model, "examples", ()):
        yield _yaml(example)


def _differs(model: type[BaseModel], base: type[BaseModel], name: str) -> bool:
    return bool(model.model_fields[name].get_default() != base.model_fields[name].get_default())


def _places(model: type[BaseModel], inner: type[BaseModel]) -> list[str]:
    """The keys of `model` that hold an `inner`."""
    keys = dict(zip(model.model_fields, field_names(model), strict=True))
    return [keys[name] for name in model.model_fields if inner in FieldTables.models_in(model.model_fields[name])]


def _listed(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _yaml(text: str) -> str:
    return f"```yaml\n{text.strip()}\n```\n"


def _joined(parts: Iterable[str]) -> str:
    return "\n".join(parts).rstrip() + "\n"


def pages() -> dict[str, str]:
    """Every generated page by its file name."""
    return {
        "checks.md": checks_reference(),
        "rules.md": rules_reference(),
        "channels.md": channels_reference(),
        "tables.md": tables_reference(),
    }


def main(arguments: list[str]) -> None:
    """Writes the pages into the folder named, into docs/ when none is."""
    folder = Path(arguments[0] if arguments else "docs")
    for name, text in pages().items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
