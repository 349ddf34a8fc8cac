"""What was computed of history: trends, capacity, patterns of failures, risks, performance."""

from __future__ import annotations

from typing import TYPE_CHECKING

from monitoring_pipeline.store.migrations import Migration

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["migration"]

# `period` is the day or the hour that a row speaks for: computing it again replaces all rows of the period.
_SERIES = "source VARCHAR NOT NULL, check_id VARCHAR NOT NULL, metric VARCHAR NOT NULL, unit VARCHAR NOT NULL, tags VARCHAR NOT NULL"  # noqa: E501
_TABLES = (
    f"""
    CREATE TABLE trends (
        period TIMESTAMP NOT NULL, {_SERIES}, since TIMESTAMP NOT NULL, until TIMESTAMP NOT NULL,
        direction VARCHAR NOT NULL, strength DOUBLE NOT NULL, slope_per_day DOUBLE NOT NULL, change DOUBLE NOT NULL,
        change_percent DOUBLE, level DOUBLE NOT NULL, volatility DOUBLE NOT NULL, season DOUBLE NOT NULL,
        p_value DOUBLE NOT NULL, points INTEGER NOT NULL
    )
    """,
    f"""
    CREATE TABLE capacity (
        period TIMESTAMP NOT NULL, {_SERIES}, limit_value DOUBLE NOT NULL, above BOOLEAN NOT NULL,
        why VARCHAR NOT NULL, state VARCHAR NOT NULL, now DOUBLE, horizon_h DOUBLE NOT NULL, earliest_h DOUBLE,
        likely_h DOUBLE, latest_h DOUBLE, chance DOUBLE NOT NULL, per_day DOUBLE NOT NULL, resets INTEGER NOT NULL
    )
    """,
    f"""
    CREATE TABLE forecasts (
        period TIMESTAMP NOT NULL, {_SERIES}, start TIMESTAMP NOT NULL, point DOUBLE NOT NULL, low DOUBLE NOT NULL,
        high DOUBLE NOT NULL, share DOUBLE NOT NULL, mase DOUBLE
    )
    """,
    """
    CREATE TABLE patterns (
        period TIMESTAMP NOT NULL, source VARCHAR NOT NULL, kind VARCHAR NOT NULL, other VARCHAR NOT NULL,
        text VARCHAR NOT NULL, p_value DOUBLE NOT NULL, q_value DOUBLE NOT NULL, support INTEGER NOT NULL,
        total INTEGER NOT NULL, expected DOUBLE NOT NULL, first TIMESTAMP, last TIMESTAMP, examples VARCHAR NOT NULL,
        detail VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE risks (
        period TIMESTAMP NOT NULL, source VARCHAR NOT NULL, status VARCHAR NOT NULL, risk DOUBLE, chance_1h DOUBLE,
        chance_24h DOUBLE, usual_24h DOUBLE, reasons VARCHAR NOT NULL, actions VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE predictors (
        period TIMESTAMP NOT NULL, horizon_h INTEGER NOT NULL, used BOOLEAN NOT NULL, cases INTEGER NOT NULL,
        failures INTEGER NOT NULL, brier DOUBLE, base_brier DOUBLE, weights VARCHAR NOT NULL,
        calibration VARCHAR NOT NULL
    )
    """,
    """
    CREATE TABLE performance (
        period TIMESTAMP NOT NULL, component VARCHAR NOT NULL, score DOUBLE, measured VARCHAR NOT NULL,
        recommendations VARCHAR NOT NULL
    )
    """,
)


def _apply(connection: DuckDBPyConnection) -> None:
    for statement in _TABLES:
        connection.execute(statement)


migration = Migration(6, "outlook", _apply)
