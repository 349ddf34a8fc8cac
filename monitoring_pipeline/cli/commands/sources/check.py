"""`busta sources check`: looks now, whatever the schedule says, and records what it found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import Selection, checks_named, complete_ids, selection_options

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.config import Config
    from monitoring_pipeline.records import Result

__all__ = ["check"]


@click.command()
@click.argument("ids", nargs=-1, metavar="[ID | ID/CHECK]...", shell_complete=complete_ids)
@click.option("--all", "everything", is_flag=True, help="All sources.")
@selection_options
@json_option
def check(
    ids: tuple[str, ...], component: str | None, tag: str | None, *, everything: bool, critical: bool, as_json: bool
) -> int:
    """Runs checks now and shows what they found; exits with 0, 1 or 2 by the worst of them.

    ID is a source, ID/CHECK one of its checks. Filters alone mean all sources that pass them.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.cli.documents import result_document

    selection = Selection(component, tag, critical)
    if not (ids or everything or selection):
        raise click.UsageError("name sources, or use --all, --critical, --component or --tag")
    with opened() as monitoring:
        keys = _keys(monitoring.config, ids, selection)
        if not keys:
            output.notes().print("No source matches: nothing was checked.")
        results = _run(monitoring, keys, quiet=as_json)
    results.sort(key=lambda result: (-result.status.rank, result.key))
    if as_json:
        output.emit_json({"results": [result_document(result) for result in results]})
    return exits.of_statuses(result.status for result in results)


def _keys(config: Config, ids: tuple[str, ...], selection: Selection) -> list[str]:
    selection.verify(config)
    names = ids or [source.id for source in config.sources]
    return [bound.key for bound in checks_named(config, names) if selection.admits(bound.source)]


def _run(monitoring: Monitoring, keys: list[str], *, quiet: bool) -> list[Result]:
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from monitoring_pipeline.cli import output

    console, notes = output.console(), output.notes()
    # One console for both where both are the terminal: the bar then stays below the lines.
    shared = console if console.is_terminal and not quiet else notes
    columns = (TextColumn("checking"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=shared, transient=True, disable=not shared.is_terminal) as progress:
        task = progress.add_task("checking", total=len(keys))

        def told(result: Result) -> None:
            progress.advance(task)
            if not quiet:
                (progress.console if shared is console else console).print(_line(result), soft_wrap=True)

        return monitoring.check_now(keys, told)


def _line(result: Result) -> Any:
    from rich.text import Text

    from monitoring_pipeline.cli.output import milliseconds, status_text

    line = Text.assemble(status_text(result.status), "  ", (result.key, "bold"))
    if result.response_time_ms is not None:
        line.append(f"  {milliseconds(result.response_time_ms)}", style="dim")
    if result.attempts > 1:
        line.append(f"  after {result.attempts} attempts", style="dim")
    for text in result.errors + result.warnings:
        line.append(f"\n    {text}")
    return line
