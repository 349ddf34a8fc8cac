"""History in buckets: per level what was measured and what checks found, and how far each level is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

# Series have numbers here: names are long, and a number costs next to nothing where rows lie by series. Buckets
# count seconds, which halves their room against microseconds. A bucket of one point is kept as that point, its sum;
# the views say it in full.
_LEVELS = {"minute": "minutely", "hour": "hourly", "day": "daily", "week": "weekly"}
_ALONE = ("min", "max", "earliest", "latest", "p50", "p95", "p99")
_STATES = (
    """
    CREATE TABLE series (
        id INTEGER NOT NULL, source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, metric VARCHAR NOT NULL,
        unit VARCHAR NOT NULL
    )
    """,
    # Up to when a level is built from a log, and the last of its rows that was looked at.
    """
    CREATE TABLE rolled (
        log VARCHAR NOT NULL, level VARCHAR NOT NULL, until TIMESTAMP NOT NULL, last_id BIGINT NOT NULL,
        store_id VARCHAR
    )
    """,
    # Since when a log is whole: what began before has lost rows to the retention.
    "CREATE TABLE kept_since (log VARCHAR NOT NULL, since TIMESTAMP NOT NULL)",
)


def _values(level: str) -> str:
    more = ", p25 DOUBLE, p75 DOUBLE, sketch MAP(INTEGER, UINTEGER)" if level in ("day", "week") else ""
    return f"""
        CREATE TABLE values_{level} (
            series INTEGER NOT NULL, bucket TIMESTAMP_S NOT NULL, count UINTEGER NOT NULL, sum DOUBLE NOT NULL,
            min DOUBLE, max DOUBLE, earliest DOUBLE, latest DOUBLE, p50 DOUBLE, p95 DOUBLE, p99 DOUBLE,
            outliers UINTEGER{more}
        )
    """


def _executions(level: str) -> str:
    return f"""
        CREATE TABLE executions_{level} (
            series INTEGER NOT NULL, bucket TIMESTAMP_S NOT NULL, healthy UINTEGER NOT NULL, warning UINTEGER NOT NULL,
            critical UINTEGER NOT NULL, unknown UINTEGER NOT NULL, skipped UINTEGER NOT NULL, missed UINTEGER NOT NULL,
            unknown_s DOUBLE NOT NULL
        )
    """


def _values_view(level: str, name: str) -> str:
    whole = ", ".join(f"coalesce(v.{column}, v.sum) AS {column}" for column in _ALONE)
    return f"""
        CREATE VIEW {name} AS
        SELECT s.source, s.check_id, s.metric, s.unit, v.bucket::TIMESTAMP AS start, v.count, v.sum / v.count AS avg,
               v.sum, {whole}, v.outliers
        FROM values_{level} AS v JOIN series AS s ON s.id = v.series
    """  # noqa: S608 - names of our own


def _executions_view(level: str, name: str) -> str:
    return f"""
        CREATE VIEW {name}_results AS
        SELECT s.source, s.check_id, e.bucket::TIMESTAMP AS start, e.* EXCLUDE (series, bucket)
        FROM executions_{level} AS e JOIN series AS s ON s.id = e.series
    """  # noqa: S608 - names of our own


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _STATES:
        connection.execute(statement)
    for level, name in _LEVELS.items():
        for statement in (_values(level), _executions(level), _values_view(level, name), _executions_view(level, name)):
            connection.execute(statement)


migration = Migration(3, "rollups", _apply)
