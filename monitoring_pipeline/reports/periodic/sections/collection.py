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
    before = {(row["collector"], row["source"]): row["succeeded"] for row in earlier}
    rows = [_row(row, before.get((row["collector"], row["source"]))) for row in found]
    failing = {row["collector"] for row in found if row["failures"]}
    count = len({row["collector"] for row in found})
    text = f"{len(failing)} of {count} collectors had failures." if failing else "Every attempt succeeded."
    facts = [
        Fact("attempts", sum(row["attempts"] for row in found), "number", sum(row["attempts"] for row in earlier)),
        Fact("failures", sum(row["failures"] for row in found), "number", sum(row["failures"] for row in earlier)),
        Fact("rows", _rows(found), "number", _rows(earlier)),
    ]
    return Section(TITLE, text, facts, [Table("", _COLUMNS, rows[:_SHOWN], max(0, len(rows) - _SHOWN))])


def _rows(found: list[dict[str, Any]]) -> float | None:
    """How many rows were reported; None where nobody said."""
    told = [row["rows"] for row in found if row["rows"] is not None]
    return sum(told) if told else None


def _row(row: dict[str, Any], before: float | None) -> list[Any]:
    figures = [row["succeeded"], before, row["attempts"], row["failures"], row["rows"], row["mean_ms"]]
    return [row["collector"], row["source"], *figures, row["last_success"], row["last_error"]]
