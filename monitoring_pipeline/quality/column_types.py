"""Whether a column has the type that a suite names.

Judged by what the source and DuckDB call the type and not on a data frame, where whole numbers beside missing
values become floats. Names of SQL, of Python and of pandas are understood.
"""

from __future__ import annotations

__all__ = ["is_of_type"]

_INTEGERS = "TINYINT SMALLINT INTEGER BIGINT HUGEINT UTINYINT USMALLINT UINTEGER UBIGINT UHUGEINT"
_MEANT: dict[str, frozenset[str]] = {
    name: frozenset(types.split())
    for names, types in (
        ("INT", _INTEGERS),
        ("INT16 INT2", "SMALLINT"),
        ("INT32 INT4 INTEGER", "INTEGER"),
        ("INT64 INT8 LONG", "BIGINT"),
        ("UINT8", "UTINYINT"),
        ("UINT16", "USMALLINT"),
        ("UINT32", "UINTEGER"),
        ("UINT64", "UBIGINT"),
        ("FLOAT", "FLOAT DOUBLE DECIMAL"),
        ("FLOAT32 FLOAT4 REAL", "FLOAT"),
        ("FLOAT64 FLOAT8", "DOUBLE"),
        ("NUMERIC", "DECIMAL"),
        ("STR STRING TEXT CHAR BPCHAR CHARACTER OBJECT", "VARCHAR"),
        ("BOOL LOGICAL", "BOOLEAN"),
        ("DATETIME DATETIME64 TIMESTAMP", "TIMESTAMP TIMESTAMP_S TIMESTAMP_MS TIMESTAMP_NS"),
        ("BYTES BYTEA BINARY", "BLOB"),
        ("TIMEDELTA", "INTERVAL"),
    )
    for name in names.split()
}
_MEANT["TIMESTAMPTZ"] = frozenset({"TIMESTAMP WITH TIME ZONE"})


def is_of_type(wanted: str, *names: str) -> bool:
    """Whether a type of these names, the source's and DuckDB's, is the one wanted."""
    plain, have = _plain(wanted), {_plain(name) for name in names}
    return plain in have or bool(_MEANT.get(plain, frozenset()) & have)


def _plain(name: str) -> str:
    """Without length or precision, and without a module before it."""
    return name.partition("(")[0].partition("[")[0].rpartition(".")[2].strip().upper()
