"""When a check is due: fixed slots on the clock, spread out by a stable jitter per check.

A check of interval T has the slots `phase + k * T` for all whole k, where the phase is a hash of its
key: the same after every restart, on every machine. Phases are whole quarters of a second, because
probes that begin together cost half the CPU of probes that each wake the process. A cron check has
the moments of its expression. All moments are whole microseconds since 1970 (UTC).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from monitoring_pipeline.checks.check import BoundCheck
from monitoring_pipeline.clock import format_duration, from_us, to_us
from monitoring_pipeline.deadlines import last_due, next_due

__all__ = ["Schedule", "Schedules", "schedule_of"]

_STEP_US = 250_000
_NEVER_US = 10 * 366 * 86_400_000_000


@dataclass(frozen=True, slots=True)
class Schedule:
    """The slots of one check: either `interval_us` and `phase_us`, or a cron expression in a zone."""

    interval_us: int | None
    phase_us: int = 0
    cron: str = ""
    timezone: str = "UTC"
    text: str = ""

    def following(self, after_us: int) -> int:
        """The first slot later than a moment."""
        if self.interval_us is None:
            return self._cron_slot(after_us, forward=True)
        return after_us - (after_us - self.phase_us) % self.interval_us + self.interval_us

    def latest(self, at_us: int) -> int:
        """The last slot at or before a moment."""
        if self.interval_us is None:
            return self._cron_slot(at_us, forward=False)
        return at_us - (at_us - self.phase_us) % self.interval_us

    def missed(self, first_us: int, before_us: int) -> int:
        """How many slots lie from `first_us` (counted) up to `before_us` (not counted)."""
        if self.interval_us is not None:
            return max(0, -(-(before_us - first_us) // self.interval_us))
        count, slot = 0, first_us
        while slot < before_us and count < 10_000:
            count, slot = count + 1, self.following(slot)
        return count

    def _cron_slot(self, moment_us: int, *, forward: bool) -> int:
        find = next_due if forward else last_due
        found = find(self.cron, self.timezone, from_us(moment_us))
        if found is None:  # such as the 30th of February
            return moment_us + _NEVER_US if forward else moment_us - _NEVER_US
        return to_us(found)


def schedule_of(bound: BoundCheck) -> Schedule:
    """The schedule of a check."""
    check = bound.check
    if check.cron:
        return Schedule(None, cron=check.cron, timezone=check.timezone, text=f"cron {check.cron} {check.timezone}")
    interval_us = round(check.interval.total_seconds() * 1e6)
    digest = hashlib.blake2b(bound.key.encode(), digest_size=8).digest()
    phase_us = int.from_bytes(digest, "big") % interval_us // _STEP_US * _STEP_US
    return Schedule(interval_us, phase_us, text=f"every {format_duration(check.interval)}")


class Schedules(dict[str, Schedule]):
    """The schedules of enabled checks by key, each computed when it is first asked for."""

    def __init__(self, checks: Mapping[str, BoundCheck]) -> None:
        super().__init__()
        self._checks = checks

    def get(self, key: str, default: Any = None) -> Any:
        """The schedule of a check, or the default when there is no such check or it is disabled."""
        found = super().get(key)
        if found is None:
            bound = self._checks.get(key)
            if bound is None or not bound.check.enabled:
                return default
            found = self[key] = schedule_of(bound)
        return found
