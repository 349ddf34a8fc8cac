"""When a suite is due: at fixed moments of its own, or by a cron expression.

A suite is due when one of its moments came since it was last begun. So what was missed while nobody ran suites is
made up for once, and a run that was killed before it recorded anything is done again.
"""

from __future__ import annotations

import zlib
from datetime import datetime, timedelta

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.deadlines import last_due
from monitoring_pipeline.quality.spec import SuiteSpec

__all__ = ["REPORT_HOLDS", "is_due", "is_overdue"]

REPORT_HOLDS = timedelta(hours=36)
"""How long a report of a suite that is configured nowhere counts: what a day brings is not forgotten over a late night.
"""

_MISSED = 2
_GRACE = timedelta(minutes=10)


def is_due(name: str, suite: SuiteSpec, last: datetime | None, now: datetime) -> bool:
    """Whether a suite that was last begun at `last` (None: never) should be run at `now`, both UTC.

    Suites of one interval do not all begin at once: each has a phase of its own, always the same.
    """
    if not suite.runs_here:
        return False
    if last is None or last > now:
        return True
    if suite.cron is not None:
        due = last_due(suite.cron, suite.timezone, now)
        return due is not None and due > last
    step = round(suite.every.total_seconds() * 1e6)
    phase = int(zlib.crc32(name.encode()) / 2**32 * step)
    return (to_us(now) - phase) // step > (to_us(last) - phase) // step


def is_overdue(suite: SuiteSpec, started: datetime, now: datetime) -> bool:
    """Whether a newer run than that begun at `started` should have come: nobody knows how the data are now."""
    late = now - suite.timeout - _GRACE
    if suite.cron is None:
        return started < late - _MISSED * suite.every
    due = last_due(suite.cron, suite.timezone, late)
    return due is not None and started < due
