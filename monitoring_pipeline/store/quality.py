"""Runs of quality suites in the operational store: appended here, moved to the warehouse later.

The newest run of every suite stays here however old it is: the next one is compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, delete, func, insert, select

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import QualityRun, Status
from monitoring_pipeline.store.tables import quality_keys, quality_runs
from monitoring_pipeline.store.warehouse import aware, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["forget_keys", "insert_run", "last_begun", "latest_runs", "run_by_key", "run_of_history", "score_history",
           "unjudged_within"]  # fmt: skip


def insert_run(connection: Connection, run: QualityRun, key: str = "") -> None:
    """Appends one run; `key` is what whoever reported it calls it."""
    row = {
        "source": run.source, "suite": run.suite, "started": to_us(run.started), "at": to_us(run.at),
        "status": run.status.value, "score": run.score, "rows": run.rows, "expectations": run.expectations,
        "failed": run.failed, "errors": run.errors, "message": run.message, "dimensions": _json(run.dimensions),
        "profile": _json(run.profile), "findings": _json(list(run.findings)),
    }  # fmt: skip
    number = connection.execute(insert(quality_runs).returning(quality_runs.c.id), row).scalar_one()
    if key:
        named = {"source": run.source, "suite": run.suite, "key": key, "run": number, "at": to_us(run.at)}
        connection.execute(insert(quality_keys), named)


def run_by_key(connection: Connection, source: str, suite: str, key: str) -> tuple[int | None, QualityRun | None]:
    """The number of the run that was reported by this key, and the run where it still is among the hot ones."""
    keys = quality_keys.c
    known = select(keys.run).where(keys.source == source, keys.suite == suite, keys.key == key)
    number = connection.execute(known).scalar()
    if number is None:
        return None, None
    row = connection.execute(select(quality_runs).where(quality_runs.c.id == number)).first()
    return number, None if row is None else _run(row)


def run_of_history(history: DuckDBPyConnection, number: int) -> QualityRun | None:
    """A run by its number. Needs the view `quality_runs`."""
    row = history.execute(
        'SELECT source, suite, started, "at", status, score, rows, expectations, failed, errors, message, dimensions, '  # noqa: S608
        f"profile, findings FROM quality_runs WHERE id = {number}"
    ).fetchone()
    if row is None:
        return None
    source, suite, started, at, status, score, rows, expectations, failed, errors, message, *texts = row
    dimensions, profile, findings = map(json.loads, texts)
    return QualityRun(
        source, suite, aware(started), aware(at), Status(status), score, rows, expectations, failed, errors, message,
        dimensions, profile, findings,
    )  # fmt: skip


def forget_keys(connection: Connection, before: datetime) -> int:
    """Forgets by which keys runs were reported before then; how many."""
    return connection.execute(delete(quality_keys).where(quality_keys.c.at < to_us(before))).rowcount


def latest_runs(connection: Connection, *, source: str | None = None) -> list[QualityRun]:
    """The newest run of every suite of every source, or of those of one source, by suite."""
    runs = quality_runs.c
    newest = select(func.max(runs.id)).group_by(runs.source, runs.suite)
    if source is not None:
        newest = newest.where(runs.source == source)
    query = select(quality_runs).where(runs.id.in_(newest)).order_by(runs.suite, runs.source)
    return [_run(row) for row in connection.execute(query)]


def last_begun(connection: Connection) -> dict[str, datetime]:
    """When every suite was begun last, of runs that were recorded."""
    # By id and not by time: after a clock went back the newest run is not the latest one.
    newest = select(func.max(quality_runs.c.id)).group_by(quality_runs.c.suite)
    query = select(quality_runs.c.suite, quality_runs.c.started).where(quality_runs.c.id.in_(newest))
    return {suite: from_us(started) for suite, started in connection.execute(query)}


def score_history(
    connection: DuckDBPyConnection, source: str, suite: str, limit: int
) -> list[tuple[datetime, str, float | None]]:
    """Moment, status and score of the newest runs of a suite in a history, oldest first."""
    rows = connection.execute(
        f'SELECT epoch_us("at"), status, score FROM quality_runs '  # noqa: S608
        f"WHERE source = {literal(source)} AND suite = {literal(suite)} "
        f'ORDER BY "at" DESC, id DESC LIMIT {limit}'
    ).fetchall()
    return [(from_us(moment), status, score) for moment, status, score in reversed(rows)]


def unjudged_within(
    connection: DuckDBPyConnection, sources: Collection[str], dimension: str, start: datetime, end: datetime
) -> dict[str, list[tuple[int, int]]]:
    """Per source the stretches (microseconds) in which some suite's newest run could not judge something.

    A stretch lasts until the suite's next run, or to `end`; runs before `start` are not looked at. Only what is about
    a `dimension` counts, where one is given. Needs the view `quality_runs`.
    """
    unjudged = "errors > 0 OR status = 'unknown'"
    if dimension:
        findings = """from_json(findings, '[{"met": "BOOLEAN", "dimension": "VARCHAR"}]')"""
        about = f"lambda each: each.met IS NULL AND each.dimension = {literal(dimension)}"
        unjudged = f"score IS NULL AND status = 'unknown' OR len(list_filter({findings}, {about})) > 0"
    among = ", ".join(map(literal, sorted(sources)))
    rows = connection.execute(
        f"""
        SELECT source, moment, coalesce(next, {to_us(end)}) FROM (
            SELECT source, epoch_us("at") AS moment, ({unjudged}) AS unjudged,
                   lead(epoch_us("at")) OVER (PARTITION BY source, suite ORDER BY "at", id) AS next
            FROM quality_runs
            WHERE source IN ({among}) AND "at" >= {literal(start)} AND "at" < {literal(end)}
        ) WHERE unjudged ORDER BY source, moment
        """  # noqa: S608 - our own names and escaped literals
    ).fetchall()
    found: dict[str, list[tuple[int, int]]] = {}
    for source, begin, until in rows:
        found.setdefault(source, []).append((begin, until))
    return found


def _run(row: Row[Any]) -> QualityRun:
    return QualityRun(
        source=row.source, suite=row.suite, started=from_us(row.started), at=from_us(row.at), status=Status(row.status),
        score=row.score, rows=row.rows, expectations=row.expectations, failed=row.failed, errors=row.errors,
        message=row.message, dimensions=json.loads(row.dimensions), profile=json.loads(row.profile),
        findings=json.loads(row.findings),
    )  # fmt: skip


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str, separators=(",", ":"))
