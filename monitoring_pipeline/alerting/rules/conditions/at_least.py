"""Holds while so many of several conditions hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, Self

from pydantic import ConfigDict, Field, model_validator

from monitoring_pipeline.alerting.rules.composition import Composition
from monitoring_pipeline.alerting.rules.condition import Truth

__all__ = ["AtLeastCondition"]


class AtLeastCondition(Composition):
    """So many of them."""

    model_config = ConfigDict(defer_build=True)
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: at_least, count: 2, of: [{kind: status, source: db-1}, {kind: status, source: db-2}, {kind: status}]}",
    )

    kind: Literal["at_least"]
    count: int = Field(ge=1, description="How many of them must hold.")

    @model_validator(mode="after")
    def _is_possible(self) -> Self:
        if self.count > len(self.of):
            raise ValueError(f"`count` ({self.count}) is more than there are conditions ({len(self.of)})")
        return self

    def combine(self, truths: Sequence[Truth]) -> Truth:
        holding, unknown = truths.count(True), truths.count(None)
        if holding >= self.count:
            return True
        return None if holding + unknown >= self.count else False

    def words(self, truth: Truth, texts: Sequence[tuple[Truth, str]]) -> str:
        holding = sum(holds is True for holds, _ in texts)
        told = " and ".join(text for holds, text in texts if holds or not truth)
        return f"{holding} of {len(texts)}: {told}"
