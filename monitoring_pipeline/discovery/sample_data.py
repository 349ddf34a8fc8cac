"""The sample data set: its files below the installation's folder, and how they are watched."""

from __future__ import annotations

import csv
import sqlite3
from contextlib import closing
from importlib.resources import files
from pathlib import Path

from monitoring_pipeline.discovery.found import Found

__all__ = ["copy_samples", "sample_sources", "sample_suites"]

_TABLES = {
    "products": "product_id TEXT PRIMARY KEY, name TEXT, category TEXT, price REAL, active TEXT",
    "orders": (
        "order_id TEXT PRIMARY KEY, ordered_at TEXT, customer_id TEXT, product_id TEXT, quantity INTEGER, "
        "amount REAL, country TEXT, state TEXT"
    ),
}
_QUALITY = """\
SELECT count(*) AS orders,
       count(*) - count(DISTINCT order_id) AS duplicates,
       sum(product_id NOT IN (SELECT product_id FROM products)) AS without_product,
       sum(amount IS NULL OR amount <= 0) AS without_amount,
       round(sum(amount), 2) AS revenue
FROM orders
"""


def copy_samples(folder: Path) -> None:
    """Puts the CSV files into a folder, and `shop.db`, a SQLite database made of them."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in _TABLES:
        text = files("monitoring_pipeline.samples").joinpath(f"{name}.csv").read_text()
        (folder / f"{name}.csv").write_text(text)
    partial = folder / ".shop.db.partial"
    partial.unlink(missing_ok=True)
    with closing(sqlite3.connect(partial)) as connection, connection:
        for name, columns in _TABLES.items():
            connection.execute(f"CREATE TABLE {name} ({columns})")
            with (folder / f"{name}.csv").open(newline="") as lines:
                rows = list(csv.reader(lines))[1:]
            marks = ", ".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {name} VALUES ({marks})", rows)  # noqa: S608 - names of our own
    partial.replace(folder / "shop.db")


def sample_sources(folder: Path) -> list[Found]:
    """The files as one source, the database that is made of them as another."""
    exports = {
        "id": "sample-exports",
        "name": "Sample exports of a shop",
        "component": "samples",
        "description": "The shop's CSV exports: are they there, and not cut short?",
        "tags": ["sample"],
        "checks": [
            {
                "id": "orders-file", "kind": "file", "path": str(folder / "orders.csv"), "interval": "1m",
                "conditions": ["found == true", "size between 20000 and 60000"],
            },
            {
                "id": "products-file", "kind": "file", "path": str(folder / "products.csv"), "interval": "1m",
                "conditions": ["found == true", "size > 500"],
            },
        ],
    }  # fmt: skip
    shop = {
        "id": "sample-shop",
        "name": "Sample database of a shop",
        "component": "samples",
        "description": "The shop's orders and products in SQLite: complete, unique, consistent?",
        "tags": ["sample", "database"],
        "depends_on": ["sample-exports"],
        "checks": [
            {
                "id": "orders", "kind": "sql", "type": "data_quality", "url": f"sqlite:///{folder / 'shop.db'}",
                "query": _QUALITY, "interval": "1m",
                "conditions": [
                    "row.orders between 450 and 550", "row.duplicates == 0", "row.without_product == 0",
                    "row.without_amount == 0", {"warning": "row.revenue > 10000"}, {"warning": "query_ms < 200"},
                ],
            },
            {
                "id": "products", "kind": "sql", "type": "data_quality", "url": f"sqlite:///{folder / 'shop.db'}",
                "query": "SELECT count(*) FROM products WHERE active = 'true'", "interval": "1m",
                "conditions": ["value >= 15"],
            },
        ],
    }  # fmt: skip
    return [
        Found("samples", "sample CSV files", str(folder), exports),
        Found("samples", "sample database", str(folder / "shop.db"), shop),
    ]


def sample_suites(folder: Path) -> dict[str, dict[str, object]]:
    """What the sample data should look like, by the suites' names."""
    orders: dict[str, object] = {
        "source": "sample-shop",
        "table": {"kind": "sqlite", "path": str(folder / "shop.db"), "table": "orders"},
        "every": "1h",
        "masked": ["customer_id"],
        "min_rows": 400,
        "expectations": [
            {"type": "expect_column_values_to_be_unique", "column": "order_id"},
            {"type": "expect_column_values_to_not_be_null", "column": "customer_id"},
            {"type": "expect_column_values_to_be_between", "column": "amount", "min_value": 0, "strict_min": True},
            {
                "type": "expect_column_values_to_match_regex", "column": "product_id", "regex": "^P[0-9]{3}$",
                "dimension": "consistency", "severity": "warning",
            },
        ],
    }  # fmt: skip
    products: dict[str, object] = {
        "source": "sample-exports",
        "table": {"kind": "file", "path": str(folder / "products.csv")},
        "every": "1h",
        "expectations": [
            {"type": "expect_column_values_to_be_unique", "column": "product_id"},
            {"type": "expect_column_values_to_be_between", "column": "price", "min_value": 0, "max_value": 100},
        ],
    }
    return {"sample-orders": orders, "sample-products": products}
