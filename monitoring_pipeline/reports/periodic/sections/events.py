"""What was unusual? Anomalies, level shifts, flat lines, schema drift: everything that is kept as an event."""

from __future__ import annotations

from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import periods

__all__ = ["TITLE", "section"]

TITLE = "What was unusual?"
_SHOWN = 15
_COLUMNS = (
    Column("when", "moment"), Column("severity", "status"), Column("source"), Column("kind"), Column("what"),
)  # fmt: skip


def section(material: Material) -> Section:
    """Events by kind, and the gravest of them."""
    counts = periods.event_kinds(material.history, material.chosen, material.start, material.until)
    if not counts:
        return Section(TITLE, absent="Nothing unusual was noticed in this time.")
    before = periods.event_kinds(material.history, material.chosen, material.period.before().start, material.start)
    listed = periods.events(material.history, material.chosen, material.start, material.until, _SHOWN)
    facts = [Fact(kind.replace("_", " "), count, "number", before.get(kind, 0)) for kind, count in counts.items()]
    total = sum(counts.values())
    table = Table("The gravest", _COLUMNS, [_row(material, row) for row in listed], max(0, total - len(listed)))
    return Section(TITLE, f"{total} events.", facts, [table])


def _row(material: Material, row: dict[str, Any]) -> list[Any]:
    source = material.names.get(row["source"], row["source"])
    return [row["at"], row["severity"], source, row["kind"].replace("_", " "), row["text"]]
