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

__all__ = ["Limited", "limits_of_checks", "limits_of_specs", "nearest_limit"]

_PLAIN = re.compile(r"([A-Za-z_][\w.-]*)\s*(<=|>=|<|>)\s*([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")


@dataclass(frozen=True, slots=True)
class Limited:
    """A limit on the series of these sources, checks and metrics; `*` stands for anything."""

    source: str
    check: str
    metric: str
    limit: Limit

    def fits(self, key: SeriesKey) -> bool:
        """Whether a series is meant."""
        return (
            fnmatchcase(key.source, self.source)
            and (self.check == "*" or fnmatchcase(key.check, self.check))
            and fnmatchcase(key.metric, self.metric)
        )


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


def nearest_limit(limits: Sequence[Limited], key: SeriesKey) -> Limit | None:
    """The limit of a series: the first that means it. `analysis.limits` come before those of checks."""
    return next((each.limit for each in limits if each.fits(key)), None)
