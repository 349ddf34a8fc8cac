"""Summaries of alerts: the rule's own words, or the condition with its values."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from monitoring_pipeline.alerting.rules.condition import Subject
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.alerting.rules.summary import summary_of
from monitoring_pipeline.records import Severity, Source

SOURCE = Source("orders-db", component="db", name="Orders", owner="data", tags=("prod",))


def said(template: str, *, check: str = "", value: float | None = 91.5) -> str:
    return summary_of(
        template, Subject(SOURCE, check), rule="disk", severity=Severity.WARNING, text="disk (91.5) > 90",
        value=value, unit="%", labels={"team": "data"},
    )  # fmt: skip


def test_without_a_template_it_is_the_condition() -> None:
    assert said("") == "Orders: disk (91.5) > 90"
    assert said("", check="size") == "Orders/size: disk (91.5) > 90"


def test_a_text_without_placeholders_is_taken_as_it_is() -> None:
    assert said("The disk fills up") == "The disk fills up"


def test_a_template_knows_the_alert() -> None:
    template = "{{ name }} of {{ owner }}/{{ labels.team }} ({{ tags[0] }}): {{ value }} {{ unit }}, {{ severity }}"
    assert said(template) == "Orders of data/data (prod): 91.5 %, warning"


def test_a_template_that_fails_on_these_values_is_as_good_as_none() -> None:
    assert said("{{ value / 0 }}") == "Orders: disk (91.5) > 90"
    assert said("{{ value + 1 }}", value=None) == "Orders: disk (91.5) > 90"


def test_it_is_one_line_of_bounded_length() -> None:
    assert said("a\n{{ name }}\n  b") == "a Orders b"
    assert len(said("{% for n in range(200) %}{{ name }} {% endfor %}")) == 300


@pytest.mark.parametrize(
    ("template", "reason"),
    [
        ("{{ nmae }}", "line 1: 'nmae' is not known here"),
        ("ok\n{{ name", "line 2: "),
        ("{% include 'x' %}", "line 1: a template cannot use other templates"),
    ],
)
def test_a_rule_refuses_a_summary_that_can_never_be_rendered(template: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        Rule.model_validate({"id": "a", "when": {"kind": "status"}, "summary": template})
