"""The schema for editors says what the loader says."""

from __future__ import annotations

from textwrap import dedent
from typing import Any

import pytest
import yaml

from monitoring_pipeline.alerting.delivery.channel import channel_kinds
from monitoring_pipeline.alerting.rules.condition import condition_kinds
from monitoring_pipeline.checks.check import check_kinds
from monitoring_pipeline.config import config_schema
from monitoring_pipeline.discovery.alerting import ALERTING
from tests.config.test_alerting import WHOLE
from tests.config.test_loading import EXAMPLE, FILES

jsonschema = pytest.importorskip("jsonschema")


@pytest.fixture(scope="module")
def validator() -> Any:
    schema = config_schema()
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def test_every_kind_is_told_apart_by_its_name() -> None:
    definitions = config_schema()["$defs"]
    mapping = definitions["CheckEntry"]["discriminator"]["mapping"]
    assert set(mapping) == set(check_kinds().by_name)
    for name, reference in mapping.items():
        kind = definitions[reference.rpartition("/")[2]]
        assert kind["properties"]["kind"]["const"] == name
        assert kind["description"]
        assert kind["required"] == ["kind"]


def test_channels_and_conditions_are_told_apart_by_their_names() -> None:
    definitions = config_schema()["$defs"]
    channels = definitions["Channel"]["discriminator"]["mapping"]
    conditions = definitions["Rule"]["properties"]["when"]["discriminator"]["mapping"]
    assert set(channels) == set(channel_kinds().by_name)
    assert set(conditions) == set(condition_kinds().by_name)
    for name, reference in {**channels, **conditions}.items():
        kind = definitions[reference.rpartition("/")[2]]
        assert (kind["title"], kind["properties"]["kind"]["const"]) == (name, name)
        assert kind["description"]
        assert "kind" in kind["required"]


@pytest.mark.parametrize("text", [EXAMPLE, FILES["sources/db.yaml"], WHOLE, ALERTING])
def test_good_files_pass(text: str, validator: Any) -> None:
    document = yaml.safe_load(dedent(text))
    assert [error.message for error in validator.iter_errors(document)] == []


@pytest.mark.parametrize(
    "document",
    [
        {"sorces": []},
        {"sources": [{"name": "no id"}]},
        {"sources": [{"id": "a", "checks": [{"kind": "htpp"}]}]},
        {"sources": [{"id": "a", "checks": [{"kind": "tcp", "port": []}]}]},
        {"sources": [{"id": "a", "criticality": "hgih"}]},
        {"api": {"port": "many"}},
        {"rules": [{"id": "a"}]},
        {"rules": [{"id": "a", "when": {"kind": "statu"}}]},
        {"rules": [{"id": "a", "when": {"kind": "all", "of": [{"kind": "status", "critcal": None}]}}]},
        {"channels": {"a": {"kind": "emial"}}},
        {"channels": {"a": {}}},
        {"people": {"ann": {"emial": "ann@example.com"}}},
        {"alerting": {"routes": [{"notify": ["chat"]}]}},
        {"escalations": {"e": {"levels": []}}},
    ],
)
def test_bad_files_fail(document: Any, validator: Any) -> None:
    assert list(validator.iter_errors(document))


def test_variables_may_stand_for_numbers_and_words(validator: Any) -> None:
    check = {"kind": "tcp", "host": "x", "port": "${PORT}", "interval": "${I}", "enabled": "{on}", "type": "${T}"}
    assert not list(validator.iter_errors({"sources": [{"id": "{id}", "criticality": "${C}", "checks": [check]}]}))
