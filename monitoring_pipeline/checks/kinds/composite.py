"""`composite`: several checks or sources judged as one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.records import CheckType, Status

__all__ = ["CompositeCheck"]


class CompositeCheck(Check):
    """Requires that all, any or a number of other checks are up.

    A member is up when it is healthy or has a warning, down when it is critical. While unknown
    members could still decide it either way, the result is unknown.
    """

    kind: Literal["composite"]
    type: CheckType = CheckType.CUSTOM
    of: tuple[str, ...] = Field(min_length=1, description="Checks `source/check` or whole sources `source`.")
    require: Literal["all", "any"] | int = Field("all", description="How many must be up: all, any or a number.")

    metrics: ClassVar[Mapping[str, str]] = {"up": "", "critical": "", "total": ""}
    remote: ClassVar[bool] = False

    @model_validator(mode="after")
    def _members_are_sane(self) -> CompositeCheck:
        twice = sorted({key for key in self.of if self.of.count(key) > 1})
        if twice:
            raise ValueError(f"named twice in `of`: {', '.join(twice)}")
        if not 1 <= self.needed <= len(self.of):
            raise ValueError(f"require must be all, any or a number from 1 to {len(self.of)}")
        return self

    @property
    def needed(self) -> int:
        """How many members must be up."""
        return {"all": len(self.of), "any": 1}.get(str(self.require)) or int(self.require)

    def references(self) -> tuple[str, ...]:
        """Keys that the configuration must know."""
        return self.of

    async def probe(self, context: ProbeContext) -> Probe:
        """Counts the members' states. Raises SourceFailure when too many are down, CheckError when undecided."""
        statuses = {key: context.facts.status_of(key) for key in self.of}
        values = _count(statuses)
        if values["up"] + values["unknown"] < self.needed:
            raise SourceFailure(f"{self._short(values)}; critical: {_named(statuses, Status.CRITICAL)}", values=values)
        if values["up"] < self.needed:
            raise CheckError(f"undecided: {self._short(values)}; unknown: {_named(statuses, Status.UNKNOWN)}")
        return Probe(values, details={key: status.value for key, status in list(statuses.items())[:50]})

    def _short(self, values: Mapping[str, Any]) -> str:
        return f"{self.needed} of {values['total']} must be up, {values['up']} {'is' if values['up'] == 1 else 'are'}"


def _count(statuses: Mapping[str, Status]) -> dict[str, Any]:
    found = list(statuses.values())
    counts: dict[str, Any] = {status.value: found.count(status) for status in Status}
    return counts | {"up": counts["healthy"] + counts["warning"], "total": len(found)}


def _named(statuses: Mapping[str, Status], status: Status) -> str:
    keys: Sequence[str] = [key for key, found in statuses.items() if found is status]
    return ", ".join(keys[:5]) + (f" and {len(keys) - 5} more" if len(keys) > 5 else "")
