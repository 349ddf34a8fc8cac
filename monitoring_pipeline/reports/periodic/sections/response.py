"""How fast did it answer? The slowest sources, and those that became slower."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Picture, Section, Table
from monitoring_pipeline.reports.periodic.drawing import lines_png
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import rollups

__all__ = ["TITLE", "section"]

TITLE = "How fast did it answer?"
_METRIC = "response_time_ms"
_SHOWN = 15
_DRAWN = 5
_COLUMNS = (
    Column("check"), Column("mean", "ms"), Column("before", "ms"), Column("p50", "ms"), Column("p95", "ms"),
    Column("p99", "ms"), Column("worst", "ms"), Column("outliers", "number"), Column("answers", "number"),
)  # fmt: skip
Key = tuple[str, str]


def section(material: Material) -> Section:
    """Means of everything are cheap; percentiles are merged for those that are shown."""
    means = _totals(material, material.start, material.until)
    if not means:
        return Section(TITLE, absent="No response time was measured in this time.")
    earlier = _totals(material, material.period.before().start, material.start)
    slowest = sorted(means, key=lambda key: -means[key]["avg"])[:_SHOWN]
    sources = sorted({source for source, _ in slowest})
    full = _by_key(rollups.totals(material.history, sources, _METRIC, material.start, material.until))
    rows = [_row(material, key, full[key], earlier.get(key)) for key in slowest if key in full]
    facts = [Fact("mean response time", _mean(means), "ms", _mean(earlier))]
    table = Table("The slowest", _COLUMNS, rows, max(0, len(means) - len(rows)))
    return Section(TITLE, _sentence(material, means, earlier), facts, [table], _pictures(material, slowest[:_DRAWN]))


def _totals(material: Material, start: datetime, end: datetime) -> dict[Key, dict[str, Any]]:
    rows = rollups.totals(material.history, material.chosen, _METRIC, start, end, quantiles=False)
    return {key: row for key, row in _by_key(rows).items() if key[0] in material.names}


def _by_key(rows: Sequence[dict[str, Any]]) -> dict[Key, dict[str, Any]]:
    return {(row["source"], row["check"]): row for row in rows}


def _row(material: Material, key: Key, row: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> list[Any]:
    before = None if earlier is None else earlier["avg"]
    figures = [row[name] for name in ("p50", "p95", "p99", "max", "outliers", "count")]
    return [f"{material.names[key[0]]} / {key[1]}", row["avg"], before, *figures]


def _mean(found: Mapping[Key, Mapping[str, Any]]) -> float | None:
    count = sum(row["count"] for row in found.values())
    return sum(row["avg"] * row["count"] for row in found.values()) / count if count else None


def _sentence(material: Material, means: Mapping[Key, Any], earlier: Mapping[Key, Any]) -> str:
    grown = {
        key: row["avg"] / earlier[key]["avg"]
        for key, row in means.items()
        if key in earlier and earlier[key]["avg"] > 0 and row["count"] >= 30 and row["avg"] - earlier[key]["avg"] > 5
    }
    slower = sorted((key for key, ratio in grown.items() if ratio >= 1.5), key=lambda key: -grown[key])
    if not slower:
        return "No check answers much slower than in the period before."
    listed = ", ".join(f"{material.names[key[0]]} / {key[1]} ({grown[key]:.1f} times)" for key in slower[:3])
    tail = f" and {len(slower) - 3} more" if len(slower) > 3 else ""
    return f"Slower than in the period before: {listed}{tail}."


def _pictures(material: Material, keys: Sequence[Key]) -> list[Picture]:
    sources = sorted({source for source, _ in keys})
    level = rollups.level_for(material.until - material.start, 800)
    rows = rollups.series(material.history, sources, _METRIC, material.start, material.until, level=level)
    lines: dict[str, list[tuple[datetime, float]]] = {}
    for row in rows:
        if (row["source"], row["check"]) in keys:
            name = f"{material.names[row['source']]} / {row['check']}"
            lines.setdefault(name, []).append((row["start"], row["p95"]))
    png = lines_png(lines, f"p95 per {level.name}, ms", material.start, material.period.end, material.period.zone)
    return [Picture("response", "95th percentile of the response times of the slowest checks.", png)] if png else []
