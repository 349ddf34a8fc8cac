"""The kind `mysql` against MariaDB: rows in the right types, only what is needed, nothing written, nothing told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, closing
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pymysql
import pytest
from pydantic import TypeAdapter, ValidationError

from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure
from monitoring_pipeline.quality.fetch import Batch, Wanted, batch_of
from monitoring_pipeline.quality.showing import is_harmless
from monitoring_pipeline.quality.table import AnyTable, Table
from monitoring_pipeline.reach.spec import NetworksSpec
from tests.servers import need_server

URL = "mysql://root@127.0.0.1:3306/test"
PLACED = "2026-01-01 10:00:00"
BIG = 18_446_744_073_709_551_615


def mysql(**fields: Any) -> Table:
    adapter: TypeAdapter[Table] = TypeAdapter(AnyTable)
    return adapter.validate_python({"kind": "mysql", "url": URL, **fields})


@pytest.fixture(scope="module")
def orders() -> Iterator[str]:
    need_server("MariaDB", "127.0.0.1", 3306)
    name = f"orders_{os.getpid()}"
    columns = (
        "id INT, price DECIMAL(10,2), ratio DOUBLE, note TEXT, placed DATETIME, seen TIMESTAMP NULL, day DATE, "
        'paid BOOL, large BIGINT UNSIGNED, token BINARY(2), `odd ``name"` VARCHAR(9)'
    )
    rows = [
        (1, "1.50", 0.1, 'a, "b"\nc é', PLACED, "2026-01-01 12:00:00", "2026-01-01", 1, BIG, b"\xff\x01", "x"),
        (2, None, None, "", "0000-00-00", None, "0000-00-00", 0, 1, None, None),
        (3, "3", 1e300, None, None, None, None, None, None, None, "y"),
    ]
    server = closing(pymysql.connect(host="127.0.0.1", user="root", database="test", autocommit=True))
    with server as connection, connection.cursor() as cursor:
        cursor.execute("SET SESSION sql_mode = '', SESSION time_zone = '+02:00'")
        cursor.execute(f"CREATE TABLE `{name}` ({columns})")
        cursor.executemany(f"INSERT INTO `{name}` VALUES ({', '.join(['%s'] * len(rows[0]))})", rows)
        yield name
        cursor.execute(f"DROP TABLE `{name}`")


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    with ExitStack() as stack:
        yield lambda wanted=None, **fields: stack.enter_context(batch_of(mysql(**fields), wanted or Wanted(), tmp_path))


def read(batch: Batch) -> list[tuple[Any, ...]]:
    return batch.connection.execute("SELECT * FROM batch ORDER BY 1").fetchall()


def test_rows_have_the_types_of_their_columns(opened: Any, orders: str) -> None:
    batch = opened(table=f"test.{orders}")
    seen, day = datetime(2026, 1, 1, 10, tzinfo=UTC), date(2026, 1, 1)
    assert read(batch) == [
        (1, 1.5, 0.1, 'a, "b"\nc é', datetime.fromisoformat(PLACED), seen, day, 1, BIG, "ff01", "x"),
        (2, None, None, "", None, None, None, 0, 1, None, None),
        (3, 3.0, 1e300, None, None, None, None, None, None, None, "y"),
    ]
    assert list(batch.schema.values()) == [
        "int", "decimal", "double", "text", "datetime", "timestamp", "date", "tinyint", "bigint", "text", "text",
    ]  # fmt: skip
    assert (batch.rows, batch.types["large"]) == (3, "HUGEINT")
    assert batch.types["seen"] == "TIMESTAMP WITH TIME ZONE"


def test_it_fetches_only_what_is_needed(opened: Any, orders: str) -> None:
    batch = opened(Wanted({"note"}), query=f"SELECT id, note FROM {orders} WHERE id < 3;")
    assert (list(batch.types), list(batch.schema), batch.rows) == (["note"], ["id", "note"], 2)
    wanted = Wanted(max_rows=1000, newest_of="t")
    many = opened(wanted, query="SELECT '2026-01-01' - INTERVAL seq MINUTE AS t FROM seq_0_to_19999")
    assert (many.rows, 500 < many.examined <= 1000, many.newest) == (20_000, True, datetime(2026, 1, 1, tzinfo=UTC))
    assert opened(table=orders, url=URL.replace("mysql:", "mariadb:")).rows == 3
    assert opened(query=f"SELECT * FROM {orders} WHERE false").rows == 0


def test_it_is_only_read_and_not_for_ever(opened: Any, orders: str) -> None:
    with pytest.raises(CheckError, match="doesn't exist"):
        opened(table="nothing")
    with pytest.raises(CheckError, match="syntax"):
        opened(query="SELECT FROM WHERE")
    with pytest.raises(CheckError, match=r"max_statement_time|interrupted"):
        opened(Wanted(timeout_s=0.5), query="SELECT SLEEP(20) AS n")
    with pytest.raises(CheckError):
        opened(query=f"DELETE FROM {orders}")
    assert opened(table=orders).rows == 3


def test_what_a_server_says_shows_no_password_and_quotes_no_value(opened: Any) -> None:
    with pytest.raises(SourceFailure) as caught:
        opened(url="mysql://me:open-sesame@127.0.0.1:1/x", table="t")
    assert "open-sesame" not in str(caught.value)
    assert is_harmless(caught.value)
    with pytest.raises(NetworkDenied):
        opened(Wanted(networks=NetworksSpec.model_validate({"deny": ["127.0.0.0/8"]})), table="t")


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"url": "postgresql://h/x", "table": "t"}, "begins with mysql"), ({}, "give either `table` or `query`")],
)
def test_a_table_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        mysql(**fields)
