"""Files on this machine: CSV, Parquet and JSON, one or many, compressed or not."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar, Literal

from pydantic import Field

from monitoring_pipeline.errors import SourceFailure
from monitoring_pipeline.quality.table import Desk, Opened, Table
from monitoring_pipeline.quality.tables.reading import Format, ReadOptions, opened
from monitoring_pipeline.reach.files import scan

__all__ = ["FileTable"]


class FileTable(Table):
    """CSV, Parquet or JSON files that DuckDB reads where they are; columns are joined by name over several files."""

    examples: ClassVar[tuple[str, ...]] = ('{kind: file, path: /data/in/orders-*.csv.gz, options: {delimiter: ";"}}',)

    kind: Literal["file"]
    path: str = Field(min_length=1, description="A file, or a glob such as /data/in/*.parquet.")
    format: Format | None = Field(None, description="csv, parquet or json; by default the file's name tells.")
    options: ReadOptions = Field(ReadOptions(), description="How CSV is to be read.")
    max_files: int = Field(1000, ge=1, le=100_000, description="More files than this are too many.")

    def open(self, desk: Desk) -> Opened:
        """Finds the files. Raises SourceFailure when there are none, or too many."""
        found = scan(self.path, self.max_files)
        if not found.files:
            raise SourceFailure(f"there is no file {self.path}")
        if found.truncated:
            raise SourceFailure(f"more than {self.max_files} files match {self.path}")
        paths = [str(Path(file.path).absolute()) for file in found.files]
        return opened(desk, paths, self.format, self.options)
