"""Did collecting work? What collectors reported about themselves."""

from __future__ import annotations

from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import periods

__all__ = ["TITLE", "section"]

TITLE = "Did collecting work?"
_SHOWN = 20
_COLUMNS = (
    Column("collector"), Column("source"), Column("succeeded", "percent"), Column("before", "percent"),
    Column("attempts", "number"), Column("failures", "number"), Column("rows", "number"), Column("mean time", "ms"),
    Column("last success", "moment"), Column("last error"),
)  # fmt: skip


def section(material: Material) -> Section:
    """The least reliable collectors first."""
    found = periods.collectors(material.history, material.chosen, material.start, material.until)
    if not found:
        return Section(TITLE, absent="No collector reported anything in this time.")
    earlier = periods.collectors(material.history, material.chosen, material.period.before().start, material.start)
    before = {row["collector"]: row["succeeded"] for row in earlier}
    rows = [_row(row, before.get(row["collector"])) for row in found]
    failing = sum(1 for row in found if row["failures"])
    text = f"{failing} of {len(found)} collectors had failures." if failing else "Every attempt succeeded."
    facts = [
        Fact("attempts", sum(row["attempts"] for row in found), "number", sum(row["attempts"] for row in earlier)),
        Fact("failures", sum(row["failures"] for row in found), "number", sum(row["failures"] for row in earlier)),
        Fact("rows", sum(row["rows"] or 0 for row in found), "number", sum(row["rows"] or 0 for row in earlier)),
    ]
    return Section(TITLE, text, facts, [Table("", _COLUMNS, rows[:_SHOWN], max(0, len(rows) - _SHOWN))])


def _row(row: dict[str, Any], before: float | None) -> list[Any]:
    figures = [row["succeeded"], before, row["attempts"], row["failures"], row["rows"], row["mean_ms"]]
    return [row["collector"], row["source"], *figures, row["last_success"], row["last_error"]]
