"""A report as Markdown, for terminals, wikis and chats. Pictures are left to HTML."""

from __future__ import annotations

import re
from collections.abc import Iterator

from monitoring_pipeline.reports.periodic.document import Report, Section, Table
from monitoring_pipeline.reports.periodic.wording import change, intro, shown

__all__ = ["to_markdown"]

_MARKED = re.compile(r"([\\`*_\[\]<>|])")


def to_markdown(report: Report) -> str:
    """The whole report; a heading per section."""
    lines = [f"# {_escaped(report.title)}", "", _escaped(intro(report))]
    for section in report.sections.values():
        lines += ["", f"## {_escaped(section.title)}", *_section(section, report.period.zone)]
    return "\n".join(lines) + "\n"


def _section(section: Section, zone: str) -> Iterator[str]:
    for text in (section.absent, section.text):
        if text:
            yield from ("", _escaped(text))
    if section.facts:
        yield ""
    for fact in section.facts:
        tail = change(fact, zone)
        yield f"- {_escaped(fact.name)}: **{shown(fact.value, fact.unit, zone)}**{f' ({tail})' if tail else ''}"
    for table in section.tables:
        yield from _table(table, zone)


def _table(table: Table, zone: str) -> Iterator[str]:
    yield ""
    if table.title:
        yield from (f"### {_escaped(table.title)}", "")
    yield f"| {' | '.join(_escaped(column.name) for column in table.columns)} |"
    yield f"|{'|'.join('---' if column.unit in ('text', 'status', 'moment') else '---:' for column in table.columns)}|"
    for row in table.rows:
        cells = [_escaped(shown(value, column.unit, zone)) for value, column in zip(row, table.columns, strict=True)]
        yield f"| {' | '.join(cells)} |"
    if table.left_out:
        yield from ("", f"and {table.left_out} more")


def _escaped(text: str) -> str:
    return _MARKED.sub(r"\\\1", text)
