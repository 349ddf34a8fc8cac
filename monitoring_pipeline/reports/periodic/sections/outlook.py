"""Where does it go? Limits that come closer, trends, and what is likely to fail next, as of the end of the period."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from monitoring_pipeline.reports.periodic.document import Column, Fact, Section, Table
from monitoring_pipeline.reports.periodic.section import Material
from monitoring_pipeline.store.outlook import results

__all__ = ["TITLE", "section"]

TITLE = "Where does it go?"
_SHOWN = 10
_FRESH = timedelta(days=2)
_COMING = ("beyond", "reaches", "may")
_CAPACITY = (
    Column("series"), Column("limit", "number"), Column("now", "number"), Column("at the earliest in", "seconds"),
    Column("likely in", "seconds"), Column("chance", "percent"),
)  # fmt: skip
_TRENDS = (
    Column("series"), Column("direction"), Column("change", "percent"), Column("strength", "number"),
    Column("level", "number"), Column("over days", "number"),
)  # fmt: skip
_RISKS = (
    Column("source"), Column("risk", "number"), Column("fails within 24 h", "percent"), Column("usual", "percent"),
    Column("why"),
)  # fmt: skip
Row = dict[str, Any]


def section(material: Material) -> Section:
    """What analysis computed last; nothing here is computed anew."""
    capacity, trends, risks = (_newest(material, table) for table in ("capacity", "trends", "risks"))
    if not (capacity or trends or risks):
        return Section(TITLE, absent="No trend or forecast was computed for this time.")
    coming = sorted((row for row in capacity if row["state"] in _COMING), key=lambda row: row["likely_h"] or 1e9)
    moving = [row for row in trends if row["direction"] in ("upward", "downward")]
    moving.sort(key=lambda row: -row["strength"] * abs(row["change_percent"] or 0.0))
    likely = sorted((row for row in risks if row["risk"] is not None), key=lambda row: -row["risk"])
    tables = [
        _table("Limits that come closer", _CAPACITY, [_reach(material, row) for row in coming]),
        _table("Clearest trends", _TRENDS, [_trend(material, row) for row in moving]),
        _table("Most at risk", _RISKS, [_risk(material, row) for row in likely]),
    ]
    facts = [
        Fact("limits reached within the horizon", len(coming), "number", mood="bad" if coming else "good"),
        Fact("series going up", sum(row["direction"] == "upward" for row in moving), "number"),
        Fact("series going down", sum(row["direction"] == "downward" for row in moving), "number"),
    ]
    return Section(TITLE, _sentence(material, coming), facts, [table for table in tables if table.rows])


def _newest(material: Material, table: str) -> list[Row]:
    """The rows of the last period of a table that speaks for the end of the report's."""
    found = results.since(material.history, table, material.until - _FRESH)
    periods = {row["period"] for row in found if row["period"] <= material.until}
    if not periods:
        return []
    last = max(periods)
    return [row for row in found if row["period"] == last and row["source"] in material.names]


def _table(title: str, columns: Sequence[Column], rows: Sequence[Sequence[Any]]) -> Table:
    return Table(title, columns, rows[:_SHOWN], max(0, len(rows) - _SHOWN))


def _series(material: Material, row: Row) -> str:
    return f"{material.names[row['source']]} / {row['metric']}"


def _reach(material: Material, row: Row) -> list[Any]:
    earliest, likely = (None if row[name] is None else 3600 * row[name] for name in ("earliest_h", "likely_h"))
    return [_series(material, row), row["limit_value"], row["now"], earliest, likely, 100 * row["chance"]]


def _trend(material: Material, row: Row) -> list[Any]:
    days = (row["until"] - row["since"]) / timedelta(days=1)
    return [_series(material, row), row["direction"], row["change_percent"], row["strength"], row["level"], days]


def _risk(material: Material, row: Row) -> list[Any]:
    chances = [None if row[name] is None else 100 * row[name] for name in ("chance_24h", "usual_24h")]
    return [material.names[row["source"]], row["risk"], *chances, "; ".join(map(str, row["reasons"][:2]))]


def _sentence(material: Material, coming: Sequence[Row]) -> str:
    beyond = [row for row in coming if row["state"] == "beyond"]
    if beyond:
        return f"{len(beyond)} series are beyond their limits, first of all {_series(material, beyond[0])}."
    if coming:
        return f"The first limit that comes closer is that of {_series(material, coming[0])}."
    return "No limit comes closer."
