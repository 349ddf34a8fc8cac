"""Every kind of condition: found, documented, loadable from its examples, and honest about nothing known."""

from __future__ import annotations

import pickle

import pytest
import yaml

from monitoring_pipeline.alerting.rules.condition import condition_kinds
from monitoring_pipeline.alerting.rules.rule import Rule
from tests.alerting.rules.conditions.judging import World, condition, problems

KINDS = condition_kinds().by_name
EXAMPLES = [(name, text) for name, kind in sorted(KINDS.items()) for text in kind.examples]


def test_all_kinds_are_there() -> None:
    assert set(KINDS) == {
        "absence", "all", "anomaly", "any", "at_least", "burn", "deviation", "expression", "metric", "not", "pattern",
        "quality", "status",
    }  # fmt: skip


@pytest.mark.parametrize("name", sorted(KINDS))
def test_a_kind_has_an_example_and_describes_its_fields(name: str) -> None:
    kind = KINDS[name]
    assert kind.examples
    assert (kind.__doc__ or "").strip()
    assert all(field.description for key, field in kind.model_fields.items() if key != "kind")


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_an_example_is_loaded_and_written_back(name: str, text: str) -> None:
    rule = Rule.model_validate({"id": "r", "when": yaml.safe_load(text)})
    assert rule.when.kind == name
    again = Rule.model_validate(yaml.safe_load(yaml.safe_dump(rule.model_dump(mode="json", by_alias=True))))
    assert again == rule


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_where_nothing_is_known_nothing_holds(name: str, text: str) -> None:
    seen = World().see(text)
    assert seen.text
    assert set(seen.truths.values()) == ({False} if "source.criticality" in text else {None})


@pytest.mark.parametrize(("name", "text"), EXAMPLES)
def test_a_condition_survives_pickling_after_it_was_used(name: str, text: str) -> None:
    used = condition(text)
    World().see(used)
    assert pickle.loads(pickle.dumps(used)) == used


def test_an_unknown_kind_names_the_known_ones() -> None:
    assert "'metric'" in problems("{kind: metrics}")


def test_conditions_that_watch_only_the_status_need_no_clock() -> None:
    assert not condition("{kind: status}").needs_clock
    assert not condition("{kind: any, of: [{kind: status}, {kind: not, of: {kind: status}}]}").needs_clock
    assert not condition("{kind: expression, expression: score < 50.0}").needs_clock
    assert condition("{kind: any, of: [{kind: status}, {kind: absence, duration: 5m}]}").needs_clock
