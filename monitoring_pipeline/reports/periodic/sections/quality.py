"""Was the data good? Scores of quality suites, and what failed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import periods

__all__ = ["TITLE", "section"]

TITLE = "Was the data good?"
_SHOWN = 20
_COLUMNS = (
    Column("source"), Column("suite"), Column("score", "number"), Column("before", "number"), Column("worst", "number"),
    Column("last", "number"), Column("runs", "number"), Column("with failures", "number"),
    Column("with errors", "number"), Column("last message"),
)  # fmt: skip


def section(material: Material) -> Section:
    """A score is from 0 to 100; runs of which nothing is known have none and count apart."""
    found = periods.quality(material.history, material.chosen, material.start, material.until)
    if not found:
        return Section(TITLE, absent="No quality suite ran in this time.")
    earlier = periods.quality(material.history, material.chosen, material.period.before().start, material.start)
    before = {(row["source"], row["suite"]): row["score"] for row in earlier}
    rows = [_row(material, row, before.get((row["source"], row["suite"]))) for row in found]
    facts = [
        Fact("mean score", _mean(found), "number", _mean(earlier)),
        Fact("runs", sum(row["runs"] for row in found), "number", sum(row["runs"] for row in earlier)),
        Fact("runs that could not be carried out", sum(row["unknown"] for row in found), "number", mood="unknown"),
    ]
    return Section(TITLE, _sentence(found), facts, [Table("", _COLUMNS, rows[:_SHOWN], max(0, len(rows) - _SHOWN))])


def _sentence(found: Sequence[Mapping[str, Any]]) -> str:
    known = [row["score"] for row in found if row["score"] is not None]
    poor, unknown = sum(score < 95 for score in known), len(found) - len(known)
    if not known:
        return "Nothing is known: no suite could be carried out."
    text = f"{poor} of {len(found)} suites scored below 95 on average" if poor else "Every suite scored 95 or more"
    return f"{text}; of {unknown} nothing is known." if unknown else f"{text}."


def _row(material: Material, row: dict[str, Any], before: float | None) -> list[Any]:
    figures = [row["score"], before, row["worst"], row["last"], row["runs"], row["failed"], row["unknown"]]
    return [material.names.get(row["source"], row["source"]), row["suite"], *figures, row["message"]]


def _mean(rows: list[dict[str, Any]]) -> float | None:
    scores = [row["score"] for row in rows if row["score"] is not None]
    return sum(scores) / len(scores) if scores else None
