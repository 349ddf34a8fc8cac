"""`heartbeat`: a job reports in; its silence is the alarm (a dead-man's switch)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.clock import Duration
from monitoring_pipeline.deadlines import Cron, Zone, next_due
from monitoring_pipeline.errors import CheckError
from monitoring_pipeline.records import CheckType

__all__ = ["HeartbeatCheck"]

_LOOK_BACK = 200
Beat = Mapping[str, Any]


class HeartbeatCheck(Check):
    """Expects a job to report success every so often, or after each moment of a cron expression.

    A job may also report its start and its failure. A start in time postpones the deadline by
    `max_duration`, and a start that nothing follows within it is a job that hangs.
    """

    kind: Literal["heartbeat"]
    interval: Duration = Field(timedelta(seconds=10), description="How often the deadline is looked at.")
    type: CheckType = CheckType.CUSTOM
    every: Duration | None = Field(None, description="Longest normal time between two successes.")
    expect_cron: Cron | None = Field(None, description="When the job runs, as a cron expression, instead of `every`.")
    expect_timezone: Zone = Field("UTC", description="The time zone in which `expect_cron` is read.")
    grace: Duration = Field(timedelta(minutes=1), description="How much later than expected a success may come.")
    max_duration: Duration | None = Field(None, description="How long the job may run from its start.")

    metrics: ClassVar[Mapping[str, str]] = {"age_s": "s", "overdue_s": "s", "duration_ms": "ms", "failures": ""}
    default_conditions: ClassVar[tuple[str, ...]] = ("overdue_s == 0", "failures == 0", "stuck == false")
    remote: ClassVar[bool] = False

    @model_validator(mode="after")
    def _expects_one_thing(self) -> HeartbeatCheck:
        if (self.every is None) == (self.expect_cron is None):
            raise ValueError("give either `every` or `expect_cron`")
        return self

    async def probe(self, context: ProbeContext) -> Probe:
        """Reads the newest beats. Raises CheckError while none has ever arrived."""
        beats = context.facts.beats(context.key, _LOOK_BACK)
        if not beats:
            raise CheckError("no heartbeat yet")
        values = {**_story(beats, context.now), **self._lateness(beats, context.now)}
        values["stuck"] = self.max_duration is not None and values["running_s"] > self.max_duration.total_seconds()
        details = {"deadline": self.deadline(beats).isoformat(), "message": str(beats[0].get("message") or "")[:500]}
        return Probe(values, details=details)

    def _lateness(self, beats: Sequence[Beat], now: datetime) -> dict[str, Any]:
        overdue_s = (now - self.deadline(beats)).total_seconds()
        return {"late": overdue_s > 0, "overdue_s": max(0.0, overdue_s)}

    def deadline(self, beats: Sequence[Beat]) -> datetime:
        """The moment (UTC) by which the next success must have arrived; `beats` newest first, not empty."""
        last = _newest(beats, "success")
        # Without a success in sight, time counts from the oldest beat we know.
        deadline = self._next_after((last or beats[-1])["at"]) + self.grace
        start = _running_since(beats)
        if start is not None and self.max_duration is not None and start <= deadline:
            return max(deadline, start + self.max_duration)
        return deadline

    def _next_after(self, moment: datetime) -> datetime:
        if self.every is not None:
            return moment + self.every
        due = next_due(self.expect_cron or "", self.expect_timezone, moment)
        return due or datetime.max.replace(tzinfo=UTC) - timedelta(days=400)


def _newest(beats: Sequence[Beat], *signals: str) -> Beat | None:
    return next((beat for beat in beats if beat["signal"] in signals), None)


def _running_since(beats: Sequence[Beat]) -> datetime | None:
    """When the run under way started: the oldest start that no success or failure followed."""
    starts = list(takewhile(lambda beat: beat["signal"] == "start", beats))
    return starts[-1]["at"] if starts else None


def _story(beats: Sequence[Beat], now: datetime) -> dict[str, Any]:
    """What the beats tell, without judging it. Names without a value are left out, so they are unknown."""
    success, end, since = _newest(beats, "success"), _newest(beats, "success", "fail"), _running_since(beats)
    ends = [beat["signal"] for beat in beats if beat["signal"] != "start"]
    values = {
        "last_signal": beats[0]["signal"],
        "running": since is not None,
        "running_s": max(0.0, (now - since).total_seconds()) if since else 0.0,
        "failures": len(list(takewhile(lambda signal: signal == "fail", ends))),
        "beats": len(beats),
        "age_s": max(0.0, (now - success["at"]).total_seconds()) if success else None,
        "duration_ms": end.get("duration_ms") if end else None,
        "exit_code": end.get("exit_code") if end else None,
    }
    return {name: value for name, value in values.items() if value is not None}
