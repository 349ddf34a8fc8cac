"""MySQL and MariaDB through PyMySQL: a READ ONLY transaction with the server's own time-out."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from typing import TYPE_CHECKING, Any

import pymysql
import pymysql.connections
from pymysql.cursors import Cursor, SSCursor

from monitoring_pipeline.errors import CheckError, MonitoringError, SourceFailure
from monitoring_pipeline.reach.connection import failure_of, place
from monitoring_pipeline.reach.database import Found, Target, first_row, interrupted, refused_write

__all__ = ["connect"]

_WRITES = {1290, 1792, 1036, 1836}
_INTERRUPTED = {1317, 1969, 3024}
# Gone or forbidden tables, columns and databases: PyMySQL calls some of these programming errors.
_SOURCE_CODES = {1044, 1045, 1049, 1051, 1054, 1109, 1142, 1143, 1146, 1227, 1370}
_CHECK_CODES = {1305, 1582, 1318}
_OPTIONS = {"charset", "ssl_ca", "ssl_cert", "ssl_key", "ssl_verify_cert", "ssl_verify_identity", "unix_socket"}


class MysqlSession:
    """One connection within one read-only transaction."""

    def __init__(self, connection: pymysql.Connection[Cursor], line: socket.socket) -> None:
        self._connection = connection
        self._line = line

    def interrupt(self) -> None:
        """Shuts the socket: the waiting thread wakes at once."""
        with suppress(OSError):
            self._line.shutdown(socket.SHUT_RDWR)

    def begin(self, timeout_s: float) -> None:
        """Opens the transaction that everything happens in."""
        version = self._connection.get_server_info()  # type: ignore[no-untyped-call]  # the stub forgot it
        if "mariadb" in str(version).lower():
            limit = f"max_statement_time = {timeout_s:.3f}"
        else:
            limit = f"max_execution_time = {max(1, int(timeout_s * 1000))}"
        with self._connection.cursor() as cursor:
            # TIMESTAMP columns are told in the session's zone: everywhere else we read naive moments as UTC.
            cursor.execute(f"SET SESSION {limit}, SESSION time_zone = '+00:00'")
            cursor.execute("SET SESSION TRANSACTION READ ONLY")
            cursor.execute("START TRANSACTION READ ONLY")

    @property
    def connection(self) -> Any:
        """See `Session`."""
        return self._connection

    def select(self, query: str, max_rows: int) -> Found:
        """See `Session`. The unbuffered cursor keeps a huge result out of our memory."""
        import pymysql

        cursor = self._connection.cursor(SSCursor)
        try:
            cursor.execute(query)
            if cursor.description is None:
                raise CheckError("the query returns no rows: a check needs a statement like SELECT")
            names = tuple(str(column[0]) for column in cursor.description)
            first, count = first_row(iter(cursor.fetchone, None), max_rows)
        except pymysql.Error as error:
            raise _sorted(error) from None
        if count > max_rows:
            # Closing the cursor would read all remaining rows first.
            self.interrupt()
        return Found(names, first, count)

    def stats(self) -> Mapping[str, float]:
        """See `Session`: connected threads."""
        with self._connection.cursor() as cursor:
            cursor.execute("SHOW GLOBAL STATUS LIKE 'Threads_connected'")
            connected = cursor.fetchone()
            cursor.execute("SELECT @@GLOBAL.max_connections")
            allowed = cursor.fetchone()
        if not connected or not allowed:
            return {}
        return {"active_connections": int(connected[1]), "max_connections": int(allowed[0])}

    def close(self) -> None:
        """See `Session`."""
        with suppress(Exception):
            self._connection.close()
        self._line.close()


def _sorted(error: pymysql.Error) -> MonitoringError:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    if code in _WRITES:
        return refused_write(text)
    if code in _INTERRUPTED:
        return interrupted(text)
    if code in _SOURCE_CODES:
        return SourceFailure(text, reached=True)
    wrong = (pymysql.ProgrammingError, pymysql.DataError, pymysql.NotSupportedError)
    if code in _CHECK_CODES or isinstance(error, wrong):
        return CheckError(f"the query is wrong: {text}")
    return SourceFailure(text, reached=_is_servers_own(code))


def _is_servers_own(code: int) -> bool:
    # The client library's own errors, such as a lost connection, have numbers from 2000 to 2999.
    return code > 0 and not 2000 <= code < 3000


def _settings(target: Target) -> dict[str, Any]:
    unknown = sorted(set(target.options) - _OPTIONS)
    if unknown:
        allowed = ", ".join(sorted(_OPTIONS))
        raise CheckError(f"the database URL has the unknown option {unknown[0]!r} (allowed: {allowed})")
    settings: dict[str, Any] = dict(target.options)
    for name in ("ssl_verify_cert", "ssl_verify_identity"):
        if name in settings:
            settings[name] = str(settings[name]).lower() in ("1", "true", "yes")
    settings.pop("unix_socket", None)
    return settings


if TYPE_CHECKING:
    _Plain = pymysql.connections.Connection[Cursor]
else:
    # Generic in the stub only.
    _Plain = pymysql.connections.Connection


class _Connection(_Plain):
    """PyMySQL reads all certificates of the system for each connection, even when it will verify none."""

    def _create_ssl_ctx(self, settings: Any) -> ssl.SSLContext:
        if settings:
            context: ssl.SSLContext = super()._create_ssl_ctx(settings)  # type: ignore[misc]  # not in the stub
            return context
        return _unverified()


@cache
def _unverified() -> ssl.SSLContext:
    """For a URL without TLS options: encrypted when the server can, as MySQL's own client does it."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _line_to(target: Target) -> socket.socket:
    """A connected socket, opened here so that only permitted addresses are tried."""
    path = target.options.get("unix_socket") or (target.host if target.host.startswith("/") else "")
    if path:
        line = socket.socket(socket.AF_UNIX)
        line.settimeout(target.timeout_s)
        line.connect(path)
        return line
    problem: OSError | None = None
    for address in target.addresses or (target.host or "127.0.0.1",):
        try:
            return socket.create_connection((address, target.port or 3306), timeout=target.timeout_s)
        except OSError as error:
            problem = error
    raise problem or OSError("the name has no address")


def connect(target: Target, opened: Callable[[Callable[[], None]], None]) -> MysqlSession:
    """Connects and begins the read-only transaction. Raises SourceFailure when the server refuses."""
    connection = _Connection(
        host=target.host or "127.0.0.1",
        port=target.port or 3306,
        user=target.user,
        password=target.password,
        database=target.path or None,
        read_timeout=target.timeout_s,
        write_timeout=target.timeout_s,
        autocommit=True,
        defer_connect=True,
        **_settings(target),
    )
    try:
        line = _line_to(target)
    except OSError as error:
        raise failure_of(error, place(target.host or "127.0.0.1", target.port or 3306)) from None
    # TLS takes the socket over, so the one to shut down is a duplicate.
    session = MysqlSession(connection, line.dup())
    opened(session.interrupt)
    try:
        connection.connect(line)
        session.begin(target.statement_timeout_s)
    except (pymysql.Error, OSError) as error:
        session.close()
        line.close()
        raise _refused(error) from None
    return session


def _refused(error: Exception) -> SourceFailure:
    code = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    text = str(error.args[1]) if len(error.args) > 1 else str(error)
    said = isinstance(error, pymysql.Error) and _is_servers_own(code)
    return SourceFailure(text or "the server closed the connection", reached=said)
