"""The door to a monitored database: one fresh, read-only connection, one statement, bounded.

`databases/` holds one dialect per file, each with `connect(target, opened) -> Session`. This file
parses the URL, keeps passwords out of messages, and turns what was found into an `Answer`. Drivers
are blocking and run in threads of their own. Our own stores are not opened here.
"""

from __future__ import annotations

import asyncio
import importlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Annotated, Any, NamedTuple, Protocol, cast
from urllib.parse import quote, quote_plus

from pydantic import AfterValidator, SecretStr

from monitoring_pipeline.errors import CheckError, MissingExtra, MonitoringError, SourceFailure, nearest
from monitoring_pipeline.reach.connection import addresses_of
from monitoring_pipeline.reach.context import ReachContext
from monitoring_pipeline.reach.threads import in_thread

__all__ = [
    "Answer",
    "DatabaseUrl",
    "Found",
    "Session",
    "Target",
    "ask",
    "bring_in",
    "first_row",
    "interrupted",
    "opened",
    "refused_write",
]

_DIALECTS = {
    "postgresql": "postgresql",
    "postgres": "postgresql",
    "mysql": "mysql",
    "mariadb": "mysql",
    "sqlite": "sqlite",
    "duckdb": "duckdb",
}
_PORTS = {"postgresql": 5432, "mysql": 3306}
MAX_COLUMNS = 100
# The server gives up a little before we do, so that its own words reach the result.
_SERVER_SHARE = 0.9


@dataclass(frozen=True, slots=True)
class Target:
    """A parsed URL. `addresses` are the permitted ones of `host`; `path` is a file or a database name."""

    dialect: str
    path: str
    host: str = ""
    port: int | None = None
    user: str | None = None
    password: str = field(default="", repr=False)
    options: Mapping[str, str] = field(default_factory=dict)
    addresses: tuple[str, ...] = ()
    timeout_s: float = 10.0

    @property
    def statement_timeout_s(self) -> float:
        """How long the server may work on the statement."""
        return self.timeout_s * _SERVER_SHARE


@dataclass(frozen=True, slots=True)
class Answer:
    """What one statement brought. `rows` stops counting at the limit, and `truncated` says so."""

    connect_ms: float
    query_ms: float
    columns: tuple[str, ...]
    first: tuple[Any, ...] | None
    rows: int
    truncated: bool
    stats: Mapping[str, float] = field(default_factory=dict)
    stats_problem: str = ""


class Found(NamedTuple):
    """Column names, the first row if any, and the number of rows, counted up to the limit + 1."""

    columns: tuple[str, ...]
    first: tuple[Any, ...] | None
    rows: int


class Session(Protocol):
    """One open connection of one dialect; `connection` is the driver's own."""

    @property
    def connection(self) -> Any:
        """For reading in bulk, which every driver does in a way of its own."""

    def select(self, query: str, max_rows: int) -> Found:
        """Runs the statement and fetches no more than `max_rows` + 1 rows, one after the other."""

    def stats(self) -> Mapping[str, float]:
        """`active_connections` and `max_connections`, or nothing where the server does not tell."""

    def close(self) -> None:
        """Closes the connection without waiting for unread rows."""


class _Dialect(Protocol):
    def connect(self, target: Target, opened: Callable[[Callable[[], None]], None]) -> Session:
        """Opens a connection and tells `opened` how to interrupt it."""


class _Handle:
    """Lets the event loop interrupt a session that a thread is opening or using."""

    def __init__(self) -> None:
        self._interrupt: Callable[[], None] | None = None
        self._abandoned = False

    def opened(self, interrupt: Callable[[], None]) -> None:
        self._interrupt = interrupt
        if self._abandoned:
            interrupt()

    def abandon(self) -> None:
        self._abandoned = True
        if self._interrupt is not None:
            self._interrupt()


def bring_in(url: SecretStr) -> None:
    """Imports the driver for a URL."""
    _dialect(_parse(url.get_secret_value(), 0).dialect)


async def ask(
    url: SecretStr,
    query: str,
    *,
    context: ReachContext,
    max_rows: int = 1000,
    server_stats: bool = False,
) -> Answer:
    """Connects, runs one read-only statement and disconnects.

    Raises SourceFailure when the database is bad (its `values` say how far we came), CheckError
    when the statement is, MissingExtra when the driver is not installed, NetworkDenied.
    """
    target = _parse(url.get_secret_value(), context.timeout_s)
    if target.host and not target.host.startswith("/"):
        addresses = await addresses_of(context, target.host, target.port or 0)
        target = replace(target, addresses=tuple(addresses))
    handle = _Handle()
    try:
        return await in_thread(_ask, target, query, max_rows, server_stats, handle, on_abandon=handle.abandon)
    except SourceFailure as error:
        text = _without_secrets(str(error), target)
        raise SourceFailure(text, values=error.values, reached=error.reached) from None
    except MonitoringError as error:
        error.args = (_without_secrets(str(error), target),)
        raise


@contextmanager
def opened(url: SecretStr, context: ReachContext) -> Iterator[Session]:
    """One read-only session for whoever reads in bulk: blocking, not in an event loop, closed at the end.

    Raises what `ask` raises; errors that come out of the block have no passwords in them either.
    """
    target = _parse(url.get_secret_value(), context.timeout_s)
    if target.host and not target.host.startswith("/"):
        addresses = asyncio.run(_permitted(context, target))
        target = replace(target, addresses=tuple(addresses))
    try:
        session = _dialect(target.dialect).connect(target, lambda interrupt: None)
        try:
            yield session
        finally:
            session.close()
    except MonitoringError as error:
        error.args = (_without_secrets(str(error), target),)
        raise
    except Exception as error:
        raise CheckError(_without_secrets(_one_line(error), target)) from None


async def _permitted(context: ReachContext, target: Target) -> Sequence[str]:
    return await addresses_of(context, target.host, target.port or 0)


def _ask(target: Target, query: str, max_rows: int, server_stats: bool, handle: _Handle) -> Answer:
    dialect = _dialect(target.dialect)
    began = time.perf_counter()
    session = dialect.connect(target, handle.opened)
    connect_ms = (time.perf_counter() - began) * 1000
    try:
        stats, problem = _stats(session) if server_stats else ({}, "")
        asked = time.perf_counter()
        found = session.select(query, max_rows)
        query_ms = (time.perf_counter() - asked) * 1000
    except SourceFailure as error:
        known = {"connected": True, "connect_ms": connect_ms}
        raise SourceFailure(str(error), values=known, reached=error.reached) from None
    finally:
        session.close()
    rows, truncated = min(found.rows, max_rows), found.rows > max_rows
    columns = found.columns[:MAX_COLUMNS]
    return Answer(connect_ms, query_ms, columns, found.first, rows, truncated, stats, problem)


def _dialect(name: str) -> _Dialect:
    """The dialect's file, which imports its driver: before the clock runs, and only when needed."""
    try:
        return cast(_Dialect, importlib.import_module(f"monitoring_pipeline.reach.databases.{name}"))
    except ModuleNotFoundError as error:
        if error.name != "pymysql":
            raise
        raise MissingExtra("sql", "mysql") from None


def _stats(session: Session) -> tuple[Mapping[str, float], str]:
    """The server's own figures; not being allowed to read them is no fault of the source."""
    try:
        stats = dict(session.stats())
    except Exception as error:
        return {}, " ".join(str(error).split())[:200]
    if stats.get("max_connections"):
        stats["connection_percent"] = 100 * stats["active_connections"] / stats["max_connections"]
    return stats, ""


def first_row(rows: Iterable[Sequence[Any]], max_rows: int) -> tuple[tuple[Any, ...] | None, int]:
    """Keeps the first row and counts the others, one at a time, up to one more than `max_rows`."""
    first: tuple[Any, ...] | None = None
    count = 0
    for row in rows:
        if count == 0:
            first = tuple(row[:MAX_COLUMNS])
        count += 1
        if count > max_rows:
            break
    return first, count


def refused_write(detail: object) -> CheckError:
    """The statement wants to change something."""
    return CheckError(f"this statement writes, and checks may only read: {_one_line(detail)}")


def interrupted(detail: object = "") -> SourceFailure:
    """The statement ran out of time."""
    words = f"the query took too long and was stopped ({_one_line(detail) or 'interrupted'})"
    return SourceFailure(words, reached=True)


def _one_line(detail: object) -> str:
    return " ".join(str(detail).split())[:500]


def _without_secrets(text: str, target: Target) -> str:
    for secret in {target.password, quote(target.password, safe=""), quote_plus(target.password)}:
        if len(secret) > 1:
            text = text.replace(secret, "***")
    return " ".join(text.split())[:1000]


def _scheme(url: str) -> str:
    scheme, separator, _ = url.partition("://")
    name = scheme.partition("+")[0].lower()
    if separator and name in _DIALECTS:
        return name
    allowed = "postgresql://, mysql://, mariadb://, sqlite:///path or duckdb:///path"
    hint = nearest(name, set(_DIALECTS) - {"postgres"}) if separator else None
    # The text may hold a password: only the part before :// is ever shown.
    shown = f"{scheme!r} is no database that can be checked" if separator else "this is no database URL"
    raise ValueError(f"{shown}{f'; did you mean {hint!r}?' if hint else ''} (allowed: {allowed})")


def _check_url(url: SecretStr) -> SecretStr:
    name = _scheme(url.get_secret_value())
    if name in ("sqlite", "duckdb") and not url.get_secret_value().partition("://")[2].strip("/"):
        raise ValueError(f"name the file: {name}:///relative/path or {name}:////absolute/path")
    return url


DatabaseUrl = Annotated[SecretStr, AfterValidator(_check_url)]
"""The URL of a database, in SQLAlchemy's spelling; `+driver` is allowed and ignored."""


def _parse(url: str, timeout_s: float) -> Target:
    from sqlalchemy.engine import make_url

    dialect = _DIALECTS[_scheme(url)]
    try:
        parsed = make_url(url)
    except Exception:
        # SQLAlchemy and int() quote what they could not read, and that may be a password.
        raise CheckError(
            "the database URL cannot be read; its form is dialect://user:password@host:port/database, "
            "with special characters in the password percent-encoded"
        ) from None
    options = {name: value if isinstance(value, str) else ",".join(value) for name, value in parsed.query.items()}
    host = options.pop("host", "") or parsed.host or ""
    if "," in host or "hostaddr" in options:
        raise CheckError("the database URL must name one host; watch each server of a cluster as its own check")
    return Target(
        dialect=dialect,
        path=parsed.database or "",
        host=host,
        port=parsed.port or _PORTS.get(dialect),
        user=parsed.username,
        password=str(parsed.password or ""),
        options=options,
        timeout_s=timeout_s,
    )
