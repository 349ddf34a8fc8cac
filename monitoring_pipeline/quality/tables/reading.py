"""How DuckDB reads files of rows: CSV, Parquet and JSON."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import TYPE_CHECKING, Literal

from pydantic import BaseModel, ConfigDict, Field

from monitoring_pipeline.errors import CheckError, SourceFailure
from monitoring_pipeline.quality.table import Desk, Opened, quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["NOTHING", "Format", "ReadOptions", "opened"]

Format = Literal["csv", "parquet", "json"]
_SUFFIXES: dict[str, Format] = {
    ".csv": "csv", ".tsv": "csv", ".txt": "csv", ".parquet": "parquet", ".pq": "parquet",
    ".json": "json", ".ndjson": "json", ".jsonl": "json",
}  # fmt: skip
_DELIMITERS = re.compile(r"[,;|\t]")
_NO_SKIPPING = ", skip = 0"
_WHOLLY_SAMPLED = 64 * 1024 * 1024
_PACKED = (".gz", ".zst")


NOTHING = Opened("(SELECT NULL AS nothing WHERE false)", 0, {})
"""A table of which not even the columns are known."""


class ReadOptions(BaseModel):
    """How CSV is read. What is left out is found out from the beginning of the file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: str | None = Field(None, min_length=1, max_length=4, description="What separates values.")
    skip: int = Field(0, ge=0, le=10_000, description="How many lines stand before the table.")
    header: bool | None = Field(None, description="Whether the first line holds names.")
    null: str | None = Field(None, description="The text that stands for a missing value; empty by default.")
    all_text: bool = Field(False, description="Whether every column is a text, so that nothing is guessed.")


def opened(desk: Desk, paths: Sequence[str], form: Format | None, options: ReadOptions) -> Opened:
    """These files as a table. Raises CheckError when their names do not tell what they are, SourceFailure for CSV
    whose lines have unlike numbers of values: without a delimiter that fits, each line would become one value."""
    relation = _relation(paths, form, options)
    desk.permit(*paths)
    if relation.startswith("read_csv") and all(Path(path).stat().st_size == 0 for path in paths):
        return NOTHING
    if relation.startswith("read_csv") and options.delimiter is None and _is_no_table(desk.connection, relation):
        raise SourceFailure(
            "its lines have unlike numbers of values, so nothing tells what separates them; `options` may say the "
            "`delimiter`, and how many lines to `skip`"
        )
    return Opened(relation)


def _is_no_table(connection: DuckDBPyConnection, relation: str) -> bool:
    """Whether whole lines became the only column."""
    names = _columns(connection, relation)
    if len(names) != 1:
        return False
    # DuckDB would skip all lines before one that it likes better, be it the last.
    return bool(_DELIMITERS.search(names[0])) or len(_columns(connection, relation.replace(_NO_SKIPPING, "", 1))) > 1


def _columns(connection: DuckDBPyConnection, relation: str) -> list[str]:
    return [row[0] for row in connection.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()]  # noqa: S608


def _relation(paths: Sequence[str], form: Format | None, options: ReadOptions) -> str:
    """The relation over these files."""
    files = "[" + ", ".join(map(quoted, paths)) + "]"
    form = form or _format_of(paths[0])
    if form == "parquet":
        return f"read_parquet({files}, union_by_name = true)"
    if form == "json":
        return f"read_json({files}, union_by_name = true{_sampled(paths)})"
    given = {
        "delim": options.delimiter and quoted(options.delimiter),
        "header": None if options.header is None else str(options.header).lower(),
        "nullstr": None if options.null is None else quoted(options.null),
        "all_varchar": "true" if options.all_text else None,
    }
    more = "".join(f", {name} = {value}" for name, value in given.items() if value is not None)
    skip = f", skip = {options.skip}" if options.skip else _NO_SKIPPING
    return f"read_csv({files}, union_by_name = true{skip}{more})"


def _sampled(paths: Sequence[str]) -> str:
    """Keys that few records have are columns, too: all are looked at, of large files the first 20,480."""
    return ", sample_size = -1" if sum(Path(path).stat().st_size for path in paths) <= _WHOLLY_SAMPLED else ""


def _format_of(path: str) -> Format:
    name = PurePath(path)
    while name.suffix.lower() in _PACKED:
        name = name.with_suffix("")
    try:
        return _SUFFIXES[name.suffix.lower()]
    except KeyError:
        raise CheckError(
            f"the name of {path} does not tell what it holds; set `format` to csv, parquet or json"
        ) from None
