"""What the tests of conditions share: conditions from YAML, and a world that they look at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import yaml
from pydantic import ValidationError

from monitoring_pipeline.alerting.rules import reference
from monitoring_pipeline.alerting.rules.condition import Condition, Observation, Series, Subject, Truth
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.reference import Point
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.records import Criticality, Severity, Source, Status

__all__ = ["CRITICAL", "ERROR", "INFO", "NOW", "WARNING", "World", "ago", "condition", "problems"]

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
INFO, WARNING, ERROR, CRITICAL = Severity.INFO, Severity.WARNING, Severity.ERROR, Severity.CRITICAL
SHOP = Source("shop", "web", owner="shop-team", criticality=Criticality.HIGH, tags=("tier1", "eu"))


def ago(seconds: float) -> datetime:
    return NOW - timedelta(seconds=seconds)


def condition(text: str) -> Condition:
    """A condition out of YAML."""
    return Rule.model_validate({"id": "r", "when": yaml.safe_load(text)}).when


def problems(text: str) -> str:
    """What a user is told about a wrong condition: place and message, line by line."""
    try:
        condition(text)
    except ValidationError as error:
        return "\n".join(f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in error.errors())
    raise AssertionError(f"nothing is wrong with {text}")


@dataclass
class World:
    """Points and statuses; its subject is the source `shop`."""

    points: list[Point] = field(default_factory=list)
    statuses: dict[tuple[str, str], Status] = field(default_factory=dict)
    reasons: dict[tuple[str, str], str] = field(default_factory=dict)
    sinces: dict[tuple[str, str], datetime] = field(default_factory=dict)
    scores: dict[str, float] = field(default_factory=dict)

    def samples(
        self, metric: str, values: Mapping[float, float], *, source: str = "shop", check: str = "", unit: str = "",
        tags: Mapping[str, str] | None = None,
    ) -> World:  # fmt: skip
        """Values by how many seconds ago they were."""
        for age, value in values.items():
            number = len(self.points) + 1
            self.points.append(Point(Series.SAMPLES, source, check, metric, ago(age), value, number, unit, tags or {}))
        return self

    def results(
        self, statuses: Sequence[Status], *, source: str = "shop", check: str = "web", every: float = 60
    ) -> World:
        """Results of a check, oldest first; the last one was just now."""
        for place, status in enumerate(reversed(statuses)):
            number = 10_000 - len(self.points)
            point = Point(Series.RESULTS, source, check, "", ago(place * every), float(status.rank), number)
            self.points.append(point)
        return self

    def is_(self, status: Status, reason: str = "", *, source: str = "shop", check: str = "") -> World:
        self.statuses[source, check] = status
        self.sinces[source, check] = ago(1)
        self.reasons[source, check] = reason
        return self

    def status(self, source: str, check: str = "") -> Status:
        return self.statuses.get((source, check), Status.UNKNOWN)

    def since(self, source: str, check: str = "") -> datetime | None:
        return self.sinces.get((source, check))

    def reason(self, source: str, check: str = "") -> str:
        return self.reasons.get((source, check), "")

    def score(self, source: str) -> float | None:
        return self.scores.get(source)

    def see(
        self, wanted: Condition | str, *, held: Severity | None = None, check: str = "", at: datetime = NOW
    ) -> Observation:
        """What the condition sees; answered set-wise, and the same as the plain reference has it."""
        looked = condition(wanted) if isinstance(wanted, str) else wanted
        subject = Subject(SHOP, check)
        queries = looked.queries(subject)
        windows = Windows.over(self.points, queries)
        answers = windows.answer([(query, at) for query in queries])
        windows.close()
        found = looked.observe(subject, answers, self, at, held)
        plain = reference.observe(looked, subject, self.points, self, at, held)
        assert _rounded(found) == _rounded(plain)
        return found

    def truth(self, wanted: Condition | str, **how: Any) -> Truth:
        """Of a condition without severities of its own."""
        return self.see(wanted, **how).truths[None]


def _rounded(seen: Observation) -> tuple[Any, ...]:
    return seen.truths, seen.text, None if seen.value is None else round(seen.value, 6), seen.unit
