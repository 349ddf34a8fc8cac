"""The way out: an expression."""

from __future__ import annotations

import subprocess
import sys

import pytest

from monitoring_pipeline.alerting.rules.condition import Subject
from monitoring_pipeline.records import Status
from tests.alerting.rules.conditions.judging import SHOP, World, condition, problems


def expression(text: str, **values: str) -> str:
    named = ", ".join(f"{name}: {spec}" for name, spec in values.items())
    return f'{{kind: expression, expression: "{text}", values: {{{named}}}}}'


P95 = "{metric: ms, aggregation: p95}"


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("p95 > 300.0", True), ("p95 > 300", True), ("p95 > 900.0", False), ("p95 == 812", True),
        ("p95 > 300.0 && source.component == 'web'", True), ("'eu' in source.tags", True),
        ("source.tags.exists(tag, tag.startsWith('tier'))", True), ("source.criticality == 'high'", True),
        ("source.owner.matches('shop-.*') && source.id != source.name", True), ("status == 'warning'", True),
        ("score < 50.0 ? p95 > 100.0 : p95 > 10000.0", True), ("!(p95 > 900.0)", True),
    ],
)  # fmt: skip
def test_what_it_may_use(text: str, truth: bool) -> None:
    world = World().samples("ms", {10: 812.0}, unit="ms").is_(Status.WARNING)
    world.scores["shop"] = 40
    assert world.truth(expression(text, p95=P95)) is truth


@pytest.mark.parametrize(
    ("text", "truth"),
    [
        ("p95 > 300.0", None), ("score < 50.0", None), ("p95 > 300.0 || status == 'critical'", True),
        ("status == 'critical' || p95 > 300.0", True), ("p95 > 300.0 && status == 'healthy'", False),
        ("p95 > 300.0 && status == 'critical'", None),
    ],
)  # fmt: skip
def test_what_is_not_known_makes_it_unknown_unless_the_rest_decides(text: str, truth: bool | None) -> None:
    assert World().is_(Status.CRITICAL).truth(expression(text, p95=P95)) is truth


def test_the_text_has_the_values() -> None:
    world = World().samples("ms", {10: 812.0}, unit="ms").is_(Status.CRITICAL)
    seen = world.see(expression("p95 > 300.0 && status == 'critical'", p95=P95))
    assert seen.text == "p95 > 300.0 && status == 'critical' (p95 = 812 ms, status = critical) is true"
    assert (seen.value, seen.unit) == (812, "ms")
    assert World().see(expression("p95 > 300.0", p95=P95)).text == "p95 > 300.0 (p95 = unknown) is unknown"


def test_what_fails_with_these_values_is_unknown_with_the_reason() -> None:
    seen = World().see(expression("source.tags[7] == 'eu'"))
    assert seen.truths == {None: None}
    assert seen.text == "source.tags[7] == 'eu' is unknown: IndexError: index out of bounds: 7"
    seen = World().samples("m", {0: 9}).see(expression("m > 5.0 ? status : true", m="{metric: m}"))
    assert seen.truths == {None: None}
    assert seen.text.endswith("is unknown: it gives str rather than true or false")


def test_values_of_other_sources_tags_and_checks() -> None:
    world = World().samples("m", {0: 1}, check="a").samples("m", {10: 2}, source="db", tags={"disk": "x"})
    wanted = condition(
        expression("mine < other", mine="{metric: m, check: a}", other="{metric: m, source: db, tags: {disk: x}}")
    )
    assert world.truth(wanted) is True
    assert wanted.metrics() == {"m"}
    assert wanted.named_sources() == {"db"}
    assert wanted.watches(Subject(SHOP)) == {"shop", "db"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("p95 >", "Syntax error: mismatched input '<EOF>' at column 6"),
        ("p59 > 300.0", "there is no 'p59'; did you mean 'p95'?"),
        ("true || nothing > 1.0", "there is no 'nothing'; known: "),
        ("p95", "it gives float rather than true or false"),
        ("p95 + 1 > 2.0", "TypeError: Unsupported operation: float + int"),
        ("max(p95, 1.0) > 2.0", "Undefined variable or function: 'max'"),
        ("", "at least 1 character"),
    ],
)
def test_what_is_wrong_is_said_when_it_is_loaded(text: str, message: str) -> None:
    assert message in problems(expression(text, p95=P95))


def test_names_of_values_are_checked() -> None:
    assert "'status' is given already" in problems(expression("status == 'x'", status=P95))
    assert "String should match pattern" in problems(expression("true", **{"p-95": P95}))


def test_an_expression_that_cannot_be_told_before_is_taken() -> None:
    """A list that is too short for the trial may be long enough later."""
    assert World().truth(expression("source.tags[1] == 'eu'")) is True


def test_the_library_is_loaded_only_for_expressions() -> None:
    code = (
        "import sys; from monitoring_pipeline.alerting.rules.rule import Rule; "
        "Rule.model_validate({'id': 'r', 'when': {'kind': 'status'}}); "
        "assert not {'cel', 'duckdb', 'numpy', 'pandas'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)
