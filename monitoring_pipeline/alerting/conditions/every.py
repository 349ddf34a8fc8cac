"""Holds while all of several conditions hold."""

from __future__ import annotations

from typing import Literal

from pydantic import ConfigDict, Field

from monitoring_pipeline.alerting.condition import AnyCondition, Condition

__all__ = ["AllCondition"]


class AllCondition(Condition):
    """All of them."""

    model_config = ConfigDict(defer_build=True)

    kind: Literal["all"]
    of: tuple[AnyCondition, ...] = Field(min_length=1, description="The conditions.")
