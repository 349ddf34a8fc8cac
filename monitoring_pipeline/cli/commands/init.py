"""`busta init`: finds what can be watched on this machine and writes the configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import config_file, json_option
from monitoring_pipeline.cli.root import Refused

if TYPE_CHECKING:
    from monitoring_pipeline.discovery.found import Found
    from monitoring_pipeline.discovery.run import Discovery

__all__ = ["init"]

_QUESTIONS = {
    "services": "Watch these services?",
    "samples": "Copy the sample data set and watch it?",
    "public-open-data": "Watch public open data on the internet too?",
}


@click.command()
@click.option("--yes", is_flag=True, help="Ask nothing: watch everything found on this machine.")
@click.option("--force", is_flag=True, help="Overwrite files that are there.")
@click.option("--public", is_flag=True, help="Watch public open data on the internet too.")
@click.option(
    "--port",
    "ports",
    multiple=True,
    type=click.IntRange(1, 65535),
    metavar="PORT",
    help="Look at this port too, though it is one that the system hands out by itself.",
)
@json_option
def init(ports: tuple[int, ...], *, yes: bool, force: bool, public: bool, as_json: bool) -> int:  # fmt: skip
    """Finds what can be watched on this machine and writes monitoring.yaml and sources/*.yaml.

    It finds disks, memory, processors and name servers; services that listen on this machine, told
    apart by speaking to them; this installation's own parts; a sample data set; public open data
    (written but off, unless you want it). Every check is tried before it is written.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.discovery import writing

    config = config_file().absolute()
    if not force:
        _refuse_existing([config])
    discovery = _look(config.parent, ports, public=public, quiet=as_json)
    if not as_json:
        output.console().print(_table(discovery))
    if not (yes or as_json):
        discovery = _asked(discovery, public=public)
    files = writing.files_of(discovery, config.parent, config)
    if not force:
        _refuse_existing(list(files))
    writing.write(files)
    _prepare(config, discovery)
    if as_json:
        output.emit_json(_document(config, list(files), discovery))
    else:
        _say(config, list(files), discovery)
    return exits.OK


def _refuse_existing(files: Sequence[Path]) -> None:
    from monitoring_pipeline.discovery import writing

    there = writing.existing(files)
    if there:
        listed = ", ".join(str(path) for path in there)
        raise Refused(f"{listed} exists already; --force overwrites, --config names another file", exits.CANNOT_CREATE)


def _look(folder: Path, ports: Sequence[int], *, public: bool, quiet: bool) -> Discovery:
    import asyncio

    from rich.progress import Progress, SpinnerColumn, TextColumn

    from monitoring_pipeline.cli import output
    from monitoring_pipeline.clock import system_clock
    from monitoring_pipeline.discovery.run import discover

    notes = output.notes()
    columns = (SpinnerColumn(), TextColumn("looking at this machine: {task.description}"))
    with Progress(*columns, console=notes, transient=True, disable=quiet or not notes.is_terminal) as progress:
        task = progress.add_task("disks")

        def told(found: Found) -> None:
            progress.update(task, description=f"{found.what} at {found.where}")

        return asyncio.run(discover(folder, clock=system_clock, public=public, also=ports, on_found=told))


def _table(discovery: Discovery) -> Any:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("found", "where", "source", "checks", "tried", "remark")
    for found in discovery.found:
        tried: Any = Text("with busta up" if found.group == "monitoring" else "not yet", style="dim")
        if not found.enabled:
            tried = Text("off", style="dim")
        elif found.status is not None:
            tried = output.status_text(found.status)
        kinds = list(dict.fromkeys(check["kind"] for check in found.source["checks"]))
        remark = Text(found.message or found.hint.partition("\n")[0].partition(":")[0])
        table.add_row(Text(found.what), Text(found.where), found.id, " ".join(kinds), tried, remark)
    return table


def _asked(discovery: Discovery, *, public: bool) -> Discovery:
    """What the user wants of it. Machine and monitoring are always watched."""
    kept = list(discovery.found)
    for group, question in _QUESTIONS.items():
        members = [found for found in kept if found.group == group]
        if not members or (group == "public-open-data" and public):
            continue
        if group == "public-open-data":
            wanted = click.confirm(question, default=False)
            kept = [replace(found, enabled=wanted) if found.group == group else found for found in kept]
        elif group == "services":
            unwanted = _unwanted(question, members)
            kept = [found for found in kept if found.id not in unwanted]
        elif not click.confirm(question, default=True):
            kept = [found for found in kept if found.group != group]
    return replace(discovery, found=tuple(kept))


def _unwanted(question: str, members: Sequence[Found]) -> set[str]:
    answer = click.prompt(f"{question} [all, none, or ids to leave out]", default="all")
    if answer.strip().lower() == "all":
        return set()
    ids = {found.id for found in members}
    return ids if answer.strip().lower() == "none" else set(answer.replace(",", " ").split()) & ids


def _prepare(config: Path, discovery: Discovery) -> None:
    """Makes what the sources look at: the sample data, the stores, a first published warehouse."""
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.discovery.sample_data import copy_samples

    if any(found.group == "samples" for found in discovery.found):
        copy_samples(config.parent / "samples")
    monitoring = Monitoring.open(config)
    try:
        monitoring.register()
        monitoring.load_history()
        monitoring.publish_history()
    finally:
        monitoring.close()


def _document(config: Path, files: Sequence[Path], discovery: Discovery) -> dict[str, Any]:
    found = [
        {
            "id": each.id, "group": each.group, "what": each.what, "where": each.where, "enabled": each.enabled,
            "status": each.status, "message": each.message,
            "kinds": list(dict.fromkeys(check["kind"] for check in each.source["checks"])),
        }
        for each in discovery.found
    ]  # fmt: skip
    return {"config": config, "files": list(files), "found": found}


def _say(config: Path, files: Sequence[Path], discovery: Discovery) -> None:
    from monitoring_pipeline.cli import output

    console = output.console()
    watched = sum(found.enabled for found in discovery.found)
    console.print(f"Wrote {len(files)} files for {watched} sources:")
    for path in files:
        console.print(f"  {path}", soft_wrap=True)
    option = "" if config == Path("monitoring.yaml").absolute() else f" --config {config}"
    console.print(f"\nNext: busta{option} up", soft_wrap=True)
