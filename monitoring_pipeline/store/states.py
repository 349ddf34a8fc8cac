"""Current states in the operational store: every check, every source, and how statuses moved."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, delete, insert, or_, select, update

from monitoring_pipeline.clock import from_us_or_none
from monitoring_pipeline.records import BreakerState, CheckState, SourceState, Status
from monitoring_pipeline.store.tables import checks, meta, sources, status_changes

__all__ = [
    "check_rows",
    "check_states",
    "check_statuses",
    "drop_checks",
    "drop_sources",
    "forget_told",
    "get_meta",
    "insert_changes",
    "insert_checks",
    "insert_sources",
    "make_due",
    "mark_told",
    "set_meta",
    "source_rows",
    "source_states",
    "told_before",
    "untold",
    "update_checks",
    "update_definitions",
    "update_sources",
]


def check_rows(connection: Connection, source_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """The rows of all checks, or of those of some sources, by key."""
    query = select(checks)
    if source_ids is not None:
        query = query.where(checks.c.source.in_(list(source_ids)))
    return {row["key"]: dict(row) for row in connection.execute(query).mappings()}


def check_statuses(connection: Connection) -> dict[str, Status]:
    """The status of every check, by key."""
    query = select(checks.c.key, checks.c.status)
    return {row.key: Status(row.status) for row in connection.execute(query)}


def source_rows(connection: Connection, source_ids: Iterable[str] | None = None) -> dict[str, dict[str, Any]]:
    """The rows of all sources, or of some, by id."""
    query = select(sources)
    if source_ids is not None:
        query = query.where(sources.c.id.in_(list(source_ids)))
    return {row["id"]: dict(row) for row in connection.execute(query).mappings()}


_RESULT_COLUMNS = (
    "next_slot", "claimed_slot", "claimed_by", "interruptions", "status", "since", "last_slot", "last_finished",
    "response_time_ms", "message", "failures",
)  # fmt: skip
_UPDATE_CHECK = (
    update(checks).where(checks.c.key == bindparam("of")).values({name: bindparam(name) for name in _RESULT_COLUMNS})
)
_SOURCE_COLUMNS = (
    "status", "since", "score", "reason", "unreachable", "breaker", "breaker_until", "breaker_opened",
)  # fmt: skip
_UPDATE_SOURCE = (
    update(sources).where(sources.c.id == bindparam("of")).values({name: bindparam(name) for name in _SOURCE_COLUMNS})
)


def update_checks(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes what results changed in checks' rows."""
    values = [{"of": row["key"], **{name: row[name] for name in _RESULT_COLUMNS}} for row in rows]
    if values:
        connection.execute(_UPDATE_CHECK, values)


def update_sources(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes sources' rows."""
    values = [{"of": row["id"], **{name: row[name] for name in _SOURCE_COLUMNS}} for row in rows]
    if values:
        connection.execute(_UPDATE_SOURCE, values)


def insert_changes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Appends status changes."""
    if rows:
        connection.execute(insert(status_changes), list(rows))


def insert_checks(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds checks."""
    if rows:
        connection.execute(insert(checks), list(rows))


def insert_sources(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> None:
    """Adds sources."""
    if rows:
        connection.execute(insert(sources), list(rows))


_DEFINITION = ("kind", "critical", "enabled", "schedule", "interval_us", "next_slot")
_UPDATE_DEFINITION = (
    update(checks).where(checks.c.key == bindparam("of")).values({name: bindparam(name) for name in _DEFINITION})
)


def update_definitions(connection: Connection, rows: Iterable[Mapping[str, Any]]) -> None:
    """Writes what the configuration says of checks."""
    values = [{"of": row["key"], **{name: row[name] for name in _DEFINITION}} for row in rows]
    if values:
        connection.execute(_UPDATE_DEFINITION, values)


def drop_checks(connection: Connection, keys: Iterable[str]) -> None:
    """Removes checks that the configuration no longer has."""
    _delete_each(connection, delete(checks).where(checks.c.key == bindparam("of")), keys)


def drop_sources(connection: Connection, ids: Iterable[str]) -> None:
    """Removes sources that the configuration no longer has."""
    _delete_each(connection, delete(sources).where(sources.c.id == bindparam("of")), ids)


def _delete_each(connection: Connection, statement: Any, names: Iterable[str]) -> None:
    rows = [{"of": name} for name in names]
    if rows:
        connection.execute(statement, rows)


def make_due(connection: Connection, key: str, now_us: int) -> None:
    """Brings a check's next slot forward to now, unless somebody executes it."""
    connection.execute(
        update(checks)
        .where(checks.c.key == key, checks.c.next_slot > now_us, checks.c.claimed_by.is_(None))
        .values(next_slot=now_us)
    )


def check_states(connection: Connection) -> dict[str, CheckState]:
    """The latest of every check, by key."""
    return {key: _check_state(row) for key, row in check_rows(connection).items()}


def _check_state(row: Mapping[str, Any]) -> CheckState:
    moment = {name: from_us_or_none(row[name]) for name in _MOMENTS}
    return CheckState(
        source=row["source"], check=row["check_id"], kind=row["kind"], critical=bool(row["critical"]),
        enabled=bool(row["enabled"]), status=Status(row["status"]), since=moment["since"],
        last_slot=moment["last_slot"], last_finished=moment["last_finished"],
        response_time_ms=row["response_time_ms"], message=row["message"], failures=row["failures"],
        next_slot=moment["next_slot"],
        interval_s=None if row["interval_us"] is None else row["interval_us"] / 1e6,
    )  # fmt: skip


_MOMENTS = ("since", "last_slot", "last_finished", "next_slot")


def source_states(connection: Connection) -> dict[str, SourceState]:
    """The latest of every source, by id."""
    return {key: _source_state(row) for key, row in source_rows(connection).items()}


def _source_state(row: Mapping[str, Any]) -> SourceState:
    return SourceState(
        source=row["id"],
        status=Status(row["status"]),
        since=from_us_or_none(row["since"]),
        score=row["score"],
        reason=row["reason"],
        breaker=BreakerState(row["breaker"]),
        breaker_until=from_us_or_none(row["breaker_until"]),
        breaker_opened=row["breaker_opened"],
        told=None if row["told"] is None else Status(row["told"]),
    )


_TELLING_ORDER = case(
    (and_(sources.c.told.is_(None), sources.c.status == Status.HEALTHY.value), 4),
    (sources.c.status == Status.CRITICAL.value, 0),
    (sources.c.status == Status.WARNING.value, 1),
    (sources.c.status == Status.UNKNOWN.value, 2),
    else_=3,
)


def untold(connection: Connection, limit: int) -> list[SourceState]:
    """Sources whose status is not the one last told of them: the worst first, and last those that are
    well and were never told of."""
    query = (
        select(sources)
        .where(sources.c.since.is_not(None), or_(sources.c.told.is_(None), sources.c.told != sources.c.status))
        .order_by(_TELLING_ORDER, sources.c.since)
        .limit(limit)
    )
    return [_source_state(dict(row)) for row in connection.execute(query).mappings()]


def told_before(connection: Connection, limit: int) -> list[str]:
    """Some sources of which something was told."""
    return list(connection.execute(select(sources.c.id).where(sources.c.told.is_not(None)).limit(limit)).scalars())


_MARK_TOLD = update(sources).where(sources.c.id == bindparam("of")).values(told=bindparam("now"))


def mark_told(connection: Connection, statuses: Mapping[str, Status]) -> None:
    """Remembers which status of each source was told."""
    if statuses:
        rows = [{"of": source, "now": status.value} for source, status in statuses.items()]
        connection.execute(_MARK_TOLD, rows)


def forget_told(connection: Connection) -> None:
    """Has everything told again, as to a scheduler that lost its memory."""
    connection.execute(update(sources).values(told=None))


def get_meta(connection: Connection, key: str) -> str | None:
    """One remembered text."""
    return connection.execute(select(meta.c.value).where(meta.c.key == key)).scalar_one_or_none()


def set_meta(connection: Connection, key: str, value: str) -> None:
    """Remembers one text."""
    if connection.execute(update(meta).where(meta.c.key == key).values(value=value)).rowcount == 0:
        connection.execute(insert(meta).values(key=key, value=value))
