"""Conditions made of conditions, in three-valued logic (Kleene), severity by severity."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Self

from pydantic import ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.rules.condition import (
    Answer,
    AnyCondition,
    Condition,
    Facts,
    Observation,
    Query,
    Subject,
    Truth,
)
from monitoring_pipeline.records import Severity

__all__ = ["Composition", "both", "either", "truth_at"]


def truth_at(observation: Observation, severity: Severity | None) -> Truth:
    """Whether an observation holds at this severity or a worse one; None asks for any at all.

    One without severities of its own holds at each; one that does not reach up to a severity does not.
    """
    truths = observation.truths
    if None in truths:
        return truths[None]
    reaching = [each for each in truths if each and (severity is None or each.rank >= severity.rank)]
    return truths[min(reaching, key=lambda each: each.rank)] if reaching else False


def both(truths: Sequence[Truth]) -> Truth:
    """All of them."""
    if False in truths:
        return False
    return None if None in truths else True


def either(truths: Sequence[Truth]) -> Truth:
    """One of them at least."""
    if True in truths:
        return True
    return None if None in truths else False


class Composition(Condition):
    """Several conditions as one."""

    model_config = ConfigDict(defer_build=True)

    of: tuple[AnyCondition, ...] = Field(description="The conditions.")

    @model_validator(mode="after")
    def _has_parts(self) -> Self:
        # Not as a length of the field: one bad condition would then count as none.
        if not self.of:
            raise ValueError("`of` is empty: give at least one condition")
        return self

    def combine(self, truths: Sequence[Truth]) -> Truth:
        """What the truths of the parts, at one severity, make together."""
        raise NotImplementedError

    def words(self, truth: Truth, texts: Sequence[tuple[Truth, str]]) -> str:
        """The texts of the parts, each with whether it holds, as one."""
        return " and ".join(text for _, text in texts)

    def queries(self, subject: Subject) -> Sequence[Query]:
        return tuple(query for part in self.of for query in part.queries(subject))

    def observe(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Observation:
        seen = list(self._parts(subject, answers, facts, now, held))
        named = {severity for each in seen for severity in each.truths if severity is not None}
        truths: dict[Severity | None, Truth] = {
            severity: self.combine([truth_at(each, severity) for each in seen])
            for severity in sorted(named, key=lambda severity: severity.rank) or (None,)
        }
        worst_first = list(reversed(truths))
        # The parts are told as they stand at the severity that holds, if one does.
        level = next((severity for severity in worst_first if truths[severity]), worst_first[-1])
        told = [(truth_at(each, level), each) for each in seen]
        text = self.words(truths[level], [(truth, each.text) for truth, each in told])
        first = _telling(told)
        return Observation(truths, text, first.value, first.unit, first.details)

    def _parts(
        self, subject: Subject, answers: Sequence[Answer], facts: Facts, now: datetime, held: Severity | None
    ) -> Iterator[Observation]:
        begin = 0
        for part in self.of:
            end = begin + len(part.queries(subject))
            yield part.observe(subject, answers[begin:end], facts, now, held)
            begin = end

    @property
    def needs_clock(self) -> bool:
        return any(part.needs_clock for part in self.of)

    def watches(self, subject: Subject) -> frozenset[str]:
        return frozenset().union(*(part.watches(subject) for part in self.of))

    def named_sources(self) -> frozenset[str]:
        return frozenset().union(*(part.named_sources() for part in self.of))

    def metrics(self) -> frozenset[str] | None:
        found = [part.metrics() for part in self.of]
        known = [each for each in found if each is not None]
        return frozenset().union(*known) if len(known) == len(found) else None


def _telling(seen: Sequence[tuple[Truth, Observation]]) -> Observation:
    """The part whose value stands for the whole: one that holds and has a value, if there is one."""
    order: tuple[Callable[[Truth, Observation], bool], ...] = (
        lambda truth, each: truth is True and each.value is not None,
        lambda _, each: each.value is not None,
    )
    return next((each for fits in order for truth, each in seen if fits(truth, each)), seen[0][1])
