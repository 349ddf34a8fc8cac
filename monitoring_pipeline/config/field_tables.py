"""Tables of a model's fields for the manual: key, what it takes, default, meaning."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import time, timedelta
from enum import Enum
from typing import Any, get_args

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from monitoring_pipeline.clock import format_duration
from monitoring_pipeline.config.schema import FILLED
from monitoring_pipeline.quality.table import table_kinds

__all__ = ["FieldTables"]

_WORDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_FORMS = {"date": "date", "date-time": "moment", "time": "time of day", "path": "path"}


@dataclass(frozen=True)
class FieldTables:
    """Writes tables; `definitions` are those of the configuration's schema."""

    definitions: dict[str, Any]

    def of(
        self, model: type[BaseModel], names: Iterable[str] | None = None, shown: type[BaseModel] | None = None
    ) -> str:
        """The table of a model's fields, or of some of them; `shown` is the model whose schema says what they take."""
        properties = self._schema_of(shown or model)
        rows = ["| key | what it takes | default | meaning |", "| --- | --- | --- | --- |"]
        for name in model.model_fields if names is None else names:
            info = model.model_fields[name]
            key = info.alias or name
            cells = (f"`{key}`", self._takes(properties.get(key, {})), _default(info), _meaning(model, name))
            rows.append("| " + " | ".join(map(_cell, cells)) + " |")
        return "\n".join(rows) + "\n"

    def parts_of(self, model: type[BaseModel], names: Iterable[str]) -> list[type[BaseModel]]:
        """The models that some fields hold, each once, apart from the model itself."""
        found = [inner for name in names for inner in self.models_in(model.model_fields[name])]
        return [inner for inner in dict.fromkeys(found) if inner is not model and self._schema_of(inner)]

    @staticmethod
    def models_in(info: FieldInfo) -> list[type[BaseModel]]:
        """The models that a field's annotation mentions."""
        return list(_models_in(info.annotation))

    def _schema_of(self, model: type[BaseModel]) -> dict[str, Any]:
        """What a model's keys take. Models of the same name in two modules have longer names there."""
        kind = getattr(model.model_fields.get("kind"), "annotation", None)
        title = next(iter(get_args(kind)), model.__name__)
        for name, part in self.definitions.items():
            if name.endswith(model.__name__) and part.get("title") == title:
                return dict(part.get("properties", {}))
        return {}

    def _takes(self, schema: dict[str, Any], depth: int = 0) -> str:
        if "$ref" in schema:
            return self._takes(self.definitions.get(schema["$ref"].rpartition("/")[2], {}), depth)
        if "discriminator" in schema:
            if schema["discriminator"].get("mapping", {}).keys() == table_kinds().by_name.keys():
                return "a table"
            return "a condition" if "oneOf" in schema else "a check"
        if "const" in schema:
            return f"`{schema['const']}`"
        if "enum" in schema:
            return ", ".join(f"`{choice}`" for choice in schema["enum"])
        if "anyOf" in schema or "oneOf" in schema:
            if schema.get("examples") == ["30s", "5m", "1h30m"]:
                return "duration"
            members = [m for m in schema.get("anyOf", schema.get("oneOf", [])) if m != FILLED]
            return " or ".join(dict.fromkeys(self._takes(m, depth) for m in members if m.get("type") != "null"))
        if schema.get("type") == "array":
            item = self._takes(schema.get("items", {}), depth + 1)
            return f"list of {item.removeprefix('a ')}s" if item in ("a check", "a condition") else f"list of {item}"
        if schema.get("type") == "object":
            return self._mapping(schema, depth)
        return _FORMS.get(schema.get("format", ""), _WORDS.get(schema.get("type", ""), "anything")) + _limits(schema)

    def _mapping(self, schema: dict[str, Any], depth: int) -> str:
        if "properties" in schema and depth < 3:
            return "mapping of " + ", ".join(f"`{key}`" for key in schema["properties"])
        inner = next(iter(schema.get("patternProperties", {}).values()), schema.get("additionalProperties"))
        if not isinstance(inner, dict) or not inner:
            return "mapping"
        return f"mapping of {self._names(schema)} to {self._takes(inner, depth + 1)}"

    def _names(self, schema: dict[str, Any]) -> str:
        names = schema.get("propertyNames", {})
        found = self.definitions.get(names.get("$ref", "").rpartition("/")[2], names)
        return str(found.get("title", "name")).lower() if "enum" in found or "anyOf" in found else "name"


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)


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
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, BaseModel):
        return _of_model(value)
    if isinstance(value, dict):
        return f"`{{{', '.join(f'{_plain(key)}: {_plain(inner)}' for key, inner in value.items())}}}`"
    if isinstance(value, (tuple, list, set, frozenset)):
        return ", ".join(f"`{_plain(item)}`" for item in value)
    return f"`{_plain(value)}`"


def _of_model(value: BaseModel) -> str:
    """A default that is a mapping: what of it says something, or a pointer to its keys."""
    given = value.model_dump(mode="json", by_alias=True, exclude_none=True)
    said = {key: inner for key, inner in given.items() if inner not in ("", [], {})}
    if not said:
        return ""
    plain = all(isinstance(inner, (str, int, float)) for inner in said.values())
    return f"`{{{', '.join(f'{key}: {inner}' for key, inner in said.items())}}}`" if plain else "see its keys"


def _plain(value: Any) -> str:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, time):
        return value.isoformat("minutes")
    return str(value.value if isinstance(value, Enum) else value)


def _meaning(model: type[BaseModel], name: str) -> str:
    """The description; where a kind has none, that of the field it changes."""
    for ancestor in model.__mro__:
        fields = getattr(ancestor, "model_fields", {})
        if name in fields and fields[name].description:
            return str(fields[name].description)
    return ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
