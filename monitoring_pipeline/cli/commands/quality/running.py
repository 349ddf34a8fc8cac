"""`busta quality run`: examines data now, and records what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from rich.console import Console

    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.records import QualityRun

__all__ = ["run"]


@click.command()
@click.argument("names", nargs=-1, metavar="[SUITE | SOURCE]...")
@click.option("--due", is_flag=True, help="Only those that are due.")
@json_option
def run(names: tuple[str, ...], *, due: bool, as_json: bool) -> int:
    """Runs quality suites now; exits with 0, 1 or 2 by the worst of them.

    SUITE is a suite, SOURCE a source whose suites are meant; all of them by default.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.quality import run_document

    with opened() as monitoring:
        chosen = monitoring.quality.named(names)
        if due:
            chosen = [name for name in chosen if name in monitoring.quality.due()]
        if not chosen:
            output.notes().print(_nothing(monitoring, due=due))
        runs = _run(monitoring, chosen, quiet=as_json)
    if as_json:
        output.emit_json({"runs": [run_document(run) for run in runs]})
    return exits.of_statuses(run.status for run in runs)


def _nothing(monitoring: Monitoring, *, due: bool) -> str:
    if due and monitoring.config.suites:
        return "No suite is due."
    return "There are no suites to run; docs/quality.md shows how to write one."


def _run(monitoring: Monitoring, names: list[str], *, quiet: bool) -> list[QualityRun]:
    from monitoring_pipeline.cli import output

    notes, console = output.notes(), output.console()
    with notes.status("starting", spinner="dots") as waiting:
        return monitoring.quality.run(
            names,
            on_begin=lambda name: waiting.update(f"examining {name}"),
            on_end=lambda run: None if quiet else _tell(console, run),
        )


def _tell(console: Console, run: QualityRun) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli.output import status_text
    from monitoring_pipeline.cli.quality_tables import figures, shown_score

    line = Text.assemble(status_text(run.status), "  ", (run.suite, "bold"))
    line.append(f"  {shown_score(run.score, incomplete=run.incomplete)}")
    line.append(f"  {figures(run)}", style="dim")
    for finding in run.findings:
        if finding["status"] != "healthy":
            line.append(f"\n    {finding['name']}: {finding['text']}")
    if run.message and not any(finding["status"] != "healthy" for finding in run.findings):
        line.append(f"\n    {run.message}")
    console.print(line, soft_wrap=True)
