"""Which limits the configuration puts on which series: what capacity is measured against.

A critical condition such as `disk_percent < 95` says where it is full. Only the plain form counts: a name, an
order, a number.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from monitoring_pipeline.analysis.capacity import Limit
from monitoring_pipeline.analysis.series import SeriesKey
from monitoring_pipeline.analysis.spec import LimitSpec
from monitoring_pipeline.checks.check import BoundCheck

__all__ = ["Limited", "Limits", "limits_of_checks", "limits_of_specs"]

_PLAIN = re.compile(r"([A-Za-z_][\w.-]*)\s*(<=|>=|<|>)\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit on the series of these sources, checks and metrics; `*` and `?` stand for anything."""

    source: str
    check: str
    metric: str
    limit: Limit

    @property
    def exact(self) -> bool:
        """Whether it names one source, check and metric."""
        return not any(sign in part for part in (self.source, self.check, self.metric) for sign in "*?[")

    def fits(self, key: SeriesKey) -> bool:
        """Whether a series is meant."""
        return (
            fnmatchcase(key.source, self.source)
            and fnmatchcase(key.check, self.check)
            and fnmatchcase(key.metric, self.metric)
        )


class Limits:
    """All limits: `of` a series is the first that means it. Those with wildcards come before those without."""

    def __init__(self, limited: Sequence[Limited] = ()) -> None:
        self._patterns = [each for each in limited if not each.exact]
        self._exact: dict[tuple[str, str, str], Limit] = {}
        for each in limited:
            if each.exact:
                self._exact.setdefault((each.source, each.check, each.metric), each.limit)

    def of(self, key: SeriesKey) -> Limit | None:
        """The limit of a series, if it has one."""
        found = next((each.limit for each in self._patterns if each.fits(key)), None)
        return found or self._exact.get((key.source, key.check, key.metric))


def limits_of_checks(checks: Sequence[BoundCheck]) -> list[Limited]:
    """The limits in the critical conditions of enabled checks."""
    found = []
    for bound in checks:
        if not bound.check.enabled:
            continue
        for condition in bound.check.critical_conditions():
            plain = _PLAIN.fullmatch(condition.text.strip())
            if plain is not None:
                limit = Limit(float(plain[3]), plain[2].startswith(">"), f"critical unless {condition.text}")
                found.append(Limited(bound.source.id, bound.check.id, plain[1], limit))
    return found


def limits_of_specs(specs: Sequence[LimitSpec]) -> list[Limited]:
    """The limits of `analysis.limits`."""
    return [
        Limited(spec.source, spec.check, spec.metric, Limit(spec.value, spec.below is None, "analysis.limits"))
        for spec in specs
    ]
