"""Was it there? Executions by status, unknown time kept apart, and a picture of when it was not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Mood, Picture, Section, Table
from monitoring_pipeline.reports.periodic.drawing import Cell, strips_png
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store import rollups

__all__ = ["TITLE", "section"]

TITLE = "Was it there?"
_SHOWN = 20
_DRAWN = 25
_COLUMNS = (
    Column("source"), Column("available", "percent"), Column("before", "percent"), Column("unknown", "seconds"),
    Column("executions", "number"), Column("critical", "number"), Column("warning", "number"),
    Column("missed", "number"),
)  # fmt: skip


def section(material: Material) -> Section:
    """Worst sources first; those of which little is known among them."""
    found = _found(material, before=False)
    if not found:
        return Section(TITLE, absent="No check was executed in this time, so nothing is known.")
    earlier = _found(material, before=True)
    ordered = sorted(found.values(), key=_badness)
    rows = [_row(material.names[row["source"]], row, earlier.get(row["source"])) for row in ordered]
    table = Table("", _COLUMNS, rows[:_SHOWN], max(0, len(rows) - _SHOWN))
    facts = _facts(material, found.values(), earlier.values())
    picture = _picture(material, [row["source"] for row in ordered[:_DRAWN]])
    return Section(TITLE, _sentence(material, found), facts, [table], [picture] if picture else [])


def _found(material: Material, *, before: bool) -> dict[str, dict[str, Any]]:
    span = (material.period.before().start, material.start) if before else (material.start, material.until)
    rows = rollups.found(material.history, material.chosen, *span)
    found = {row["source"]: row for row in rows if row["source"] in material.names}
    if not before:
        # Buckets know of no time before a source's first result, and of none after its last until somebody is back.
        for source, row in found.items():
            row["unknown_s"] = material.failing.sources[source].unknown_us / 1e6
    return found


def _badness(row: Mapping[str, Any]) -> tuple[float, float]:
    # Nothing known is worse than anything that is.
    return (-1.0 if row["availability"] is None else row["availability"], -row["unknown_s"])


def _row(name: str, row: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> list[Any]:
    executions = row["healthy"] + row["warning"] + row["critical"] + row["unknown"]
    before = None if earlier is None else earlier["availability"]
    return [
        name, row["availability"], before, row["unknown_s"], executions, row["critical"], row["warning"], row["missed"]
    ]  # fmt: skip


def _facts(material: Material, found: Collection[Mapping[str, Any]], earlier: Any) -> list[Fact]:
    now, then = _together(found), _together(earlier)
    span = (min(material.until, material.now) - material.start).total_seconds() * len(found)
    unknown = 100 * now["unknown_s"] / span if span > 0 else None
    mood: Mood = "unknown" if now["available"] is None else "good" if now["available"] >= 99.9 else "bad"
    return [
        Fact("available, of what is known", now["available"], "percent", then["available"], mood),
        Fact("unknown time", unknown, "percent", mood="unknown" if unknown else ""),
        Fact("executions", now["executions"], "number", then["executions"]),
        Fact("sources without any result", len(material.ids) - len(found), "number"),
    ]


def _together(rows: Any) -> dict[str, Any]:
    sums = {name: sum(row[name] for row in rows) for name in ("healthy", "warning", "critical", "unknown", "unknown_s")}
    known = sums["healthy"] + sums["warning"] + sums["critical"]
    available = 100 * (sums["healthy"] + sums["warning"]) / known if known else None
    executions = known + sums["unknown"] or None
    return {"available": available, "executions": executions, "unknown_s": sums["unknown_s"]}


def _sentence(material: Material, found: Mapping[str, Mapping[str, Any]]) -> str:
    down = [name for name, row in found.items() if row["critical"]]
    unknown = sum(row["availability"] is None for row in found.values())
    if unknown == len(found):
        return "Nothing is known: no check could find out how things were."
    if not down:
        dark = f"; of {unknown} of {len(material.ids)} sources nothing is known" if unknown else ""
        return f"No check found anything critical{dark}."
    listed = ", ".join(material.names[name] for name in sorted(down, key=lambda name: _badness(found[name]))[:3])
    tail = f" and {len(down) - 3} more" if len(down) > 3 else ""
    return f"Something critical was found at {len(down)} of {len(material.ids)} sources: {listed}{tail}."


def _picture(material: Material, sources: Sequence[str]) -> Picture | None:
    level = rollups.HOUR if material.period.kind == "day" else rollups.level_for(material.until - material.start, 200)
    rows = rollups.executions(material.history, sources, material.start, material.until, level=level)
    cells: dict[str, list[Cell]] = {source: [] for source in sources}
    for row in rows:
        known = row["healthy"] + row["warning"] + row["critical"]
        share = (row["healthy"] + row["warning"]) / known if known else None
        cells[row["source"]].append(Cell(row["start"], share))
    drawn = {material.names[source]: listed for source, listed in cells.items()}
    png = strips_png(drawn, material.start, material.period.end, level.width, material.period.zone)
    about = "Share of executions that were not critical, per source and time; grey is unknown, white is no data."
    return Picture("availability", about, png) if png else None
