"""The contract of a kind of table: something with rows and columns that suites examine.

A kind is one pydantic model in `tables/`: its fields are its YAML, its `open` makes the rows readable for
DuckDB. Third parties bring kinds of their own by the entry points `monitoring_pipeline.tables`.

    class FileTable(Table):
        '''CSV, Parquet and JSON files.'''

        kind: Literal["file"]
        path: str

        def open(self, desk: Desk) -> Opened:
            desk.permit(self.path)
            return Opened(f"read_parquet({quoted(self.path)})")

`open` runs in a process of the suite's own, which is ended when its time is over. It raises what it likes: whatever
goes wrong makes the quality of the data unknown, and says nothing about the data.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler
from pydantic_core import CoreSchema, core_schema

from monitoring_pipeline.kinds import Kinds, find_kinds
from monitoring_pipeline.reach.clients import SharedClients
from monitoring_pipeline.reach.spec import NetworksSpec

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["AnyTable", "Desk", "Opened", "Table", "identifier", "quoted", "table_kinds"]


def quoted(text: str) -> str:
    """A text as SQL spells it."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL spells it."""
    return '"' + name.replace('"', '""') + '"'


@dataclass(slots=True)
class Desk:
    """What a kind of table is given to work with; it is a `reach` context too.

    `connection` is an empty in-memory DuckDB. `folder` may be written to and is removed afterwards. `pick` chooses,
    of all the columns there are, those that somebody wants to look at. No more than `max_rows` rows have to be
    brought here, a sample of them where there are more; who does so says what the maximum of the column `newest_of`
    is in all of them, or rows would seem older than they are.
    """

    connection: DuckDBPyConnection
    folder: Path
    pick: Callable[[Sequence[str]], Sequence[str]]
    max_rows: int
    timeout_s: float
    newest_of: str | None = None
    networks: NetworksSpec = field(default_factory=NetworksSpec)
    permitted: list[str] = field(default_factory=list)

    @property
    def clients(self) -> SharedClients:
        """Clients that obey the network policy."""
        return SharedClients(self.networks)

    def permit(self, *paths: str | Path) -> None:
        """Files that DuckDB goes on reading after it was locked up."""
        self.permitted += map(str, paths)


@dataclass(frozen=True, slots=True)
class Opened:
    """A table that DuckDB can read: `relation` is what stands after FROM.

    Where the relation holds no more than a sample, or not all columns, the kind says so itself: `rows` is the exact
    number of rows, `schema` maps every column to its type in the words of the source, `newest` is the maximum of
    the column `newest_of` as text. DuckDB is asked for what is None.
    """

    relation: str
    rows: int | None = None
    schema: Mapping[str, str] | None = None
    newest: str | None = None


class Table(BaseModel):
    """A kind of table."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    examples: ClassVar[tuple[str, ...]] = ()
    """YAML of tables of this kind, for the documentation."""

    kind: str

    def open(self, desk: Desk) -> Opened:
        """Makes the rows readable. See the module's text."""
        raise NotImplementedError


def table_kinds() -> Kinds[Table]:
    """Every kind of table, third-party ones (entry points `monitoring_pipeline.tables`) included."""
    return find_kinds("monitoring_pipeline.quality.tables", Table, "monitoring_pipeline.tables")


class _ByKind:
    """Builds the union of all kinds, plug-ins included."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        choices = {name: handler.generate_schema(kind) for name, kind in table_kinds().by_name.items()}
        return core_schema.tagged_union_schema(choices, discriminator="kind")


if TYPE_CHECKING:
    AnyTable = Table
else:
    AnyTable = Annotated[Any, _ByKind]
    """A table of any kind, as a field of the YAML."""
