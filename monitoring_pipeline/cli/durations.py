"""Durations on the command line: 30m, 24h, 7d."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import click

from monitoring_pipeline.clock import parse_duration

__all__ = ["DURATION", "DurationType"]


class DurationType(click.ParamType):
    """A duration longer than nothing, as a timedelta."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> timedelta:
        """Reads it, or says what is allowed."""
        if isinstance(value, timedelta):
            return value
        try:
            duration = parse_duration(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)
        if duration <= timedelta(0):
            self.fail("it must be longer than nothing", param, ctx)
        return duration


DURATION = DurationType()
