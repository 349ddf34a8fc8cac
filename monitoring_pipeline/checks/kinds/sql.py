"""The `sql` kind: asks a database one read-only question."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Literal

from pydantic import Field, field_validator

from monitoring_pipeline.checks.check import Check, Probe, ProbeContext
from monitoring_pipeline.reach.database import Answer, DatabaseUrl, ask, bring_in

__all__ = ["SqlCheck"]

_SHOWN_TEXT = 1000
_SHOWN_COLUMNS = 20


class SqlCheck(Check):
    """Connects to a database afresh, runs one statement that may only read, and looks at what comes back.

    Values: `connected`, `connect_ms`, `query_ms`, `response_time_ms` (both), `rows` (counted up to
    `max_rows`, then `rows_truncated`), `value` (first column of the first row), `row.NAME` (columns
    of the first row), and, where the server tells, `active_connections` (client sessions),
    `max_connections` and `connection_percent`.

    Whose fault is it? Critical, because the source is bad: refused, unknown host, access denied,
    missing database, file, table or column, statement time-out, lost connection, damaged file.
    Unknown, because the check is: syntax errors, wrong types or functions, a statement that writes,
    a DuckDB file that a writer holds (DuckDB then lets nobody read), a file that we may not read.

    Reading only is enforced: a READ ONLY transaction with a statement time-out on PostgreSQL, MySQL
    and MariaDB; `mode=ro` without ATTACH on SQLite; a read-only, locked-down engine without access
    to other files or the network on DuckDB. Functions that act although the transaction is read-only
    (pg_terminate_backend, dblink) are up to the rights of the role, so give it few.
    """

    kind: Literal["sql"]
    url: DatabaseUrl = Field(
        description="postgresql://, mysql://, mariadb://, sqlite:///path or duckdb:///path, in SQLAlchemy's spelling."
    )
    query: str = Field("SELECT 1", description="One statement that only reads.")
    max_rows: int = Field(1000, ge=1, le=1_000_000, description="Rows are fetched and counted up to this number.")
    server_stats: bool = Field(True, description="Also ask the server for its number of connections.")

    metrics: ClassVar[Mapping[str, str]] = {
        "response_time_ms": "ms",
        "connect_ms": "ms",
        "query_ms": "ms",
        "rows": "rows",
        "value": "",
        "active_connections": "connections",
        "max_connections": "connections",
        "connection_percent": "%",
    }

    @field_validator("query")
    @classmethod
    def _query_is_given(cls, query: str) -> str:
        if not query.strip():
            raise ValueError("the query is empty; leave it out to run SELECT 1")
        return query

    def warm_up(self) -> None:
        """See `Check.warm_up`."""
        bring_in(self.url)

    async def probe(self, context: ProbeContext) -> Probe:
        """See the class."""
        answer = await ask(
            self.url,
            self.query,
            context=context,
            max_rows=self.max_rows,
            server_stats=self.server_stats,
        )
        row = _row(answer)
        details: dict[str, Any] = {"row": dict(list(row.items())[:_SHOWN_COLUMNS])} if row else {}
        if answer.stats_problem:
            details["server_stats"] = f"not available: {answer.stats_problem}"
        return Probe(_values(answer, row), details=details)


def _values(answer: Answer, row: Mapping[str, Any]) -> dict[str, Any]:
    values = {
        "connected": True,
        "connect_ms": answer.connect_ms,
        "query_ms": answer.query_ms,
        "response_time_ms": answer.connect_ms + answer.query_ms,
        "rows": answer.rows,
        "rows_truncated": answer.truncated,
        "row": dict(row),
        **answer.stats,
    }
    if answer.first:
        values["value"] = _plain(answer.first[0])
    return values


def _row(answer: Answer) -> dict[str, Any]:
    if answer.first is None:
        return {}
    return {name: _plain(value) for name, value in zip(answer.columns, answer.first, strict=False)}


def _plain(value: Any) -> Any:
    """The value as JSON knows it: numbers stay numbers, moments become ISO text, durations seconds."""
    if value is None or isinstance(value, (bool, int, float)):
        return value
    if isinstance(value, Decimal):
        return int(value) if value.is_finite() and value == value.to_integral_value() else float(value)
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value[:_SHOWN_TEXT]).hex()[:_SHOWN_TEXT]
    return str(value)[:_SHOWN_TEXT]
