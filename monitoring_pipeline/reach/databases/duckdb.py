"""DuckDB files, opened read-only in a locked-down engine: no other files, no network, little memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import duckdb

from monitoring_pipeline.errors import CheckError, MonitoringError, SourceFailure
from monitoring_pipeline.reach.database import Found, Target, first_row, interrupted, refused_write

__all__ = ["connect"]

# One process can open a file only with equal settings everywhere, so they are the same for all checks.
_SETTINGS: dict[str, str | bool | int | float | list[str]] = {
    "enable_external_access": "false",
    "autoinstall_known_extensions": "false",
    "autoload_known_extensions": "false",
    "memory_limit": "512MB",
    "temp_directory": "",
    "threads": "1",
    "lock_configuration": "true",
}
_BATCH = 256


class DuckdbSession:
    """One read-only connection to a file."""

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection

    @property
    def connection(self) -> duckdb.DuckDBPyConnection:
        """See `Session`."""
        return self._connection

    def select(self, query: str, max_rows: int) -> Found:
        """See `Session`. Results stream, so only one batch lies in memory."""
        try:
            statements = self._connection.extract_statements(query)
            if len(statements) != 1:
                raise CheckError(f"the query must be one statement, not {len(statements)}")
            self._connection.execute(statements[0])
            names = tuple(str(column[0]) for column in self._connection.description or ())
            return Found(names, *first_row(self._rows(), max_rows))
        except duckdb.Error as error:
            raise _sorted(error) from None

    def _rows(self) -> Iterator[tuple[Any, ...]]:
        first = self._connection.fetchone()
        if first is None:
            return
        yield first
        while batch := self._connection.fetchmany(_BATCH):
            yield from batch

    def stats(self) -> Mapping[str, float]:
        """A file has no connections to tell of."""
        return {}

    def close(self) -> None:
        """See `Session`."""
        self._connection.close()


def _sorted(error: Exception) -> MonitoringError:
    text = _first_line(error)
    if isinstance(error, duckdb.InterruptException):
        return interrupted(text)
    if "read-only mode" in text:
        return refused_write(text)
    if isinstance(error, duckdb.CatalogException) and text.startswith("Catalog Error: Table with name"):
        return SourceFailure(text, reached=True)
    if isinstance(error, duckdb.BinderException) and "Referenced column" in text:
        return SourceFailure(text, reached=True)
    if isinstance(error, duckdb.OutOfMemoryException):
        return CheckError(f"the query needs more memory than a check may use ({_SETTINGS['memory_limit']})")
    if isinstance(error, (duckdb.IOException, duckdb.InternalException, duckdb.SerializationException)):
        return SourceFailure(text, reached=True)
    return CheckError(f"the query is wrong: {text}")


def _first_line(error: Exception) -> str:
    return str(error).strip().partition("\n")[0]


def connect(target: Target, opened: Callable[[Callable[[], None]], None]) -> DuckdbSession:
    """Opens the file. Raises SourceFailure when it is missing or damaged; CheckError when a writer holds it."""
    path = Path(target.path)
    if not path.exists():
        raise SourceFailure(f"the database file {path} does not exist", reached=True)
    try:
        connection = duckdb.connect(str(path), read_only=True, config=_SETTINGS)
    except duckdb.Error as error:
        raise _unopened(path, error) from None
    opened(connection.interrupt)
    return DuckdbSession(connection)


def _unopened(path: Path, error: Exception) -> MonitoringError:
    text = _first_line(error)
    if "Could not set lock" in text:
        return CheckError(
            f"{path} is held by a process that writes it, and DuckDB lets nobody else read it meanwhile; "
            "watch a published copy instead"
        )
    if "different configuration" in text:
        return CheckError(f"{path} is open in this very process with other settings; watch a published copy instead")
    if "Permission denied" in text:
        return CheckError(f"no permission to read the database file {path}")
    if "newer version" in text or "version number" in text:
        return CheckError(f"{path} was written by another version of DuckDB than the one installed here: {text}")
    return SourceFailure(text, reached=True)
