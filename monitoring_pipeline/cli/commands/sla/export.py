"""`busta sla export`: the ledger with its hashes, or the days of all promises, for others to keep and to check."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import MOMENT
from monitoring_pipeline.cli.opening import opened

if TYPE_CHECKING:
    from monitoring_pipeline.analysis.sla.standing import Standing
    from monitoring_pipeline.app import Monitoring

__all__ = ["export"]


@click.command()
@click.option("--what", type=click.Choice(["ledger", "days"]), default="ledger", show_default=True,
              help="The corrections, or the days of a period of every promise.")  # fmt: skip
@click.option("--format", "form", type=click.Choice(["json", "csv"]), default="json", show_default=True)
@click.option("--at", "moment", type=MOMENT, metavar="MOMENT", help="days: the period that holds it. [default: now]")
@click.option("--output", "-o", metavar="FILE", type=click.Path(path_type=Path), help="Where to. [default: stdout]")
def export(what: str, form: str, moment: datetime | None, output: Path | None) -> int:
    """Writes the ledger with its hashes, or days with both figures, as JSON or CSV.

    `busta sla verify --against FILE` proves later that the ledger only grew since an export (JSON).

    \b
    Examples:
      busta sla export -o ledger-2026-11.json
      busta sla export --what days --format csv --at 2026-10-01 -o october.csv
    """
    with opened() as monitoring:
        rows = _ledger(monitoring) if what == "ledger" else _days(monitoring, moment)
    name = "entries" if what == "ledger" else "days"
    text = _csv(rows) if form == "csv" else json.dumps({name: rows}, indent=2, ensure_ascii=False) + "\n"
    if output is None:
        click.echo(text, nl=False)
    else:
        output.write_text(text, encoding="utf-8", newline="")
        click.echo(f"{len(rows)} {name} in {output}", err=True)
    return exits.OK


def _ledger(monitoring: Monitoring) -> list[dict[str, Any]]:
    from monitoring_pipeline.store.ledger import document

    return [document(entry) for entry in monitoring.sla.entries()]


def _days(monitoring: Monitoring, moment: datetime | None) -> list[dict[str, Any]]:
    return [row for standing in monitoring.sla.standings(at=moment) for row in _parts(standing)]


def _parts(standing: Standing) -> list[dict[str, Any]]:
    promise, events = standing.promise, standing.promise.spec.counts_events
    rows = []
    for part in standing.parts:
        row: dict[str, Any] = {
            "objective": promise.objective, "scope": promise.scope, "subject": promise.subject,
            "start": _text(part.start), "end": _text(part.end), "unit": "checks" if events else "seconds",
        }  # fmt: skip
        for prefix, account in (("", part.pair.corrected), ("measured_", part.pair.measured)):
            for name in ("good", "bad", "unknown", "excluded"):
                value = getattr(account, name)
                row[prefix + name] = value if events else value / 1_000_000
        rows.append(row)
    return rows


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    if rows:
        writer = csv.DictWriter(text, list(rows[0]), lineterminator="\r\n")
        writer.writeheader()
        writer.writerows(rows)
    return text.getvalue()
