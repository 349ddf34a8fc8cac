"""Runs of quality suites in the operational store: appended here, moved to the warehouse later.

The newest run of every suite stays here however old it is: the next one is compared with it.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from datetime import datetime
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, Row, func, insert, select

from monitoring_pipeline.clock import from_us, to_us
from monitoring_pipeline.records import QualityRun, Status
from monitoring_pipeline.store.tables import quality_runs
from monitoring_pipeline.store.warehouse import literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["insert_run", "last_begun", "latest_runs", "score_history", "unjudged_within"]


def insert_run(connection: Connection, run: QualityRun) -> None:
    """Appends one run."""
    row = {
        "source": run.source, "suite": run.suite, "started": to_us(run.started), "at": to_us(run.at),
        "status": run.status.value, "score": run.score, "rows": run.rows, "expectations": run.expectations,
        "failed": run.failed, "errors": run.errors, "message": run.message, "dimensions": _json(run.dimensions),
        "profile": _json(run.profile), "findings": _json(list(run.findings)),
    }  # fmt: skip
    connection.execute(insert(quality_runs), row)


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
