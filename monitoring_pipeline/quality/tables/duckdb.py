"""Tables in a DuckDB file, read where they are."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.quality.table import Desk, Opened, Table, quoted
from monitoring_pipeline.quality.tables.naming import one_of_both, relation_of

__all__ = ["DuckdbTable"]


class DuckdbTable(Table):
    """A table, a view or a query of a DuckDB file, opened read-only.

    DuckDB lets nobody read a file that another process writes: point at a copy that is published.
    """

    examples: ClassVar[tuple[str, ...]] = ("{kind: duckdb, path: /data/warehouse.duckdb, table: main.orders}",)

    kind: Literal["duckdb"]
    path: Path = Field(description="The file.")
    table: str | None = Field(None, description="Name of a table or view, with its schema where it has one.")
    query: str | None = Field(None, description="A SELECT instead of a table.")

    @model_validator(mode="after")
    def _says_what(self) -> Self:
        one_of_both(self.table, self.query)
        return self

    def open(self, desk: Desk) -> Opened:
        """Attaches the file. Raises SourceFailure when it is missing or damaged, CheckError when it is locked."""
        import duckdb

        if not self.path.exists():
            raise SourceFailure(f"the database file {self.path} does not exist")
        try:
            desk.connection.execute(f"ATTACH {quoted(str(self.path))} AS source (READ_ONLY)")
            desk.connection.execute("USE source")
        except duckdb.Error as error:
            text = str(error).strip().partition("\n")[0]
            if "Could not set lock" in text:
                raise CheckError(
                    f"{self.path} is held by a process that writes it, and DuckDB lets nobody else read it meanwhile; "
                    "examine a published copy instead"
                ) from None
            raise SourceFailure(text) from None
        return Opened(relation_of(self.table, self.query))
