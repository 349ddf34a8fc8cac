"""The configuration as it is after includes, templates and defaults, as YAML without secrets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import BaseModel
from yaml.cyaml import CSafeDumper

from monitoring_pipeline.alerting.spec import Plan
from monitoring_pipeline.config.config import Config
from monitoring_pipeline.config.problems import mask
from monitoring_pipeline.config.validation import is_secret_key
from monitoring_pipeline.records import Component, Source

__all__ = ["dump_config"]

_COVER = "**********"


def dump_config(config: Config) -> str:
    """The resolved configuration as YAML; values that are the default are left out, secrets covered."""
    checks: dict[str, list[Any]] = defaultdict(list)
    for bound in config.checks:
        checks[bound.source.id].append({"id": bound.check.id, **_spec(bound.check)})
    sources = [_source(source) | {"checks": checks[source.id]} for source in config.sources]
    whole = {
        "version": 1,
        "name": config.name,
        "stores": config.stores.model_dump(mode="json"),
        "retention": config.retention.model_dump(mode="json"),
        "execution": config.execution.model_dump(mode="json"),
        "api": config.api.model_dump(mode="json", exclude_none=True),
        **_alerting(config.alerting),
        "components": {component.id: _component(component) for component in config.components},
        "sources": sources,
    }
    covered = _covered(whole, config.secrets)
    return str(yaml.dump(covered, Dumper=CSafeDumper, sort_keys=False, allow_unicode=True, width=120))


def _alerting(plan: Plan) -> dict[str, Any]:
    """The sections of alerting that say something. Built-in rules are written out, so `defaults` is off."""
    named: dict[str, Mapping[str, BaseModel]] = {
        "channels": plan.channels, "people": plan.people, "teams": plan.teams, "rotas": plan.rotas,
        "escalations": plan.escalations,
    }  # fmt: skip
    sections = {section: {name: _spec(each) for name, each in specs.items()} for section, specs in named.items()}
    maintenance = [_spec(each) for each in plan.maintenance]
    given = {section: value for section, value in {**sections, "maintenance": maintenance}.items() if value}
    rules = [_spec(rule) for rule in plan.rules]
    spec = {"defaults": False, **{key: value for key, value in _spec(plan.spec).items() if key != "defaults"}}
    return {"alerting": spec, **given, "rules": rules}


def _spec(spec: BaseModel) -> dict[str, Any]:
    """What a mapping of YAML would say, its kind first."""
    dumped = spec.model_dump(mode="json", by_alias=True, exclude_defaults=True)
    kind = getattr(spec, "kind", None)
    return {"kind": kind, **dumped} if kind else dumped


def _source(source: Source) -> dict[str, Any]:
    values = {name: getattr(source, name) for name in source.__slots__}
    listed = {name: list(value) if isinstance(value, tuple) else str(value) for name, value in values.items()}
    return {name: value for name, value in listed.items() if value}


def _component(component: Component) -> dict[str, Any]:
    values = {"description": component.description, "owner": component.owner, "aggregation": component.aggregation}
    return {name: value for name, value in values.items() if value}


def _covered(value: Any, secrets: frozenset[str]) -> Any:
    if isinstance(value, dict):
        return {
            key: _COVER if is_secret_key(str(key)) and isinstance(inner, str) else _covered(inner, secrets)
            for key, inner in value.items()
        }
    if isinstance(value, list):
        return [_covered(item, secrets) for item in value]
    # Reading it again must not take a literal ${ for a variable.
    return mask(value, secrets, _COVER).replace("${", "$${") if isinstance(value, str) else value
