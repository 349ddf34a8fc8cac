"""What moved lately, from the hot rows alone: cheap enough to ask again every second.

Ids grow with time, so the newest rows are found from the end of the table without an index on time.
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, select

from monitoring_pipeline.store.tables import gaps, status_changes

__all__ = ["changes_since", "gaps_since"]

_LIMIT = 100_000


def changes_since(connection: Connection, since_us: int) -> Sequence[tuple[str, int, str, str]]:
    """(source, at, before, after) of status changes from a moment on, oldest first; the newest 100,000."""
    columns = (status_changes.c.source, status_changes.c.at, status_changes.c.before, status_changes.c.after)
    query = select(*columns).where(status_changes.c.at >= since_us).order_by(status_changes.c.id.desc()).limit(_LIMIT)
    return [(row[0], row[1], row[2], row[3]) for row in connection.execute(query)][::-1]


def gaps_since(connection: Connection, since_us: int) -> Sequence[tuple[str, int, int]]:
    """(source, start, end) of stretches that ended after a moment and in which nobody executed slots."""
    query = (
        select(gaps.c.source, gaps.c.start, gaps.c.end)
        .where(gaps.c.end >= since_us)
        .order_by(gaps.c.id.desc())
        .limit(_LIMIT)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]
