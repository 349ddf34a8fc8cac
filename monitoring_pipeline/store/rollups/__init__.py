"""History in buckets of a minute, an hour, a day and a week (UTC): what long questions read.

`roll_up` builds what ended since the last time and whatever late rows touched, `rebuild` builds given days anew;
`series`, `totals`, `executions` and `uptime` answer from the buckets and, for the time that has none yet, from the rows
themselves, so an answer is as fresh as history is. docs/history.md says what the figures mean.
"""

from monitoring_pipeline.store.rollups.building import rebuild, roll_up
from monitoring_pipeline.store.rollups.keeping import expire_rollups, keep_until
from monitoring_pipeline.store.rollups.levels import DAY, HOUR, LEVELS, MINUTE, WEEK, Level, level_for
from monitoring_pipeline.store.rollups.reading import (
    READS,
    executions,
    found,
    response_series,
    series,
    series_query,
    totals,
    uptime,
    volume,
)

__all__ = [
    "DAY",
    "HOUR",
    "LEVELS",
    "MINUTE",
    "READS",
    "WEEK",
    "Level",
    "executions",
    "expire_rollups",
    "found",
    "keep_until",
    "level_for",
    "rebuild",
    "response_series",
    "roll_up",
    "series",
    "series_query",
    "totals",
    "uptime",
    "volume",
]
