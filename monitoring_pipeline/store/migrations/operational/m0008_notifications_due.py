"""Version 8: what is still to be sent is found by its small index, whatever order indexes were made in.

SQLite knows no statistics of a young table: of indexes that seem as good as each other it takes the one made last.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from monitoring_pipeline.store.migrations import Migration

__all__ = ["migration"]


def _apply(connection: Connection) -> None:
    connection.execute(text("DROP INDEX notifications_due"))
    connection.execute(
        text(
            "CREATE INDEX notifications_due ON notifications (channel, severity, due) "
            "WHERE state IN ('waiting', 'collecting', 'sending')"
        )
    )


migration = Migration(8, "notifications_due", _apply)
