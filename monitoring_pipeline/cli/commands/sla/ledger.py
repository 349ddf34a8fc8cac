"""`busta sla ledger` and `verify`: what was corrected, and whether anybody touched that."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.root import Refused

if TYPE_CHECKING:
    from monitoring_pipeline.records import LedgerEntry

__all__ = ["show_ledger", "verify"]


@click.command("ledger")
@click.option("--source", metavar="ID", help="Only entries about this source.")
@json_option
def show_ledger(source: str | None, *, as_json: bool) -> int:
    """Lists the corrections, newest first."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.store.ledger import document

    with opened() as monitoring:
        found = [entry for entry in monitoring.sla.entries() if source in (None, entry.source)]
    if as_json:
        output.emit_json({"entries": [document(entry) for entry in found]})
    elif found:
        _print(found)
    else:
        output.notes().print("Nothing was ever corrected.")
    return exits.OK


def _print(found: Sequence[LedgerEntry]) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    revoked = {entry.revokes for entry in found}
    table = tables.plain_table("no", "written", "by", "source", "from", "to", "counts as", "reason")
    for entry in reversed(found):
        word = f"(revokes {entry.revokes})" if entry.revokes else entry.as_.value
        about = f"{entry.source} ({entry.objective})" if entry.objective else entry.source
        table.add_row(
            str(entry.number), output.local(entry.at), Text(entry.author), about, output.local(entry.start),
            output.local(entry.end), f"{word} (revoked)" if entry.number in revoked else word, Text(entry.reason),
        )  # fmt: skip
    output.console().print(table)


@click.command()
@click.option(
    "--against", metavar="FILE", type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="An export (JSON) that was kept: the ledger must go on from there.",
)  # fmt: skip
@json_option
def verify(against: Path | None, *, as_json: bool) -> int:
    """Checks that no entry of the ledger was changed, put in or taken away. Exit code 2 says where it was.

    Every entry holds the hash of the one before it. That the last ones are gone tells the audit log, as far as it is
    kept, and an export that was kept elsewhere.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.store.ledger import Break

    with opened() as monitoring:
        count, broken = monitoring.sla.verify()
        if broken is None and against is not None:
            broken = _differs(monitoring.sla.entries(), _hashes(against))
    if as_json:
        told = None if broken is None else {"number": broken.number, "why": broken.why}
        output.emit_json({"entries": count, "whole": broken is None, "broken": told})
    elif isinstance(broken, Break):
        click.echo(f"broken at entry {broken.number}: {broken.why}")
    else:
        click.echo(f"{count} {'entry' if count == 1 else 'entries'}, the chain is whole")
    return exits.OK if broken is None else exits.CRITICAL


def _hashes(file: Path) -> list[tuple[int, str]]:
    try:
        found: Iterable[Any] = json.loads(file.read_text(encoding="utf-8"))["entries"]
        return [(int(entry["number"]), str(entry["hash"])) for entry in found]
    except (ValueError, KeyError, TypeError) as error:
        raise Refused(f"{file} is no export of a ledger (JSON): {error}", exits.USAGE) from None


def _differs(entries: Sequence[LedgerEntry], kept: Iterable[tuple[int, str]]) -> Any:
    from monitoring_pipeline.store.ledger import Break

    known = {entry.number: entry.hash for entry in entries}
    for number, sealed in kept:
        if number not in known:
            return Break(number, "the export has it, and it is gone")
        if known[number] != sealed:
            return Break(number, "the export has another hash of it")
    return None
