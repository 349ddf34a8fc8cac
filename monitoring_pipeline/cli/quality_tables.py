"""Quality in the terminal: sources with their dimensions, and one suite with its findings, rows and columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.cli.output import local, since, status_text
from monitoring_pipeline.cli.tables import facts, plain_table
from monitoring_pipeline.records import QualityRun, Status

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

    from monitoring_pipeline.reports.quality import SourceQuality, SuiteView

__all__ = ["figures", "overview_table", "shown_score", "suite_parts"]

_BARS = "▁▂▃▄▅▆▇█"
_MOST_COLUMNS = 40
_LONGEST_CELL = 40


def shown_score(score: float | None, *, incomplete: bool = False) -> str:
    """A quality score; 100 only where all is well, with a mark where something is not known."""
    if score is None:
        return "-"
    text = f"{min(score, 99.9) if score < 100 else score:.4g}"
    return f"{text} (incomplete)" if incomplete else text


def _score_of(run: QualityRun | None) -> str:
    return shown_score(None) if run is None else shown_score(run.score, incomplete=run.incomplete)


def figures(run: QualityRun) -> str:
    """Rows and expectations of a run in a few words."""
    parts = [f"{run.rows:,.0f} rows"] if run.rows is not None else []
    examined = run.profile.get("examined")
    if examined is not None and run.rows is not None and examined < run.rows:
        parts.append(f"{examined:,} of them judged")
    if run.expectations:
        parts.append(f"{run.expectations - run.failed - run.errors} of {run.expectations} met")
    return ", ".join(parts)


def overview_table(found: Sequence[SourceQuality], now: datetime, *, narrow: bool = False) -> Table:
    """One line per suite, its source's score beside it; `narrow` leaves the dimensions out."""
    from rich.text import Text

    columns = ("source", "suite", "status", "score", "dimensions", "rows", "last run", "why")
    table = plain_table(*(name for name in columns if not (narrow and name == "dimensions")))
    for each in found:
        for view in each.suites:
            run = view.run
            dimensions = () if narrow else (_dimensions(run.dimensions) if run else "",)
            table.add_row(
                each.source, view.suite, status_text(view.status), _score_of(run), *dimensions,
                f"{run.rows:,.0f}" if run and run.rows is not None else "",
                f"{since(run.at, now)} ago" if run else "never",
                Text("" if view.status is Status.HEALTHY else view.reason),
            )  # fmt: skip
    return table


def _dimensions(scores: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {shown_score(score)}" for name, score in scores.items())


def suite_parts(view: SuiteView, scores: Sequence[float | None]) -> Iterator[RenderableType]:
    """Everything about one suite, to be printed one after the other."""
    from rich.text import Text

    run = view.run
    yield facts(
        {
            "suite": view.suite,
            "source": view.source,
            "status": status_text(view.status),
            "why": "" if view.status is Status.HEALTHY else view.reason,
            "score": _score_of(run),
            "dimensions": _dimensions(run.dimensions) if run else "",
            "data": figures(run) if run else "",
            "schema": "; ".join(run.profile.get("changes", ())) if run else "",
            "last run": local(run.at) if run else "",
            "scores": _sparkline(scores),
        }
    )
    if run is None:
        here = f"run yet: `busta quality run {view.suite}` does it now."
        told = "reported yet: its framework does so by POST /quality."
        yield Text(f"\nNot {told if view.spec and view.spec.reported else here}", style="yellow")
        return
    if run.findings:
        yield _findings(run)
    for finding in run.findings:
        if finding["rows"]:
            yield Text(f"\nrows that fail: {finding['name']}", style="bold")
            yield _rows(finding["rows"])
    if run.profile.get("columns"):
        yield _columns(run.profile["columns"], run.profile.get("examined"))


def _sparkline(scores: Sequence[float | None]) -> str:
    """The last scores as bars; `?` where nothing was known."""
    if len(scores) < 2:
        return ""
    return "".join("?" if score is None else _BARS[min(7, int(score / 12.5))] for score in scores)


def _findings(run: QualityRun) -> Table:
    from rich.text import Text

    table = plain_table("expectation", "status", "dimension", "severity", "found")
    for finding in sorted(run.findings, key=lambda each: -Status(each["status"]).rank):
        table.add_row(
            Text(finding["name"]), status_text(Status(finding["status"])), finding["dimension"], finding["severity"],
            Text(finding["text"]),
        )  # fmt: skip
    return table


def _rows(rows: Sequence[Mapping[str, Any]]) -> Table:
    from rich.text import Text

    names = list(dict.fromkeys(name for row in rows for name in row))
    table = plain_table(*names)
    for row in rows:
        table.add_row(*(Text(_cell(row.get(name))) for name in names))
    return table


def _columns(columns: Sequence[Mapping[str, Any]], examined: int | None) -> Table:
    from rich.text import Text

    table = plain_table("column", "type", "missing", "distinct", "from", "to")
    for column in columns[:_MOST_COLUMNS]:
        missing = f"{100 * column['nulls'] / examined:.3g} %" if examined else str(column["nulls"])
        table.add_row(
            Text(column["name"]), Text(column["type"]), missing, f"{column['distinct']:,}",
            Text(_cell(column["minimum"])), Text(_cell(column["maximum"])),
        )  # fmt: skip
    if len(columns) > _MOST_COLUMNS:
        table.caption = f"and {len(columns) - _MOST_COLUMNS} more"
    return table


def _cell(value: Any) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= _LONGEST_CELL else text[: _LONGEST_CELL - 1] + "…"
