"""What is read of a database: a table, or a query."""

from __future__ import annotations

from collections.abc import Callable

from monitoring_pipeline.quality.table import identifier

__all__ = ["one_of_both", "relation_of"]


def one_of_both(table: str | None, query: str | None) -> None:
    """Raises ValueError unless one of both is given."""
    if (table is None) == (query is None):
        raise ValueError("give either `table` or `query`")
    if not (table or query or "").strip(" ;\n"):
        raise ValueError("the table or query is empty")


def relation_of(table: str | None, query: str | None, named: Callable[[str], str] = identifier) -> str:
    """What stands after FROM. A dot in a table's name separates it from its schema; `named` spells a name in SQL."""
    if table is not None:
        return ".".join(named(part) for part in table.split("."))
    return f"({(query or '').strip().rstrip(';')}\n) AS query"
