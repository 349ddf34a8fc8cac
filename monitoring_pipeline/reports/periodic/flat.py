"""A report for programs: JSON with everything but pictures, and CSV with one figure per line."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from monitoring_pipeline.reports.periodic.document import Report, Section, Table

__all__ = ["as_document", "to_csv", "to_json"]

CSV_COLUMNS = ("report", "period", "section", "table", "row", "figure", "unit", "value")


def as_document(report: Report) -> dict[str, Any]:
    """Plain values: moments in UTC with Z, times in the unit that is named, None where nothing is known."""
    period = report.period
    return {
        "installation": report.installation, "scope": report.scope, "subject": report.subject, "title": report.title,
        "period": {
            "kind": period.kind, "name": period.name, "start": _moment(period.start), "end": _moment(period.end),
            "timezone": period.zone,
        },
        "made": _moment(report.made), "complete": report.is_complete,
        "sections": {name: _section(section) for name, section in report.sections.items()},
    }  # fmt: skip


def to_json(report: Report) -> str:
    """`as_document`, indented."""
    return json.dumps(as_document(report), indent=2, ensure_ascii=False) + "\n"


def to_csv(report: Report) -> str:
    """A line per figure, with the columns report, period, section, table, row, figure, unit and value.

    `row` is what stands in the first column of a table's row, or empty for the figures of a section as a whole. What
    was there in the period before is a figure of its own. Empty where nothing is known.
    """
    into = io.StringIO()
    writer = csv.writer(into, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for name, section in report.sections.items():
        for line in _lines(section):
            writer.writerow([_safe(part) for part in (report.subject, report.period.name, name, *line)])
    return into.getvalue()


def _section(section: Section) -> dict[str, Any]:
    return {
        "title": section.title, "text": section.text, "absent": section.absent or None,
        "facts": [
            {"name": fact.name, "unit": fact.unit, "value": _plain(fact.value), "before": _plain(fact.before)}
            for fact in section.facts
        ],
        "tables": [_table(table) for table in section.tables],
    }  # fmt: skip


def _table(table: Table) -> dict[str, Any]:
    return {
        "title": table.title,
        "columns": [{"name": column.name, "unit": column.unit} for column in table.columns],
        "rows": [[_plain(value) for value in row] for row in table.rows],
        "left_out": table.left_out,
    }


def _lines(section: Section) -> Iterator[tuple[Any, ...]]:
    for fact in section.facts:
        yield "", "", fact.name, fact.unit, _plain(fact.value)
        if fact.before is not None:
            yield "", "", f"{fact.name}, before", fact.unit, _plain(fact.before)
    for table in section.tables:
        for row in table.rows:
            for column, value in list(zip(table.columns, row, strict=True))[1:]:
                yield table.title, _plain(row[0]), column.name, column.unit, _plain(value)


def _plain(value: Any) -> Any:
    return _moment(value) if isinstance(value, datetime) else value


def _moment(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _safe(value: Any) -> Any:
    # A spreadsheet runs what begins like a formula.
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t", "\r") else value
