"""How a table's columns changed since the last look."""

from __future__ import annotations

from collections.abc import Mapping

from monitoring_pipeline.quality.outcome import SchemaChange

__all__ = ["schema_changes"]


def schema_changes(before: Mapping[str, str], after: Mapping[str, str]) -> tuple[SchemaChange, ...]:
    """What was added, removed and retyped, by column. Where either schema is not known nothing changed."""
    if not before or not after:
        return ()
    changes = [SchemaChange("added", name, after=after[name]) for name in after if name not in before]
    changes += [SchemaChange("removed", name, before=before[name]) for name in before if name not in after]
    changes += [
        SchemaChange("retyped", name, before[name], after[name])
        for name in after
        if name in before and before[name] != after[name]
    ]
    return tuple(changes)
