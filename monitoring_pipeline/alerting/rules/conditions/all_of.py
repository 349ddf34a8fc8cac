"""Holds while all of several conditions hold."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import ConfigDict

from monitoring_pipeline.alerting.rules.composition import Composition, both
from monitoring_pipeline.alerting.rules.condition import Truth

__all__ = ["AllCondition"]


class AllCondition(Composition):
    """All of them."""

    model_config = ConfigDict(defer_build=True)
    examples: ClassVar[tuple[str, ...]] = (
        "{kind: all, of: [{kind: status}, {kind: metric, metric: rows, operator: <, threshold: 1}]}",
    )

    kind: Literal["all"]

    def combine(self, truths: Sequence[Truth]) -> Truth:
        return both(truths)
