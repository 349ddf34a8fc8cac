"""What was not watched? Slots that nobody executed: time of which this report knows nothing."""

from __future__ import annotations

from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import periods, rollups

__all__ = ["TITLE", "section"]

TITLE = "What was not watched?"
_COLUMNS = (
    Column("why"), Column("slots", "number"), Column("checks", "number"), Column("first", "moment"),
    Column("last", "moment"),
)  # fmt: skip


def section(material: Material) -> Section:
    """Gaps by their reason."""
    found = periods.gap_reasons(material.history, material.chosen, material.start, material.until)
    if not found:
        if not rollups.found(material.history, material.chosen, material.start, material.until):
            return Section(TITLE, absent="No check was executed in this time, so nothing is known.")
        return Section(TITLE, "Every slot of every check was executed.")
    rows = [[row["reason"].replace("_", " "), row["slots"], row["checks"], row["first"], row["last"]] for row in found]
    slots = sum(row["slots"] for row in found)
    return Section(
        TITLE, f"{slots} slots have no result; that time is unknown, and nowhere counted as good.",
        [Fact("slots without a result", slots, "number", mood="unknown")], [Table("", _COLUMNS, rows)],
    )  # fmt: skip
