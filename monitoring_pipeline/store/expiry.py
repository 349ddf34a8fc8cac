"""Deletes what has been kept long enough, in both stores.

A hot row goes only when the *previous* published copy has it too, so that somebody who is just
reading with the copy before the newest misses nothing. What decides is the id; age only tells how
far to go, so an age that is a little off costs nothing.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from sqlalchemy import Connection, Table, delete, func, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.collection_hours import expire_hours
from monitoring_pipeline.store.hot import HOT
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.rollups.keeping import expire_rollups, keep_until
from monitoring_pipeline.store.sla_days import expire_days
from monitoring_pipeline.store.spec import RetentionSpec
from monitoring_pipeline.store.tables import beats
from monitoring_pipeline.store.warehouse import TIME_COLUMNS, literal, open_warehouse, transaction

__all__ = ["expire_hot", "expire_warehouse"]

_BATCH_ROWS = 20_000
_BEATS_KEPT = 100
_NEWEST_STAYS = {"quality_runs": ("source", "suite")}
"""Of these tables the newest row of each of these stays, however old: what comes next is compared with it."""
_LASTING = {
    "status_changes": """SELECT arg_max(id, ("at", id)) FROM status_changes WHERE "at" < {cutoff} GROUP BY source""",
}
"""What stays of old rows in the warehouse: a status holds until the next one, and some have held for years."""


def expire_hot(
    store: OperationalStore, retention: RetentionSpec, now: datetime, batch_rows: int = _BATCH_ROWS
) -> dict[str, int]:
    """Deletes hot rows older than `retention.hot` that were published twice; returns how many per table.

    Of heartbeats the newest 100 of each key stay, and all of the last `retention.changes`. Every
    transaction deletes at most `batch_rows`, so checks never wait long to write theirs.
    """
    with store.read() as connection:
        reached = marks.read_marks(connection).published_before
    cutoff = to_us(now - retention.hot)
    deleted = {name: _expire_log(store, name, reached.get(name, 0), cutoff, batch_rows) for name in HOT}
    deleted["beats"] = _expire_beats(store, to_us(now - retention.changes), batch_rows)
    return deleted


def expire_warehouse(warehouse_path: Path, retention: RetentionSpec, now: datetime) -> dict[str, int]:
    """Deletes history older than `retention` and gives its blocks back for reuse; rows per table.

    Readers see it with the next published copy.
    """
    kept: dict[str, timedelta] = {
        "results": retention.results,
        "samples": retention.samples,
        "gaps": retention.changes,
        "status_changes": retention.changes,
        "quality_runs": retention.quality,
        "collections": retention.collections,
        "events": retention.changes,
    }
    deleted = {}
    with open_warehouse(warehouse_path, now) as warehouse:
        for name, column in TIME_COLUMNS.items():
            with transaction(warehouse):
                cutoff = keep_until(warehouse, name, now - kept[name])
                old = f'DELETE FROM {name} WHERE "{column}" < {literal(cutoff)}'  # noqa: S608 - names of our own
                if name in _LASTING:
                    old += f" AND id NOT IN ({_LASTING[name].format(cutoff=literal(cutoff))})"
                deleted[name] = int(warehouse.execute(old).fetchall()[0][0])
        deleted |= expire_hours(warehouse, now - retention.collections)
        deleted |= expire_rollups(warehouse, retention.rollups, now)
        deleted |= expire_days(warehouse, now - retention.changes)
        warehouse.execute("CHECKPOINT")
    return deleted


def _expire_log(store: OperationalStore, name: str, reached: int, cutoff: int, batch_rows: int) -> int:
    table = HOT[name]
    with store.read() as connection:
        first = connection.execute(select(func.min(table.c.id))).scalar_one()
        last = 0 if first is None else _last_before(connection, table, first, reached, cutoff)
    deleted = 0
    while first is not None and first <= last:
        upto = min(last, first + batch_rows - 1)
        deleted += _delete_upto(store, table, upto)
        first = upto + 1
    return deleted


def _delete_upto(store: OperationalStore, table: Table, upto: int) -> int:
    with store.write() as connection:
        old = delete(table).where(table.c.id <= upto)
        if table.name in _NEWEST_STAYS:
            each = [table.c[name] for name in _NEWEST_STAYS[table.name]]
            old = old.where(table.c.id.not_in(select(func.max(table.c.id)).group_by(*each)))
        count = connection.execute(old).rowcount
        marks.mark_expired(connection, table.name, upto)
    return int(count)


def _last_before(connection: Connection, table: Table, first: int, reached: int, cutoff: int) -> int:
    """The highest id up to `reached` that is older than `cutoff`, by bisection.

    Rows arrive nearly in the order of time, so twenty look-ups by id replace an index on time that
    every insert would pay for.
    """
    time = table.c[TIME_COLUMNS[table.name]]
    low, high = first - 1, reached
    while low < high:
        middle = (low + high + 1) // 2
        row = connection.execute(select(time).where(table.c.id <= middle).order_by(table.c.id.desc()).limit(1)).first()
        if row is None or row[0] < cutoff:
            low = middle
        else:
            high = middle - 1
    return low


def _expire_beats(store: OperationalStore, cutoff: int, batch_rows: int) -> int:
    with store.read() as connection:
        oldest = connection.execute(select(beats.c.at).order_by(beats.c.id).limit(1)).scalar()
        if oldest is None or oldest >= cutoff:
            return 0
        rank = func.row_number().over(partition_by=beats.c.key, order_by=beats.c.id.desc()).label("rank")
        ranked = select(beats.c.id, beats.c.at, rank).subquery()
        old = select(ranked.c.id).where(ranked.c.rank > _BEATS_KEPT, ranked.c.at < cutoff).order_by(ranked.c.id)
        ids = list(connection.execute(old).scalars())
    for start in range(0, len(ids), chunk := min(batch_rows, 5_000)):
        with store.write() as connection:
            connection.execute(delete(beats).where(beats.c.id.in_(ids[start : start + chunk])))
    return len(ids)
