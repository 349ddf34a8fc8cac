"""The grammar of conditions: what holds, what does not, what cannot be told, and what is refused."""

from __future__ import annotations

import math
import pickle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitoring_pipeline.checks.condition import Condition, LevelledCondition, Threshold
from monitoring_pipeline.errors import ConditionError

VALUES = {
    "status": 200,
    "response_time_ms": 812.4,
    "rows": 1000,
    "body": 'all ok "quoted"',
    "ok": True,
    "bad": False,
    "nothing": None,
    "nan": math.nan,
    "json": {"items": [{"age_days": 1, "a b": 2}], "error": None, "count": "12"},
    "headers": {"content-type": "text/html; charset=utf-8", "content-length": "120"},
}


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("status == 200", True),
        ("status != 200", False),
        ("status > 199 and status >= 200 and status < 201 and status <= 200", True),
        ("response_time_ms < 300", False),
        ("rows between 1000 and 5000", True),
        ("rows between 1001 and 5000", False),
        ("rows between 1 and 5000 and status == 200", True),
        ('body contains "ok"', True),
        ("body contains 'ok \"quoted\"'", True),
        ('body not contains "ok"', False),
        ("body not_contains 'error'", True),
        ("status in [200, 204]", True),
        ("status not in [200, 204]", False),
        ('"text" in headers.content-type', True),
        ("json.items[0].age_days <= 2", True),
        ("json.items[-1].age_days == 1", True),
        ('json.items[0]["a b"] == 2', True),
        ("length(json.items) == 1", True),
        ("length(body) > 3", True),
        ("json.error == null", True),
        ("json.error exists", True),
        ("json.nope exists", False),
        ("json.nope not exists", True),
        ("headers.content-length > 100", True),
        ("json.count >= 12", True),
        ("ok", True),
        ("not ok", False),
        ("not not ok", True),
        ("bad or ok", True),
        ("ok == true and bad == false", True),
        ("(bad or ok) and not (status == 500)", True),
        ("status greater_than 199 and status less_than_or_equals 200", True),
        ("status equals 200 and status not_equals 500", True),
        ("status greater_than_or_equals 200 and status less_than 201", True),
        ("status == '200'", True),
        ("status == 2e2", True),
        ("ok == 1", False),
        # unknown: missing values, and things that have no order
        ("nope == 1", None),
        ("nope", None),
        ("status", None),
        ("nope == 1 or status == 200", True),
        ("nope == 1 and status == 500", False),
        ("nope == 1 and status == 200", None),
        ("not (nope == 1)", None),
        ("body < 5", None),
        ("nan < 5", None),
        ("json.items[7].age_days == 1", None),
        ("nothing < 5", None),
        ("status contains 2", None),
        ("length(status) == 3", None),
        ("nope between 1 and 2", None),
    ],
)
def test_verdicts(text: str, holds: bool | None) -> None:
    condition = Condition.parse(text)
    assert condition.holds(VALUES) is holds
    assert condition.evaluate(VALUES).holds is holds


@pytest.mark.parametrize(
    ("text", "filled"),
    [
        ("response_time_ms < 300", "response_time_ms (812.4) < 300"),
        ("json.items[0].age_days > 2", "json.items[0].age_days (1) > 2"),
        ("rows between 1 and 5", "rows (1000) between 1 and 5"),
        ("nope == 1", "nope (missing) == 1"),
        ("length(json.items) > 3", "length(json.items) (1) > 3"),
        ('body contains "no" or not (ok)', 'body ("all ok \\"quoted\\"") contains "no" or not (ok (true))'),
    ],
)
def test_texts_have_their_values_filled_in(text: str, filled: str) -> None:
    assert Condition.parse(text).evaluate(VALUES).text == filled


def test_long_values_are_cut() -> None:
    assert len(Condition.parse("body == 'x'").evaluate({"body": "y" * 10_000}).text) < 120


@pytest.mark.parametrize(
    ("text", "message", "column"),
    [
        ("", "expected a value or a name", 1),
        ("status", None, None),
        ("status = 200", "equality is written ==", 8),
        ("status <", "the condition ends", 9),
        ("status < 3 status > 1", "'status' is left over", 12),
        ("status not 3", "after `not` comes contains, in or exists", 12),
        ("(status == 1", "expected ')'", 13),
        ("status in [1, [2]]", "a list holds values and names", 15),
        ("status in [1 2]", "expected ','", 14),
        ("5", "expected a comparison", 2),
        ("5 exists", "only a name can exist", 1),
        ("length(5) > 1", "length() takes a name", 8),
        ("status === 200", "equality is written ==", 10),
        ("status == 200 && ok", "'&' does not belong", 15),
        ("body contains 'open", "does not belong", 15),
        ("rows between 1 or 2", "expected 'and'", 16),
        ("x" * 3000, "at most 2000 characters", 1),
        ("(" * 900 + "ok" + ")" * 900, "nested too deeply", None),
    ],
)
def test_errors_say_what_and_where(text: str, message: str | None, column: int | None) -> None:
    if message is None:
        Condition.parse(text)
        return
    with pytest.raises(ConditionError) as caught:
        Condition.parse(text)
    assert message in str(caught.value)
    if column is not None:
        assert caught.value.column == column


_names = st.sampled_from(["a", "b.c", "d[0]", "nope", "length(a)"])
_constants = st.one_of(
    st.integers(-1000, 1000).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(lambda x: f"{x:.4f}"),
    st.sampled_from(['"x"', "'it'", "true", "false", "null", "[1, 'x', a]"]),
)
_operators = st.sampled_from(["<", "<=", ">", ">=", "==", "!=", "contains", "not contains", "in", "equals"])
_comparisons = st.tuples(_names, _operators, _constants).map(" ".join)
_expressions = st.recursive(
    _comparisons,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from(["and", "or"]), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda t: f"not ({t})"),
    ),
    max_leaves=8,
)
_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


@given(_expressions, st.dictionaries(st.sampled_from("abcd"), _json, max_size=4))
def test_whatever_the_values_a_verdict_comes_out(text: str, values: dict) -> None:
    verdict = Condition.parse(text).evaluate(values)
    assert verdict.holds in (True, False, None)
    assert isinstance(verdict.text, str)


@given(_expressions, st.dictionaries(st.sampled_from("abcd"), _json, max_size=4))
def test_not_turns_a_verdict_and_keeps_unknown(text: str, values: dict) -> None:
    held = Condition.parse(text).holds(values)
    assert Condition.parse(f"not ({text})").holds(values) is (None if held is None else not held)


@given(_comparisons, _comparisons, st.dictionaries(st.sampled_from("abcd"), _json, max_size=4))
def test_de_morgan(left: str, right: str, values: dict) -> None:
    both = Condition.parse(f"not ({left} and {right})").holds(values)
    assert both is Condition.parse(f"not ({left}) or not ({right})").holds(values)


@given(st.text(max_size=60))
def test_any_text_parses_or_is_refused_with_a_place(text: str) -> None:
    try:
        condition = Condition.parse(text)
    except ConditionError as error:
        assert 1 <= error.column <= len(text) + 1
    else:
        condition.evaluate(VALUES)


@given(st.integers(-(10**6), 10**6), st.integers(-(10**6), 10**6))
def test_order_agrees_with_python(a: int, b: int) -> None:
    for sign, expected in (("<", a < b), ("<=", a <= b), (">", a > b), (">=", a >= b), ("==", a == b), ("!=", a != b)):
        assert Condition.parse(f"x {sign} {b}").holds({"x": a}) is expected


def test_plain_text_is_a_critical_condition() -> None:
    assert LevelledCondition.model_validate("a < 1").critical == Condition.parse("a < 1")
    both = LevelledCondition.model_validate({"warning": "a < 1", "critical": "a < 2"})
    assert (both.warning, both.critical) == (Condition.parse("a < 1"), Condition.parse("a < 2"))
    with pytest.raises(ValueError, match="give a condition"):
        LevelledCondition.model_validate({})


@pytest.mark.parametrize(
    ("operator", "limit", "condition"),
    [
        (">", 90, "m <= 90"),
        ("greater_than", 90, "m <= 90"),
        ("<", 5, "m >= 5"),
        ("less_than", 5, "m >= 5"),
        (">=", 90, "m < 90"),
        ("greater_than_or_equals", 90, "m < 90"),
        ("<=", 5, "m > 5"),
        ("less_than_or_equals", 5, "m > 5"),
        ("==", "down", 'm != "down"'),
        ("equals", "down", 'm != "down"'),
        ("!=", True, "m == true"),
        ("not_equals", "up", 'm == "up"'),
        ("contains", "error", 'm not contains "error"'),
        ("not_contains", "ok", 'm contains "ok"'),
    ],
)
def test_a_threshold_is_bad_when_its_comparison_holds(operator: str, limit: object, condition: str) -> None:
    threshold = Threshold(operator=operator, critical=limit)
    assert threshold.conditions("m", "critical") == [Condition.parse(condition)]
    assert threshold.conditions("m", "warning") == []


def test_conditions_can_be_pickled() -> None:
    condition = Condition.parse("a.b[0] < 1 and not (c)")
    assert pickle.loads(pickle.dumps(condition)) == condition
