"""Writes docs/checks.md out of the check kinds' own fields.

python -m monitoring_pipeline.config.reference            writes docs/checks.md
python -m monitoring_pipeline.config.reference FILE       writes FILE, `-` prints
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from datetime import timedelta
from enum import Enum
from inspect import cleandoc
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitoring_pipeline.checks.check import Check, check_kinds
from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.config.schema import FILLED, config_schema

__all__ = ["checks_reference"]

_HEAD = """# Check kinds

Written by `python -m monitoring_pipeline.config.reference` out of the kinds themselves: change a
field's description there, not here. How sources, templates and defaults work is in
[configuration.md](configuration.md).
"""


def checks_reference() -> str:
    """The Markdown of docs/checks.md: the fields all checks share, then one section per kind."""
    definitions = config_schema()["$defs"]
    parts = [
        _HEAD,
        "## Fields of every check\n\n`kind` is one of the kinds below and the only field every check needs.\n",
        _table(Check, _common(), definitions),
    ]
    for name, model in sorted(check_kinds().by_name.items()):
        parts += _section(name, model, definitions)
    return "\n".join(parts).rstrip() + "\n"


def _common() -> list[str]:
    return [name for name in Check.model_fields if name != "kind"]


def _section(name: str, model: type[Check], definitions: dict[str, Any]) -> Iterator[str]:
    yield f"## {name}\n"
    yield cleandoc(model.__doc__ or "") + "\n"
    if model.extra:
        yield f"Needs a further client: `pip install 'monitoring-pipeline[{model.extra}]'`.\n"
    own = [field for field in model.model_fields if field not in Check.model_fields]
    other = [field for field in model.model_fields if field in Check.model_fields and _differs(model, field)]
    if own or other:
        yield _table(model, [*own, *(field for field in other if field not in ("kind", "id"))], definitions)
    if model.metrics:
        metrics = (f"`{metric}`" + (f" ({unit})" if unit else "") for metric, unit in model.metrics.items())
        yield f"Samples: {', '.join(metrics)}.\n"
    for level, texts in (("Critical", model.default_conditions), ("Warning", model.default_warnings)):
        if texts:
            yield f"{level} unless conditions are given: {', '.join(f'`{text}`' for text in texts)}.\n"


def _differs(model: type[Check], name: str) -> bool:
    return bool(model.model_fields[name].get_default() != Check.model_fields[name].get_default())


def _table(model: type[BaseModel], names: Iterable[str], definitions: dict[str, Any]) -> str:
    properties = _schema_of(model, definitions)
    rows = ["| key | what it takes | default | meaning |", "| --- | --- | --- | --- |"]
    for name in names:
        info = model.model_fields[name]
        key = info.alias or name
        takes = _takes(properties.get(key, {}), definitions)
        rows.append("| " + " | ".join(map(_cell, (f"`{key}`", takes, _default(info), _meaning(info, name)))) + " |")
    return "\n".join(rows) + "\n"


def _schema_of(model: type[BaseModel], definitions: dict[str, Any]) -> dict[str, Any]:
    if model is Check:  # the base is no kind, but every kind has its fields
        model = next(iter(check_kinds().by_name.values()), Check)
    (kind,) = getattr(model.model_fields["kind"].annotation, "__args__", ("",))
    found = (part["properties"] for part in definitions.values() if part.get("title") == kind)
    return next(found, {})


def _takes(schema: dict[str, Any], definitions: dict[str, Any], depth: int = 0) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return _takes(definitions.get(name, {}), definitions, depth)
    if "const" in schema:
        return f"`{schema['const']}`"
    if "enum" in schema:
        return ", ".join(f"`{choice}`" for choice in schema["enum"])
    if "anyOf" in schema or "oneOf" in schema:
        members = [m for m in schema.get("anyOf", schema.get("oneOf", [])) if m != FILLED]
        if schema.get("examples") == ["30s", "5m", "1h30m"]:
            return "duration"
        return " or ".join(dict.fromkeys(_takes(m, definitions, depth) for m in members if m.get("type") != "null"))
    if schema.get("type") == "array":
        return f"list of {_takes(schema.get('items', {}), definitions, depth + 1)}"
    if schema.get("type") == "object":
        return _mapping(schema, definitions, depth)
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
    return words.get(schema.get("type", ""), "anything") + _limits(schema)


def _mapping(schema: dict[str, Any], definitions: dict[str, Any], depth: int) -> str:
    if "properties" in schema and depth < 3:
        return "mapping of " + ", ".join(f"`{key}`" for key in schema["properties"])
    inner = schema.get("additionalProperties")
    if not isinstance(inner, dict) or not inner:
        return "mapping"
    return f"mapping of name to {_takes(inner, definitions, depth + 1)}"


def _limits(schema: dict[str, Any]) -> str:
    signs = {"minimum": "≥", "maximum": "≤", "exclusiveMinimum": ">", "exclusiveMaximum": "<"}
    limits = [f"{sign} {schema[key]}" for key, sign in signs.items() if key in schema]
    return f" ({', '.join(limits)})" if limits else ""


def _default(info: FieldInfo) -> str:
    if info.is_required():
        return "required"
    value = info.get_default(call_default_factory=True, validated_data={})
    if value is None or value in ("", (), [], {}):
        return ""
    if isinstance(value, timedelta):
        return f"`{format_duration(value)}`"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, BaseModel):
        return "see its keys"
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(f"`{item}`" for item in value)
    return f"`{value.value if isinstance(value, Enum) else value}`"


def _meaning(info: FieldInfo, name: str) -> str:
    base = Check.model_fields.get(name)
    return info.description or (base.description if base is not None else "") or ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def main(arguments: list[str]) -> None:
    """Writes the reference to the file named, to docs/checks.md when none is, or prints it for `-`."""
    target = arguments[0] if arguments else "docs/checks.md"
    if target == "-":
        sys.stdout.write(checks_reference())
    else:
        Path(target).write_text(checks_reference(), encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
