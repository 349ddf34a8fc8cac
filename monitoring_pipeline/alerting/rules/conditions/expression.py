"""Holds while an expression does: the way out for what no other condition says."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cached_property, lru_cache
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.rules.condition import (
    Aggregation,
    Answer,
    Condition,
    Facts,
    Observation,
    Query,
    Series,
    Subject,
    Truth,
)
from monitoring_pipeline.alerting.rules.conditions.metric import Summary, window_of
from monitoring_pipeline.alerting.rules.threshold import with_unit
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.errors import nearest
from monitoring_pipeline.records import Severity, Source

__all__ = ["ExpressionCondition", "ValueSpec"]

_GIVEN = ("source", "status", "score")
_MACRO = re.compile(r"\.\s*(?:all|exists|exists_one|map|filter)\s*\(\s*([A-Za-z_]\w*)\s*,")
_TRIAL = {"source": Source("trial", tags=("trial",)), "status": "healthy", "score": 50.0}
_SYNTAX = re.compile(r"<input>:\d+:(\d+): (.*?)(?: expecting .*)?$", re.MULTILINE)
_UNDEFINED = "Undefined variable"


class ValueSpec(BaseModel):
    """A number that an expression uses by its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metric: str = Field(min_length=1, description="Name of the metric.")
    source: str = Field("", description="Another source than the rule's own.")
    check: str = Field("", description="The check; by default the rule's own, or all of the source.")
    tags: Mapping[str, str] = Field(default_factory=dict, description="Only samples whose tags have these values.")
    aggregation: Summary = Field("last", description="How the values of the window become one number.")
    window: Duration | None = Field(
        None, gt=timedelta(0), description="How far it looks back; 5m by default, 1h for the last value."
    )


class ExpressionCondition(Condition):
    """Holds while a CEL expression is true.

    It may use `source` (id, name, component, owner, tags, criticality), `status` (a word), `score` (0-100)
    and the named `values`; numbers are doubles, so calculate with `2.0` rather than `2`. What is not known
    makes the answer unknown, unless the rest of the expression decides it.
    """

    examples: ClassVar[tuple[str, ...]] = (
        "{kind: expression, expression: score < 50.0 && source.criticality == 'critical'}",
        """\
kind: expression
expression: bad / all > 0.05
values:
  bad: {metric: errors, aggregation: sum, window: 10m}
  all: {metric: requests, aggregation: sum, window: 10m}
""",
    )

    kind: Literal["expression"]
    expression: str = Field(min_length=1, max_length=4000, description="The expression (CEL).")
    values: Mapping[Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")], ValueSpec] = Field(
        default_factory=dict, description="Numbers by the names it uses."
    )

    @model_validator(mode="after")
    def _compiles(self) -> Self:
        taken = [name for name in self.values if name in _GIVEN]
        if taken:
            raise ValueError(f"`values`: {taken[0]!r} is given already, choose another name")
        problem = _problem(self.expression, tuple(self.values))
        if problem:
            raise ValueError(f"`expression`: {problem}")
        return self

    @cached_property
    def used(self) -> tuple[str, ...]:
        """The names it uses."""
        return tuple(_compiled(self.expression).variables())

    def queries(self, subject: Subject) -> Sequence[Query]:
        return tuple(_query(spec, subject) for spec in self.values.values())

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        variables: dict[str, Any] = {
            name: answer.value for name, answer in zip(self.values, answers, strict=True) if answer.value is not None
        }
        if "source" in self.used:
            variables["source"] = _told(subject.source)
        if "status" in self.used:
            variables["status"] = facts.status(subject.source.id, subject.check).value
        score = facts.score(subject.source.id) if "score" in self.used else None
        if score is not None:
            variables["score"] = float(score)
        truth, problem = _evaluated(self.expression, variables)
        first = next(iter(answers), Answer(None))
        text = self._text(variables, dict(zip(self.values, answers, strict=True)), truth, problem)
        return Observation({None: truth}, text, first.value, first.unit)

    def _text(self, variables: Mapping[str, Any], answers: Mapping[str, Answer], truth: Truth, problem: str) -> str:
        """The expression with what its names stood for."""
        named = [
            f"{name} = {_shown(variables[name], answers.get(name)) if name in variables else 'unknown'}"
            for name in self.used
            if name != "source" and (name in _GIVEN or name in self.values)
        ]
        values = f" ({', '.join(named)})" if named else ""
        if truth is None:
            return f"{self.expression}{values} is unknown" + (f": {problem}" if problem else "")
        return f"{self.expression}{values} is {str(truth).lower()}"

    @property
    def needs_clock(self) -> bool:
        return bool(self.values)

    def watches(self, subject: Subject) -> frozenset[str]:
        return frozenset({subject.source.id}) | self.named_sources()

    def named_sources(self) -> frozenset[str]:
        return frozenset(spec.source for spec in self.values.values() if spec.source)

    def metrics(self) -> frozenset[str] | None:
        return frozenset(spec.metric for spec in self.values.values())


def _query(spec: ValueSpec, subject: Subject) -> Query:
    aggregation = Aggregation(spec.aggregation)
    source = spec.source or subject.source.id
    check = spec.check if spec.source else spec.check or subject.check
    tags = tuple(sorted(spec.tags.items()))
    window = window_of(aggregation, spec.window)
    return Query(Series.SAMPLES, source, check, spec.metric, aggregation, window, tags=tags)


def _told(source: Source) -> dict[str, Any]:
    return {
        "id": source.id, "name": source.name, "component": source.component, "owner": source.owner,
        "tags": list(source.tags), "criticality": source.criticality.value,
    }  # fmt: skip


def _shown(value: Any, answer: Answer | None) -> str:
    return with_unit(value, answer.unit if answer else "") if isinstance(value, float) else str(value)


@lru_cache(maxsize=4096)
def _compiled(text: str) -> Any:
    """Raises ValueError for what is no expression."""
    import cel

    return cel.compile(text)


def _problem(text: str, names: Sequence[str]) -> str:
    """What is wrong with an expression, found out by reading and by trying it; empty when nothing is."""
    try:
        program = _compiled(text)
    except ValueError as error:
        found = _SYNTAX.search(str(error))
        return f"{found[2]} at column {found[1]}" if found else str(error)
    except BaseException as error:
        return _reason(error)
    known = {*_GIVEN, *names}
    strange = [name for name in program.variables() if name not in known | set(_MACRO.findall(text))]
    if strange:
        hint = nearest(strange[0], known)
        other = f"did you mean {hint!r}?" if hint else f"known: {', '.join(sorted(known))}"
        return f"there is no {strange[0]!r}; {other}"
    variables = {**_TRIAL, "source": _told(_TRIAL["source"]), **dict.fromkeys(names, 1.0)}  # type: ignore[arg-type]
    try:
        found = program.execute(variables)
    except (RuntimeError, TypeError) as error:
        return _reason(error)
    except BaseException as error:
        _let_go(error)
        return ""  # it depends on the values
    return "" if isinstance(found, bool) else f"it gives {type(found).__name__} rather than true or false"


def _evaluated(text: str, variables: Mapping[str, Any]) -> tuple[Truth, str]:
    """The truth of an expression, and why it is unknown."""
    try:
        found = _compiled(text).execute(dict(variables))
    except BaseException as error:
        _let_go(error)
        return None, "" if _UNDEFINED in str(error) else _reason(error)
    if isinstance(found, bool):
        return found, ""
    return None, f"it gives {type(found).__name__} rather than true or false"


def _let_go(error: BaseException) -> None:
    # A panic of the library is no Exception, and no reason to end.
    if isinstance(error, (KeyboardInterrupt, SystemExit, GeneratorExit)):
        raise error


def _reason(error: BaseException) -> str:
    _let_go(error)
    return f"{type(error).__name__}: {str(error).split('. ', 1)[0]}"
