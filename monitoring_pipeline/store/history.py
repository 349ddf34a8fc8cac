"""One history out of two stores: the published warehouse, and the hot rows it does not have yet.

Why every reader sees each row exactly once, whatever loads, publishes and expires meanwhile:

- A published copy never changes, and holds exactly the rows with ids up to its watermarks: a load
  commits rows and watermark together, a copy is made while nobody writes.
- The hot rows are read *after* the copy was attached, in one snapshot, from the attached copy's own
  watermark on. What the working warehouse has reached since then plays no role: a row that was
  loaded meanwhile is still hot and is taken from there, and from nowhere else.
- Ids become visible in order, so the snapshot cannot lack a row below one it has.
- Only expiry could take a row away between the copy and the snapshot. It deletes up to the watermark
  of the copy before the newest and notes, in the same transaction, how far it went. When the
  snapshot shows that it went beyond our copy, a newer copy is in place already: start again with it.
- Ids of another operational store (its `store_id` differs) say nothing about ours: all our rows count.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.hot import HOT, copy_hot, create_hot, snapshot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.warehouse import TIME_COLUMNS, literal, origin, watermarks

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["TABLES", "connect", "open_published"]

TABLES = tuple(TIME_COLUMNS)
"""The views that a history can have."""

_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class _Asked:
    """What somebody wants of history."""

    tables: Sequence[str]
    since: datetime | None
    source: str | None
    metrics: Collection[str] | None
    columns: Mapping[str, Collection[str]]

    def of(self, name: str) -> list[str]:
        """The columns of a table, in its order; its `id` always."""
        wanted = self.columns.get(name)
        return [each.name for each in HOT[name].c if wanted is None or each.name in wanted or each.name == "id"]


@contextlib.contextmanager
def connect(
    store: OperationalStore,
    published_path: Path,
    *,
    now: datetime,
    since: datetime | None = None,
    source: str | None = None,
    tables: Sequence[str] = TABLES,
    metrics: Collection[str] | None = None,
    columns: Mapping[str, Collection[str]] | None = None,
) -> Iterator[DuckDBPyConnection]:
    """A DuckDB connection in memory with a view per table: all history as of one moment.

    `since`, `source` and, of samples, `metrics` narrow the views, and what is read for them; `columns` says of tables
    which are needed, where not all are. Name the `tables` you need: the others' hot rows are not fetched, and they
    have no view. Blocks nobody. What was recorded is shown whatever its time is: `now` only says when somebody asks.
    """
    connection = _open(store, published_path, _Asked(tables, since, source, metrics, columns or {}))
    try:
        yield connection
    finally:
        connection.close()


def open_published(path: Path | None = None) -> DuckDBPyConnection:
    """The published warehouse alone, read-only: what a notebook opens. It may be held for days.

    Without a path it is that of the folder $BUSTA_DIRECTORY, or of the nearest `.busta` from here upward. Raises
    StoreError.
    """
    import duckdb

    path = path or _nearest() / "published" / "warehouse.duckdb"
    if not path.exists():
        raise StoreError(f"there is no published warehouse at {path} yet; the first publish creates it")
    return duckdb.connect(str(path), read_only=True)


def _nearest() -> Path:
    if "BUSTA_DIRECTORY" in os.environ:
        return Path(os.environ["BUSTA_DIRECTORY"])
    here = Path.cwd()
    return next(
        (folder / ".busta" for folder in (here, *here.parents) if (folder / ".busta").is_dir()), here / ".busta"
    )


def _open(store: OperationalStore, published_path: Path, asked: _Asked) -> DuckDBPyConnection:
    import duckdb

    for _ in range(_ATTEMPTS):
        connection = duckdb.connect(":memory:")
        try:
            reached = _attach(connection, published_path, asked)
            if _take_hot(store, connection, reached, asked):
                _create_views(connection, reached[1].keys() if reached else (), asked)
                return connection
        except BaseException:
            connection.close()
            raise
        connection.close()
    raise StoreError(
        f"the published warehouse {published_path} is missing or older than the rows that expired since; "
        "publish it again"
    )


def _attach(
    connection: DuckDBPyConnection, published_path: Path, asked: _Asked
) -> tuple[str | None, dict[str, int]] | None:
    """Attaches the copy as `warehouse`, if there is one; returns whose rows it has, up to which ids."""
    connection.execute("CREATE SCHEMA hot")
    for name in asked.tables:
        create_hot(connection, f"hot.{name}", HOT[name], asked.of(name))
    if not published_path.exists():
        return None
    connection.execute(f"ATTACH {literal(str(published_path))} AS warehouse (READ_ONLY)")
    return origin(connection, "warehouse"), watermarks(connection, "warehouse")


def _take_hot(
    store: OperationalStore,
    connection: DuckDBPyConnection,
    reached: tuple[str | None, dict[str, int]] | None,
    asked: _Asked,
) -> bool:
    """Copies the rows above the attached copy's watermarks; False when some of them have expired."""
    with store.read() as operational:
        snapshot(operational)
        known = marks.read_marks(operational)
        last = reached[1] if reached and reached[0] == known.store_id else {}
        if any(known.expired.get(name, 0) > last.get(name, 0) for name in asked.tables):
            return False
        oldest = None if asked.since is None else to_us(asked.since)
        for name in asked.tables:
            copy_hot(
                operational, connection, f"hot.{name}", HOT[name], after=last.get(name, 0),
                source=asked.source, since=oldest, metrics=asked.metrics, columns=asked.of(name),
            )  # fmt: skip
    return True


def _create_views(connection: DuckDBPyConnection, published: Collection[str], asked: _Asked) -> None:
    """A view per table; `published` are those that the copy has: an older version's lacks the newest."""
    for name in asked.tables:
        conditions = ["true"]
        if asked.since is not None:
            conditions.append(f'"{TIME_COLUMNS[name]}" >= {literal(asked.since)}')
        if asked.source is not None:
            conditions.append(f"source = {literal(asked.source)}")
        if asked.metrics is not None and "metric" in HOT[name].c:
            conditions.append(f"metric IN ({', '.join(map(literal, asked.metrics)) or 'NULL'})")
        where = " AND ".join(conditions)
        # All by name: a copy that an older version published may lack the newest columns.
        listed = ", ".join(f'"{column}"' for column in asked.of(name)) if name in asked.columns else "*"
        stored = f"SELECT {listed} FROM warehouse.{name} WHERE {where} UNION ALL BY NAME " if name in published else ""  # noqa: S608
        connection.execute(f"CREATE VIEW {name} AS {stored}SELECT * FROM hot.{name}")  # noqa: S608
