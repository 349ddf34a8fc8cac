"""Quality suites: ten expectations on a million rows, out of each kind of table.

A suite as people write them (missing values, duplicates, sets, patterns, ranges, a mean, two columns, a row count)
on a table of twelve columns, profile and schema included, in the process that suites have. "Beyond the fetch" is
everything but opening the table and bringing its rows into frames. Starting that process and importing what judges
is paid once per run of Dagster or of the command line, however many suites it examines.
"""

from __future__ import annotations

import argparse
import sqlite3
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import duckdb

from bench.figures import Row
from bench.table import arguments, show
from monitoring_pipeline.clock import system_clock
from monitoring_pipeline.quality.examine import Order
from monitoring_pipeline.quality.outcome import Examination
from monitoring_pipeline.quality.spec import SuiteSpec
from monitoring_pipeline.quality.workshop import Workshop

__all__ = ["main"]

_TABLE = """
    SELECT i AS id, i % 50000 AS customer, CASE WHEN i % 997 = 0 THEN NULL ELSE (i % 10000) / 100.0 END AS net,
        (i % 10000) / 100.0 + 1 AS total, ['open', 'paid', 'sent', 'back'][1 + i % 4] AS status,
        'person' || (i % 50000) || '@example.com' AS email, TIMESTAMP '2026-01-01' + to_seconds(i) AS placed,
        DATE '2026-01-01' + (i % 300)::INT AS due, i % 3 = 0 AS gift, 'note ' || i AS note, i % 7 AS items,
        'DE' AS country
    FROM range({rows}) t(i)
"""
_EXPECTATIONS: list[dict[str, Any]] = [
    {"type": "expect_column_values_to_not_be_null", "column": "net"},
    {"type": "expect_column_values_to_not_be_null", "column": "email"},
    {"type": "expect_column_values_to_be_unique", "column": "id"},
    {"type": "expect_column_values_to_be_in_set", "column": "status", "value_set": ["open", "paid", "sent", "back"]},
    {"type": "expect_column_values_to_match_regex", "column": "email", "regex": "^[^@ ]+@[^@ ]+$"},
    {"type": "expect_column_values_to_be_between", "column": "total", "min_value": 0, "max_value": 500},
    {"type": "expect_column_values_to_be_between", "column": "placed", "min_value": "2026-01-01"},
    {"type": "expect_column_mean_to_be_between", "column": "items", "min_value": 2, "max_value": 4},
    {"type": "expect_column_pair_values_a_to_be_greater_than_b", "column_A": "total", "column_B": "net",
     "ignore_row_if": "either_value_is_missing"},
    {"type": "expect_table_row_count_to_be_between", "min_value": 1},
]  # fmt: skip


def main() -> None:
    """Runs the benchmark."""
    parser = arguments(__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000, metavar="N", help="rows of the table")
    parser.add_argument("--times", type=int, default=5, metavar="N", help="how often each kind is examined")
    options = parser.parse_args()
    if options.quick:
        options.rows, options.times = min(options.rows, 100_000), 2
    with tempfile.TemporaryDirectory(prefix="bench-") as folder, Workshop() as workshop:
        rows = _measure(Path(folder), workshop, options)
    method = (
        f"{options.rows:,} rows of 12 columns, 10 expectations, profile and schema; the median of {options.times} runs "
        "of each kind after a first one, wall clock"
    )
    show("Quality suites", method, rows, options.json)


def _measure(folder: Path, workshop: Workshop, options: argparse.Namespace) -> list[Row]:
    tables = _tables(folder, options.rows)
    began = time.perf_counter()
    first = _examine(workshop, {"kind": "file", "path": str(folder / "orders.parquet")})
    rows: list[Row] = [("first suite of a process, all in", time.perf_counter() - began, "s")]
    rows.append(("of that, importing what judges", first.seconds["start"], "s"))
    for kind, table in tables.items():
        found = [_examine(workshop, table) for _ in range(options.times)]
        rows += _rows(kind, found)
    return rows


def _tables(folder: Path, rows: int) -> dict[str, dict[str, Any]]:
    """The same rows in each form."""
    query = _TABLE.format(rows=rows)
    with duckdb.connect(str(folder / "orders.duckdb")) as connection:
        connection.execute(f"CREATE TABLE orders AS {query}")
        connection.execute(f"COPY orders TO '{folder}/orders.parquet'")
        connection.execute(f"COPY orders TO '{folder}/orders.csv'")
        columns = [row[0] for row in connection.execute("DESCRIBE orders").fetchall()]
        connection.execute("SELECT * REPLACE (placed::VARCHAR AS placed, due::VARCHAR AS due) FROM orders")
        _write_sqlite(folder / "orders.db", columns, connection)
    return {
        "Parquet": {"kind": "file", "path": str(folder / "orders.parquet")},
        "CSV": {"kind": "file", "path": str(folder / "orders.csv")},
        "DuckDB": {"kind": "duckdb", "path": str(folder / "orders.duckdb"), "table": "orders"},
        "SQLite": {"kind": "sqlite", "path": str(folder / "orders.db"), "table": "orders"},
    }


def _write_sqlite(path: Path, columns: list[str], found: duckdb.DuckDBPyConnection) -> None:
    declared = ", ".join(f"{name} TIMESTAMP" if name in ("placed", "due") else name for name in columns)
    with sqlite3.connect(path) as connection:
        connection.execute(f"CREATE TABLE orders ({declared})")
        while page := found.fetchmany(50_000):
            plain = [[float(value) if name in ("net", "total") and value is not None else value
                      for name, value in zip(columns, row, strict=True)] for row in page]  # fmt: skip
            connection.executemany(f"INSERT INTO orders VALUES ({', '.join('?' * len(columns))})", plain)
    connection.close()


def _examine(workshop: Workshop, table: dict[str, Any]) -> Examination:
    suite = SuiteSpec.model_validate({"source": "orders", "table": table, "expectations": _EXPECTATIONS})
    found = workshop.examine(Order(suite, system_clock()))
    unknown = [finding.text for finding in found.findings if finding.met is None]
    if found.problem or unknown:
        raise RuntimeError(found.problem or unknown[0])
    return found


def _rows(kind: str, found: list[Examination]) -> list[Row]:
    def median(*parts: str) -> float:
        return statistics.median(sum(each.seconds[part] for part in parts) for each in found)

    beyond = statistics.median(each.seconds["total"] - each.seconds["open"] - each.seconds["fetch"] for each in found)
    return [
        (f"{kind}: opening and fetching", median("open", "fetch"), "s"),
        (f"{kind}: beyond the fetch", beyond, "s"),
        (f"{kind}: of that, profile", median("profile"), "s"),
        (f"{kind}: of that, expectations", median("judge"), "s"),
        (f"{kind}: CPU, all in", median("cpu"), "s"),
    ]


if __name__ == "__main__":
    main()
