"""Any condition over any points: set-wise as in the plain reference."""

from __future__ import annotations

import math
from datetime import datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from monitoring_pipeline.alerting.rules import reference
from monitoring_pipeline.alerting.rules.condition import Condition, Observation, Subject
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.reference import Point
from monitoring_pipeline.records import Severity, Source
from tests.alerting.rules.conditions.judging import World, condition
from tests.alerting.rules.test_observe import minutes, point_lists

# Limits that no aggregate of whole numbers meets exactly, so that the last bit of a sum decides nothing.
LEAVES = [
    *(
        f"{{kind: metric, metric: m, aggregation: {kind}, window: 3m, threshold: {{info: 1.2345, critical: 2.7181}}, "
        "clear: {critical: 0.3183}}"
        for kind in ("last", "avg", "max", "min", "count", "sum", "p50", "p95", "p99", "rate")
    ),
    '{kind: metric, metric: m, check: a, operator: "<", threshold: 0.5772, window: 5m}',
    "{kind: metric, metric: m, source: t, tags: {zone: a}, threshold: 0.5772, min_values: 2}",
    "{kind: metric, metric: m, threshold: 0.5772, matches: {at_least: 2, of_last: 4}}",
    "{kind: absence, metric: n, duration: 3m}",
    "{kind: absence, duration: 2m}",
    "{kind: pattern, failures_in_a_row: {warning: 1, critical: 2}}",
    "{kind: pattern, changes: 2, window: 5m}",
    "{kind: pattern, success_below: 66, window: 4m, min_results: 2}",
    "{kind: expression, expression: 'a > 1.2 && b < 2.7', values: {a: {metric: m, aggregation: max}, b: {metric: n}}}",
]  # fmt: skip

leaves = st.sampled_from(LEAVES)


def _composed(parts: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(parts, min_size=1, max_size=3).map(", ".join)
    return st.one_of(
        several.map(lambda of: f"{{kind: all, of: [{of}]}}"),
        several.map(lambda of: f"{{kind: any, of: [{of}]}}"),
        several.map(lambda of: f"{{kind: at_least, count: 1, of: [{of}]}}"),
        parts.map(lambda of: f"{{kind: not, of: {of}}}"),
    )


conditions = st.recursive(leaves, _composed, max_leaves=4).map(condition)
Judged = tuple[Condition, Subject, datetime, Severity | None]


@st.composite
def judged(draw: st.DrawFn) -> Judged:
    subject = Subject(Source(draw(st.sampled_from(("s", "t")))), draw(st.sampled_from(("", "", "a"))))
    held = draw(st.sampled_from((None, Severity.WARNING, Severity.CRITICAL)))
    return draw(conditions), subject, minutes(draw(st.integers(0, 12))), held


@given(point_lists(), st.lists(judged(), min_size=1, max_size=6))
@settings(max_examples=100, deadline=None)
def test_conditions_see_what_the_reference_sees(points: list[Point], wanted: list[Judged]) -> None:
    asked = [(query, at) for when, about, at, _ in wanted for query in when.queries(about)]
    windows = Windows.over(points, [query for query, _ in asked])
    answers = iter(windows.answer(asked))
    for when, about, at, held in wanted:
        own = [next(answers) for _ in when.queries(about)]
        seen = when.observe(about, own, World(), at, held)
        assert _alike(seen, reference.observe(when, about, points, World(), at, held))
    windows.close()


def _alike(seen: Observation, plain: Observation) -> bool:
    if seen.truths != plain.truths or (seen.value is None) != (plain.value is None):
        return False
    return seen.value is None or math.isclose(seen.value, plain.value or 0.0, rel_tol=1e-9, abs_tol=1e-6)
