"""`busta report`: how a day, a week or a month went, as a page, as text or as figures."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import opened
from monitoring_pipeline.cli.selection import complete_ids

if TYPE_CHECKING:
    from monitoring_pipeline.reports.periodic import Report

__all__ = ["report"]

_FORMATS = ("markdown", "html", "csv", "json")
_ENDINGS = {".md": "markdown", ".txt": "markdown", ".html": "html", ".htm": "html", ".csv": "csv", ".json": "json"}


@click.command()
@click.option("--source", "source_id", metavar="ID", shell_complete=complete_ids, help="About one source.")
@click.option("--component", metavar="ID", help="About one component.")
@click.option(
    "--period", default="week", show_default=True, type=click.Choice(["day", "week", "month"]), help="What it covers."
)
@click.option(
    "--date", "day", metavar="DATE", type=click.DateTime(["%Y-%m-%d"]),
    help="A day of the period, such as 2026-11-29; by default the last period that is over.",
)  # fmt: skip
@click.option(
    "--format", "format_", type=click.Choice(_FORMATS), help="By default that of the ending of --out, else markdown."
)
@click.option("--out", metavar="FILE", type=click.Path(path_type=Path), help="Write it here instead of to stdout.")
@click.option("--send", metavar="NAME", help="Send this report of `reports:` by e-mail now, even if it was sent.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format json.")
def report(
    *, source_id: str | None, component: str | None, period: Any, day: datetime | None, format_: str | None,
    out: Path | None, send: str | None, as_json: bool,
) -> int:  # fmt: skip
    """Tells how a day, a week or a month went: was everything there, were promises kept, what alerted.

    \b
    busta report                                    # last week, of everything
    busta report --period day --date 2026-11-29     # one day
    busta report --source orders-api --out orders.html
    busta report --component web --period month --format csv > web.csv
    """
    from monitoring_pipeline.cli import output

    if source_id is not None and component is not None:
        raise click.UsageError("--source and --component exclude each other")
    with opened() as monitoring:
        if send is not None:
            made = monitoring.reporting.send(send)
            output.notes().print(f"sent: {made.title}")
            return exits.OK
        form = "json" if as_json else format_ or _format_of(out)
        span = monitoring.reporting.period(period, None if day is None else day.date())
        made = monitoring.reporting.make(span, source=source_id, component=component)
    text = _written(made, form)
    if out is None:
        click.echo(text, nl=False)
    else:
        out.write_text(text, encoding="utf-8")
        output.notes().print(f"{out}: {made.title}")
    return exits.OK


def _format_of(out: Path | None) -> str:
    if out is None or out.suffix.lower() in _ENDINGS:
        return "markdown" if out is None else _ENDINGS[out.suffix.lower()]
    raise click.UsageError(f"the ending of {out} tells no format; use one of {', '.join(_ENDINGS)}, or --format")


def _written(made: Report, format_: str) -> str:
    from monitoring_pipeline.reports.periodic.letter import WRITERS

    return WRITERS[format_](made)
