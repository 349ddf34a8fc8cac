"""Figures about every column of a table, as one query."""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.quality.outcome import ColumnProfile, Profile
from monitoring_pipeline.quality.table import identifier

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["MOST_COLUMNS", "plain", "profile_of"]

MOST_COLUMNS = 200
"""Columns beyond these are not profiled."""
_LONGEST_TEXT = 200
# Without an order, or without one that means something to people.
_UNORDERED = ("STRUCT", "MAP", "UNION", "BLOB", "BIT", "JSON", "UUID", "BOOLEAN", "ENUM", "INTERVAL")


def profile_of(
    connection: DuckDBPyConnection, relation: str, types: Mapping[str, str], *, freshness_column: str | None = None,
    masked: Collection[str] = (),
) -> Profile:  # fmt: skip
    """Profiles a relation whose columns have these DuckDB types.

    Values of masked columns are not looked at, only counted.
    """
    names = list(types)[:MOST_COLUMNS]
    ranged = [name for name in names if name not in masked and _has_range(types[name])]
    parts = ["count(*)"]
    for name in names:
        column = _value(name, types[name])
        parts += [f"count({column})", f"count(DISTINCT {column})"]
    for name in ranged:
        column = _value(name, types[name])
        parts += [f"min({column})", f"max({column})"]
    if freshness_column is not None:
        parts.append(f"max(TRY_CAST({identifier(freshness_column)} AS TIMESTAMPTZ))")
    row = connection.execute(f"SELECT {', '.join(parts)} FROM {relation}").fetchone()  # noqa: S608 - quoted names
    assert row is not None  # noqa: S101 - an aggregate always has one row
    rows, cells = row[0], iter(row[1:])
    counts = {name: (rows - next(cells), next(cells)) for name in names}
    ranges = {name: (plain(next(cells)), plain(next(cells))) for name in ranged}
    columns = tuple(ColumnProfile(name, types[name], *counts[name], *ranges.get(name, ())) for name in names)
    newest = next(cells) if freshness_column is not None else None
    return Profile(rows, columns, newest.astimezone(UTC) if isinstance(newest, datetime) else None)


def _value(name: str, type_: str) -> str:
    """A column with what is no number missing, as expectations have it."""
    return f"nullif({identifier(name)}, 'NaN'::{type_})" if type_ in ("FLOAT", "DOUBLE") else identifier(name)


def _has_range(type_: str) -> bool:
    return not type_.startswith(_UNORDERED) and not type_.endswith("]")


def plain(value: Any) -> Any:
    """A value as JSON knows it: numbers stay numbers, moments become ISO text, the rest text of bounded length."""
    if hasattr(value, "item") and not isinstance(value, (str, bytes)):
        value = value.item()
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, Decimal):
        value = float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, (datetime, date, time)):
        return None if value != value else value.isoformat()
    if isinstance(value, (list, tuple, set)):
        return [plain(part) for part in list(value)[:20]]
    if isinstance(value, Mapping):
        return {str(plain(str(key))): plain(part) for key, part in list(value.items())[:20]}
    # Neither NUL nor half a character, as JSON may spell one, can be kept everywhere.
    text = str(value).replace("\0", "").encode(errors="replace").decode()
    return text if len(text) <= _LONGEST_TEXT else text[: _LONGEST_TEXT - 1] + "…"
