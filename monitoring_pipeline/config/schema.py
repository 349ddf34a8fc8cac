"""The JSON Schema of monitoring.yaml, for editors."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from monitoring_pipeline.alerting.delivery.channel import channel_kinds
from monitoring_pipeline.alerting.rules.condition import condition_kinds
from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config.fields import ComponentFields, HeadFields, SourceEntry, TemplateFields
from monitoring_pipeline.quality.table import table_kinds

__all__ = ["FILLED", "config_schema"]

FILLED = {"type": "string", "pattern": r"\$\{|\{[A-Za-z_]", "description": "filled in from ${...} or a {placeholder}"}
_VERBATIM = frozenset({"default", "examples", "enum", "const"})
_SCALARS = frozenset({"integer", "number", "boolean"})
_SOURCE_EXAMPLE = {
    "id": "orders-api",
    "component": "web",
    "checks": [{"kind": "http", "url": "https://orders.example.com/health", "interval": "30s"}],
}


class _Generator(GenerateJsonSchema):
    """Defaults without a JSON form are left out silently; they are documented in words."""

    ignored_warning_kinds = {"non-serializable-default", "skipped-choice"}  # noqa: RUF012 - pydantic's own spelling


def config_schema() -> dict[str, Any]:
    """The schema: every key with its description; checks, channels and conditions told apart by `kind`."""
    kinds, channels = check_kinds().by_name, channel_kinds().by_name
    ours: list[type[BaseModel]] = [HeadFields, ComponentFields, SourceEntry, TemplateFields]
    models: list[tuple[type[BaseModel], Literal["validation"]]]
    models = [(model, "validation") for model in (*ours, *kinds.values(), *channels.values())]
    names, whole = models_json_schema(models, schema_generator=_Generator, ref_template="#/$defs/{model}")
    definitions = whole["$defs"]
    references = {model: names[(model, "validation")]["$ref"] for model, _ in models}
    place = {model: definitions[ref.rpartition("/")[2]] for model, ref in references.items()}
    definitions["CheckEntry"] = _check_entry({name: references[model] for name, model in kinds.items()})
    channel = "One channel; `kind` decides which keys it takes."
    definitions["Channel"] = _by_kind(channel, {name: references[model] for name, model in channels.items()})
    _introduce(definitions, place)
    if "LevelledCondition" in definitions:  # a plain text is a critical condition
        text = {"type": "string", "examples": ["response_time_ms < 300", "status == 200"]}
        definitions["LevelledCondition"] = {"anyOf": [text, definitions["LevelledCondition"]]}
    _connect(place, references)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "monitoring.yaml",
        **place[HeadFields],
        "$defs": {name: _open(part) for name, part in definitions.items()},
    }


def _introduce(definitions: dict[str, Any], place: dict[type[BaseModel], Any]) -> None:
    """Gives every kind its name and what it is about."""
    for name, model in check_kinds().by_name.items():
        # Anything but the kind may come from a template or from defaults.
        place[model] |= {"required": ["kind"], "description": _first_paragraph(model), "title": name}
    for name, channel in channel_kinds().by_name.items():
        required = ["kind", *(key for key in place[channel].get("required", ()) if key != "kind")]
        place[channel] |= {"required": required, "description": _first_paragraph(channel), "title": name}
    for name, kind in (*condition_kinds().by_name.items(), *table_kinds().by_name.items()):
        if kind.__name__ in definitions:
            definitions[kind.__name__] |= {"description": _first_paragraph(kind), "title": name}


def _check_entry(references: dict[str, str]) -> dict[str, Any]:
    change = {
        "title": "change of a template's check",
        "type": "object",
        "required": ["id"],
        "properties": {"id": {"type": "string", "description": "The id of the template's check."}, "kind": False},
    }
    entry = _by_kind("One check; `kind` decides which keys it takes.", references)
    return {**entry, "anyOf": [*entry["anyOf"], change], "examples": _SOURCE_EXAMPLE["checks"]}


def _by_kind(description: str, references: dict[str, str]) -> dict[str, Any]:
    return {
        "description": description,
        "anyOf": [{"$ref": reference} for _, reference in sorted(references.items())],
        "discriminator": {"propertyName": "kind", "mapping": references},
    }


def _connect(place: dict[type[BaseModel], Any], references: dict[type[BaseModel], str]) -> None:
    """Puts the parts where the models only say `Any`."""
    checks = {"type": "array", "items": {"$ref": "#/$defs/CheckEntry"}}
    for with_checks in (SourceEntry, TemplateFields):
        properties = place[with_checks]["properties"]
        properties["checks"] = {"description": properties["checks"]["description"], **checks}
    place[SourceEntry]["examples"] = [_SOURCE_EXAMPLE]
    place[SourceEntry]["required"] = ["id"]
    head = place[HeadFields]["properties"]
    for key, model in (("components", ComponentFields), ("templates", TemplateFields)):
        entry: dict[str, Any] = {"$ref": references[model]}
        if model is ComponentFields:
            entry = {"anyOf": [entry, {"type": "null"}]}
        head[key] = {"type": "object", "description": head[key]["description"], "additionalProperties": entry}
    channel = {"type": "object", "additionalProperties": {"$ref": "#/$defs/Channel"}}
    head["channels"] = {"description": head["channels"]["description"], **channel}
    sources = {"type": "array", "items": {"$ref": references[SourceEntry]}}
    head["sources"] = {"description": head["sources"]["description"], **sources}


def _open(part: Any) -> Any:
    """Lets a `${VAR}` or a {placeholder} stand wherever a number or a truth value is wanted."""
    if isinstance(part, list):
        return [_open(item) for item in part]
    if not isinstance(part, dict):
        return part
    if _is_narrow(part):
        about = {key: part[key] for key in ("title", "description", "default", "examples") if key in part}
        return {**about, "anyOf": [{k: v for k, v in part.items() if k not in about}, FILLED]}
    opened = {key: value if key in _VERBATIM else _open(value) for key, value in part.items()}
    if isinstance(part.get("properties"), dict):  # the names of properties are no keywords
        opened["properties"] = {name: _open(value) for name, value in part["properties"].items()}
    return opened


def _is_narrow(part: dict[str, Any]) -> bool:
    """Whether it describes values that a text with a ${VAR} in it would not match."""
    kind = part.get("type")
    return isinstance(kind, str) and (kind in _SCALARS or "enum" in part or (kind == "string" and "pattern" in part))


def _first_paragraph(model: type[BaseModel]) -> str:
    return " ".join((model.__doc__ or "").strip().split("\n\n")[0].split())
