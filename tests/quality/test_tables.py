"""Kinds of tables against the real things: the same rows out of each, in the right types, and not more than needed."""

from __future__ import annotations

import gzip
import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import duckdb
import psycopg
import pytest
from pydantic import TypeAdapter, ValidationError
from sqlalchemy import make_url

from monitoring_pipeline.errors import CheckError, NetworkDenied, SourceFailure
from monitoring_pipeline.quality.fetch import Batch, Wanted, batch_of
from monitoring_pipeline.quality.table import AnyTable, Table
from monitoring_pipeline.reach.spec import NetworksSpec

ROWS = [
    (1, 1.5, 'a, "b"\nc', "2026-01-01 10:00:00", True),
    (2, None, "", "2026-01-02 10:00:00", False),
    (3, 3.0, None, None, None),
]
NAMES = ("id", "price", "note", "placed", "paid")


def table(**fields: Any) -> Table:
    adapter: TypeAdapter[Table] = TypeAdapter(AnyTable)
    return adapter.validate_python(fields)


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Any]:
    """Opens tables; they stay open until the test is over."""
    with ExitStack() as stack:

        def opened(wanted: Wanted | None = None, **fields: Any) -> Batch:
            return stack.enter_context(batch_of(table(**fields), wanted or Wanted(), tmp_path))

        yield opened


def read(batch: Batch) -> list[tuple[Any, ...]]:
    return batch.connection.execute("SELECT * FROM batch ORDER BY 1").fetchall()


def plain(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    return [tuple(value.isoformat(" ") if hasattr(value, "isoformat") else value for value in row) for row in rows]


@pytest.fixture(scope="module")
def sqlite_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "orders.db"
    with sqlite3.connect(path) as connection:
        connection.execute(
            "CREATE TABLE orders (id INTEGER, price REAL, note TEXT, placed TIMESTAMP, paid BOOLEAN, mixed)"
        )
        rows = [(*row, mixed) for row, mixed in zip(ROWS, (0, "two", None), strict=True)]
        connection.executemany("INSERT INTO orders VALUES (?, ?, ?, ?, ?, ?)", rows)
        connection.execute("CREATE TABLE void (id INTEGER)")
        numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 20000) SELECT i FROM n"
        connection.execute(f"CREATE TABLE many AS {numbers}")
    connection.close()
    return path


def test_sqlite_rows_have_the_types_of_their_values(opened: Any, sqlite_file: Path) -> None:
    batch = opened(kind="sqlite", path=sqlite_file, table="orders")
    assert plain([row[:5] for row in read(batch)]) == ROWS
    assert [row[5] for row in read(batch)] == ["0", "two", None]
    assert list(batch.types.values()) == ["BIGINT", "DOUBLE", "VARCHAR", "TIMESTAMP", "BOOLEAN", "VARCHAR"]
    assert batch.schema["placed"] == "TIMESTAMP"
    assert batch.schema["mixed"] == "ANY"


def test_sqlite_fetches_only_the_columns_needed_but_knows_all(opened: Any, sqlite_file: Path) -> None:
    batch = opened(Wanted({"price"}), kind="sqlite", path=sqlite_file, table="orders")
    assert list(batch.types) == ["price"]
    assert list(batch.schema) == [*NAMES, "mixed"]


def test_a_huge_sqlite_table_is_sampled_and_counted(opened: Any, sqlite_file: Path) -> None:
    batch = opened(Wanted(max_rows=1000), kind="sqlite", path=sqlite_file, table="many")
    assert batch.rows == 20_000
    assert 500 < batch.examined <= 1000


def test_the_newest_row_is_known_though_a_sample_rarely_holds_it(
    opened: Any, sqlite_file: Path, postgres: str
) -> None:  # fmt: skip
    wanted = Wanted(max_rows=1000, newest_of="t")
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) "
    for fields in (
        {"kind": "sqlite", "path": sqlite_file,
         "query": numbers + "SELECT datetime('2026-01-01', '-' || (20000 - i) || ' minutes') AS t FROM n"},
        {"kind": "postgresql", "url": postgres,
         "query": "SELECT '2026-01-01Z'::timestamptz - i * interval '1 min' AS t FROM generate_series(0, 19999) i"},
    ):  # fmt: skip
        batch = opened(wanted, **fields)
        assert (batch.rows, batch.examined <= 1000, batch.newest) == (20_000, True, datetime(2026, 1, 1, tzinfo=UTC))


def test_an_empty_sqlite_table_and_a_query(opened: Any, sqlite_file: Path) -> None:
    assert opened(kind="sqlite", path=sqlite_file, table="void").rows == 0
    assert read(opened(kind="sqlite", path=sqlite_file, query="SELECT max(id) AS top FROM orders;")) == [(3,)]


def test_a_missing_sqlite_file_or_table_and_a_writing_query(opened: Any, sqlite_file: Path, tmp_path: Path) -> None:
    with pytest.raises(SourceFailure, match="does not exist"):
        opened(kind="sqlite", path=tmp_path / "none.db", table="t")
    with pytest.raises(CheckError, match="no such table: order"):
        opened(kind="sqlite", path=sqlite_file, table="order")
    with pytest.raises(CheckError, match="syntax error"):
        opened(kind="sqlite", path=sqlite_file, query="DELETE FROM orders")


@pytest.fixture
def postgres(postgres_url: str) -> str:
    url = make_url(postgres_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute('CREATE SCHEMA "Shop"')
        types = "id int, price numeric(10, 2), note text, placed timestamptz, paid bool, token uuid"
        connection.execute(f'CREATE TABLE "Shop".orders ({types})')
        connection.execute("CREATE SEQUENCE numbers")
        with connection.cursor() as cursor:
            cursor.executemany('INSERT INTO "Shop".orders VALUES (%s, %s, %s, %s, %s)', ROWS)
    return url


def test_postgresql_rows_come_by_copy(opened: Any, postgres: str) -> None:
    batch = opened(kind="postgresql", url=postgres, table="Shop.orders")
    placed = ["2026-01-01 10:00:00+00:00", "2026-01-02 10:00:00+00:00", None]
    assert plain(read(batch)) == [(*row[:3], moment, row[4], None) for row, moment in zip(ROWS, placed, strict=True)]
    assert batch.schema == {
        "id": "int4",
        "price": "numeric",
        "note": "text",
        "placed": "timestamptz",
        "paid": "bool",
        "token": "uuid",
    }
    assert batch.types["placed"] == "TIMESTAMP WITH TIME ZONE"


def test_postgresql_fetches_only_what_is_needed(opened: Any, postgres: str) -> None:
    batch = opened(Wanted({"note"}), kind="postgresql", url=postgres, query='SELECT id, note FROM "Shop".orders')
    assert list(batch.types) == ["note"]
    assert list(batch.schema) == ["id", "note"]
    many = opened(Wanted(max_rows=1000), kind="postgresql", url=postgres, query="SELECT generate_series(1, 20000) AS i")
    assert many.rows == 20_000
    assert 500 < many.examined <= 1000


def test_postgresql_is_only_read_and_not_for_ever(opened: Any, postgres: str) -> None:
    with pytest.raises(CheckError, match="read-only transaction"):
        opened(kind="postgresql", url=postgres, query="SELECT nextval('numbers') AS n")
    with pytest.raises(CheckError, match="statement timeout"):
        opened(Wanted(timeout_s=0.5), kind="postgresql", url=postgres, query="SELECT pg_sleep(20)")
    with pytest.raises(CheckError, match='relation "nothing" does not exist'):
        opened(kind="postgresql", url=postgres, table="nothing")


def test_a_forbidden_network_is_not_reached(opened: Any) -> None:
    wanted = Wanted(networks=NetworksSpec.model_validate({"deny": ["127.0.0.0/8"]}))
    with pytest.raises(NetworkDenied):
        opened(wanted, kind="postgresql", url="postgresql://a:secret@127.0.0.1/x", table="t")
    with pytest.raises(NetworkDenied):
        opened(wanted, kind="s3", bucket="b", key="k.csv", endpoint="http://127.0.0.1:1")
    with pytest.raises(NetworkDenied):
        opened(wanted, kind="http_json", url="http://127.0.0.1:1/")


def test_a_refused_connection_shows_no_password(opened: Any) -> None:
    with pytest.raises(SourceFailure) as caught:
        opened(kind="postgresql", url="postgresql://me:open-sesame@127.0.0.1:1/x", table="t")
    assert "open-sesame" not in str(caught.value)


CSV = "id,price,note\n1,1.5,a\n2,,b\n"


def test_files_of_each_form(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    with gzip.open(tmp_path / "b.csv.gz", "wt") as file:
        file.write("id,price,note\n3,9,c\n")
    (tmp_path / "a.ndjson").write_text('{"id": 1, "note": "x"}\n{"id": 2, "tags": [1]}\n')
    duckdb.execute(f"COPY (SELECT 1 AS id, DATE '2026-01-01' AS day) TO '{tmp_path}/a.parquet'")
    assert read(opened(kind="file", path=f"{tmp_path}/*.csv*")) == [(1, 1.5, "a"), (2, None, "b"), (3, 9.0, "c")]
    assert read(opened(kind="file", path=f"{tmp_path}/a.ndjson")) == [(1, "x", None), (2, None, [1])]
    assert opened(kind="file", path=f"{tmp_path}/a.parquet").types == {"id": "INTEGER", "day": "DATE"}


def test_options_of_csv(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "a.dat").write_text("id;n\n01;-\n")
    options = {"delimiter": ";", "null": "-", "all_text": True, "header": True}
    assert read(opened(kind="file", path=f"{tmp_path}/a.dat", format="csv", options=options)) == [("01", None)]
    with pytest.raises(CheckError, match="set `format`"):
        opened(kind="file", path=f"{tmp_path}/a.dat")


@pytest.mark.parametrize("lines", ["1,2\n3,4,5,6\n", "1,2\n3\n", '1,2\n"3\n', "1,2\n" * 200 + "3,4,5\n"])
def test_csv_whose_lines_are_unlike_is_a_failure_and_no_table_of_one_column(
    opened: Any, tmp_path: Path, lines: str
) -> None:  # fmt: skip
    (tmp_path / "a.csv").write_text(f"a,b\n{lines}")
    with pytest.raises(SourceFailure, match="its lines have unlike numbers of values"):
        opened(kind="file", path=f"{tmp_path}/a.csv")


def test_lines_before_the_table_are_skipped_when_told_and_else_a_failure(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("made by hand\na,b\n1,2\n")
    with pytest.raises(SourceFailure, match="how many lines to `skip`"):
        opened(kind="file", path=f"{tmp_path}/a.csv")
    assert read(opened(kind="file", path=f"{tmp_path}/a.csv", options={"skip": 1})) == [(1, 2)]
    (tmp_path / "b.csv").write_text("name\nDoe, John\nJane\n")
    assert read(opened(kind="file", path=f"{tmp_path}/b.csv")) == [("Doe, John",), ("Jane",)]


def test_a_key_that_only_the_last_records_have_is_a_column(opened: Any, tmp_path: Path) -> None:
    lines = ['{"id": 1}'] * 30_000 + ['{"id": 2, "note": "late"}']
    (tmp_path / "a.json").write_text("\n".join(lines))
    batch = opened(kind="file", path=f"{tmp_path}/a.json")
    assert list(batch.types) == ["id", "note"]
    assert batch.ask("SELECT note FROM batch WHERE id = 2", 1) == (1, [{"note": "late"}])


def test_no_file_is_a_failure(opened: Any, tmp_path: Path) -> None:
    with pytest.raises(SourceFailure, match="there is no file"):
        opened(kind="file", path=f"{tmp_path}/none.csv")


def test_the_engine_reads_nothing_but_the_table(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text(CSV)
    batch = opened(kind="file", path=f"{tmp_path}/a.csv")
    for statement in ("SELECT * FROM read_csv('/etc/passwd')", "SET enable_external_access = true", "INSTALL httpfs"):
        with pytest.raises(duckdb.Error):
            batch.connection.execute(statement)


WRITER = """
import duckdb, sys
with duckdb.connect(sys.argv[1]) as connection:
    connection.execute("CREATE TABLE t (i INT)")
    print("ready", flush=True)
    sys.stdin.read()
"""


def test_a_duckdb_file_that_is_written_cannot_be_read(opened: Any, tmp_path: Path) -> None:
    path = tmp_path / "busy.duckdb"
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        with pytest.raises(CheckError, match="published copy"):
            opened(kind="duckdb", path=path, table="t")
        writer.communicate()
    assert opened(kind="duckdb", path=path, table="t").rows == 0
    with pytest.raises(SourceFailure, match="does not exist"):
        opened(kind="duckdb", path=tmp_path / "none.duckdb", table="t")


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    endpoint = f"http://{host}:{port}"
    client = boto3.client(
        "s3", endpoint_url=endpoint, region_name="us-east-1", aws_access_key_id="key", aws_secret_access_key="secret"
    )
    client.create_bucket(Bucket="orders")
    for name, body in (("in/1.csv", CSV), ("in/2.csv", "id,price,note\n5,5,e\n"), ("in/deep/3.csv", CSV), ("done", "")):
        client.put_object(Bucket="orders", Key=name, Body=body.encode())
    client.close()
    yield endpoint
    server.stop()


def test_objects_of_a_bucket(opened: Any, s3: str) -> None:
    place = {"kind": "s3", "bucket": "orders", "endpoint": s3, "access_key": "key", "secret_key": "secret"}
    assert opened(**place, key="in/1.csv").rows == 2
    assert opened(**place, key="in/?.csv").rows == 3
    with pytest.raises(SourceFailure, match="no object of bucket orders matches"):
        opened(**place, key="out/*.csv")
    with pytest.raises(SourceFailure, match="does not exist"):
        opened(**place, key="in/9.csv")
    with pytest.raises(SourceFailure):
        opened(**{**place, "bucket": "nowhere"}, key="in/1.csv")


class Api(BaseHTTPRequestHandler):
    """Answers any request with what its server holds; 401 without the token."""

    def do_GET(self) -> None:
        allowed = self.headers["Authorization"] == "Bearer t"
        status, body = self.server.answer if allowed else (401, b"")  # type: ignore[attr-defined]
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[ThreadingHTTPServer]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Api) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def records(server: ThreadingHTTPServer, body: Any, status: int = 200, **fields: Any) -> dict[str, Any]:
    """The table of an API that answers so."""
    text = body if isinstance(body, str) else json.dumps(body)
    server.answer = (status, text.encode())  # type: ignore[attr-defined]
    url = f"http://127.0.0.1:{server.server_port}/orders"
    return {"kind": "http_json", "url": url, "headers": {"Authorization": "Bearer t"}, **fields}


def test_records_of_an_api(opened: Any, api: ThreadingHTTPServer) -> None:
    body = {"data": {"items": [{"id": 1, "note": "a"}, {"id": 2, "price": 2.5}]}}
    assert read(opened(**records(api, body, records="data.items"))) == [(1, "a", None), (2, None, 2.5)]


@pytest.mark.parametrize(
    ("status", "body", "message"),
    [
        (500, "[]", "answered 500"),
        (200, "<html>", "not JSON"),
        (200, '{"data": 1}', "is not a list of objects"),
        (200, "[1, 2]", "is not a list of objects"),
    ],
)
def test_an_answer_that_is_no_table(
    opened: Any, api: ThreadingHTTPServer, status: int, body: str, message: str
) -> None:
    with pytest.raises(SourceFailure, match=message):
        opened(**records(api, body, status))
    with pytest.raises(SourceFailure, match=r"the answer has no 'a\.b'"):
        opened(**records(api, {"a": 1}, records="a.b"))


def test_an_answer_without_records_is_an_empty_table(opened: Any, api: ThreadingHTTPServer) -> None:
    batch = opened(**records(api, []))
    assert (batch.rows, batch.schema, batch.types) == (0, {}, {})


def test_a_file_of_nothing_has_no_columns(opened: Any, tmp_path: Path) -> None:
    (tmp_path / "a.csv").touch()
    batch = opened(kind="file", path=f"{tmp_path}/a.csv")
    assert (batch.rows, batch.schema, batch.types) == (0, {}, {})


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"kind": "sqlite", "path": "x"}, "give either `table` or `query`"),
        ({"kind": "postgresql", "url": "mysql://h/x", "table": "t"}, "begins with postgresql"),
        ({"kind": "http_json", "url": "http://me:pw@example.com"}, "use headers"),
        ({"kind": "s3", "bucket": "b", "key": "k", "access_key": "a"}, "belong together"),
    ],
)
def test_a_table_that_cannot_be(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        table(**fields)
