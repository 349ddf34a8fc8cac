"""Holds while one of several conditions holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal

from pydantic import ConfigDict

from monitoring_pipeline.alerting.rules.composition import Composition, either
from monitoring_pipeline.alerting.rules.condition import Truth

__all__ = ["AnyOfCondition"]


class AnyOfCondition(Composition):
    """One of them at least."""

    model_config = ConfigDict(defer_build=True)
    examples: ClassVar[tuple[str, ...]] = ("{kind: any, of: [{kind: status}, {kind: anomaly, metric: rows}]}",)

    kind: Literal["any"]

    def combine(self, truths: Sequence[Truth]) -> Truth:
        return either(truths)

    def words(self, truth: Truth, texts: Sequence[tuple[Truth, str]]) -> str:
        return " and ".join(text for holds, text in texts if holds or not truth)
