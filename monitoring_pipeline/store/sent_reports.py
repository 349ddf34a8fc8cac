"""Which reports were sent: a row per report and period, written before the e-mail goes out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, insert, or_, select, update

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store.tables import sent_reports

__all__ = ["claim", "not_to_send", "note"]


def not_to_send(connection: Connection, keys: Sequence[str], now: datetime) -> set[str]:
    """Those of the keys that were sent, that somebody is sending, or that are not to be tried again yet."""
    query = select(sent_reports.c.key).where(
        sent_reports.c.key.in_(list(keys)),
        or_(sent_reports.c.sent.is_not(None), sent_reports.c.due > to_us(now)),
    )
    return set(connection.execute(query).scalars())


def claim(connection: Connection, key: str, now: datetime, lease: timedelta) -> bool:
    """Takes a report that is due, for as long as the lease; False when somebody else has it, or it was sent."""
    until, present = to_us(now + lease), to_us(now)
    known = connection.execute(select(sent_reports.c.key).where(sent_reports.c.key == key)).first()
    if known is None:
        connection.execute(insert(sent_reports).values(key=key, attempts=1, due=until, sent=None, error=""))
        return True
    taken = connection.execute(
        update(sent_reports)
        .where(sent_reports.c.key == key, sent_reports.c.sent.is_(None), sent_reports.c.due <= present)
        .values(due=until, attempts=sent_reports.c.attempts + 1)
    )
    return taken.rowcount == 1


def note(connection: Connection, key: str, now: datetime, error: str, wait: Callable[[int], timedelta]) -> None:
    """Writes down that a report was sent, or why not; then it is due again after `wait` of the attempts so far."""
    mine = sent_reports.c.key == key
    if not error:
        connection.execute(update(sent_reports).where(mine).values(sent=to_us(now), error=""))
        return
    attempts = connection.execute(select(sent_reports.c.attempts).where(mine)).scalar_one()
    connection.execute(update(sent_reports).where(mine).values(error=error, due=to_us(now + wait(attempts))))
