"""Which series there are: the number of each, and what the configuration says of it."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from monitoring_pipeline.analysis.detection import Direction
from monitoring_pipeline.analysis.metric_types import MetricType, metric_type
from monitoring_pipeline.analysis.spec import SENSITIVITIES, AnalysisSpec, Sensitivity
from monitoring_pipeline.records.metric import is_computed

__all__ = ["Name", "Roster", "Traits"]

_PARTS = frozenset({"dns_ms", "connect_ms", "tls_ms", "first_byte_ms", "query_ms", "exit_code", "ttl", "overdue_s"})
"""Parts of a response time and answers of programs: only scored where an entry of `analysis.series` names them."""
_MOST_VARIANTS = 100


class Name(NamedTuple):
    """What a series is known by. `tags` is JSON."""

    source: str
    check: str
    metric: str
    tags: str = "{}"


@dataclass(frozen=True, slots=True)
class Traits:
    """How one series is to be judged: on which side a value can be strange, and by which factor scores are higher."""

    type: MetricType = MetricType.GAUGE
    sensitivity: float = 1.0
    direction: Direction = "both"


@dataclass
class Roster:
    """The series by number, in the order in which they were met. `full` counts those that had no room any more."""

    spec: AnalysisSpec = field(default_factory=AnalysisSpec)
    names: list[Name] = field(default_factory=list)
    units: list[str] = field(default_factory=list)
    traits: list[Traits] = field(default_factory=list)
    of_source: dict[str, list[int]] = field(default_factory=lambda: defaultdict(list))
    full: int = 0
    _numbers: dict[Name, int] = field(default_factory=dict)
    _variants: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def __len__(self) -> int:
        return len(self.names)

    def number(self, name: Name, unit: str) -> int:
        """The number of a series, met for the first time or not; -1 for one that is not scored."""
        known = self._numbers.get(name)
        return self._meet(name, unit) if known is None else known

    def find(self, source: str, metric: str | None = None) -> list[int]:
        """The series of a source, or of one of its metrics."""
        return [each for each in self.of_source.get(source, ()) if metric in (None, self.names[each].metric)]

    def _meet(self, name: Name, unit: str) -> int:
        kind = name[:3]
        if is_computed(name.metric) or self._variants[kind] >= _MOST_VARIANTS:
            return -1
        traits = self.traits_of(name, unit)
        if traits is None:
            self._numbers[name] = -1
            return -1
        if len(self.names) >= self.spec.max_series:
            self.full += 1
            self._numbers[name] = -1
            return -1
        self._variants[kind] += 1
        return self.add(name, unit, traits)

    def add(self, name: Name, unit: str, traits: Traits) -> int:
        """Gives a series the next number."""
        number = self._numbers[name] = len(self.names)
        self.names.append(name)
        self.units.append(unit)
        self.traits.append(traits)
        self.of_source[name.source].append(number)
        return number

    def _readmit(self, name: Name, unit: str, kind: MetricType) -> None:
        """A series that is no longer to be scored is not met any more; one of another type now is met anew."""
        traits = None if is_computed(name.metric) else self.traits_of(name, unit)
        self.add(name, unit, traits or Traits(kind))
        self._variants[name[:3]] += 1
        if traits is None:
            self._numbers[name] = -1
        elif traits.type is not kind:
            self.of_source[name.source].pop()
            del self._numbers[name]

    def traits_of(self, name: Name, unit: str) -> Traits | None:
        """What the configuration says of a series, None where it is not to be scored."""
        spec = self.spec
        told = next((entry for entry in spec.series if entry.fits(name.source, name.check, name.metric)), None)
        if told is None:
            if name.metric in _PARTS:
                return None
            return Traits(metric_type(name.metric, unit), _factor(spec.sensitivity))
        if not told.enabled:
            return None
        kind = told.type or metric_type(name.metric, unit)
        sensitivity = spec.sensitivity if told.sensitivity is None else told.sensitivity
        return Traits(kind, _factor(sensitivity), told.direction)

    def to_json(self) -> str:
        """Names, units and types, for a checkpoint; the other traits come from the configuration."""
        rows = zip(self.names, self.units, self.traits, strict=True)
        return json.dumps([[*name, unit, traits.type] for name, unit, traits in rows])

    def admit(self, text: str) -> None:
        """Takes what `to_json` wrote, into a roster that is empty. Every series keeps its number."""
        rows: Sequence[Sequence[str]] = json.loads(text)
        for *name, unit, kind in rows:
            self._readmit(Name(*name), unit, MetricType(kind))


def _factor(sensitivity: Sensitivity) -> float:
    return SENSITIVITIES[sensitivity] if isinstance(sensitivity, str) else sensitivity
