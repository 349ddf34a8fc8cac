"""`busta rules backtest`: what a rule would have done to us."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import DURATION
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.root import Refused
from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.rules.backtest import Backtest, Incident
    from monitoring_pipeline.alerting.rules.rule import Rule
    from monitoring_pipeline.app import Monitoring

__all__ = ["backtest_rule"]

_SHOWN = 30
_BARS = 60


@click.command("backtest")
@click.argument("rule_id", metavar="RULE")
@click.option("--since", default="30d", show_default=True, metavar="DURATION", type=DURATION, help="How far back.")
@click.option(
    "--incidents",
    "incidents_file",
    metavar="FILE",
    type=click.Path(path_type=Path, exists=True),
    help="CSV of what really happened: source,start,end. [default: times in which a source was critical]",
)
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Write a picture (PNG) too.")
@json_option
def backtest_rule(
    rule_id: str, since: timedelta, incidents_file: Path | None, plot: Path | None, *, as_json: bool
) -> int:  # fmt: skip
    """Replays history through a rule of the configuration, whatever its mode: which alerts would there have been?

    Shows would-be alerts, minutes, pages per week, and how well they fit what really happened.

    \b
    Examples:
      busta rules backtest api-slow --since 30d
      busta rules backtest api-slow --incidents incidents.csv --plot api-slow.png
    """
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        found = _replay(monitoring, _named(monitoring, rule_id), since, incidents_file)
    if plot is not None:
        from monitoring_pipeline.alerting.rules.backtest_plot import backtest_png

        plot.write_bytes(backtest_png(found))
    if as_json:
        output.emit_json(_document(found))
    else:
        _print(found)
    return exits.OK


def _named(monitoring: Monitoring, rule_id: str) -> Rule:
    rules = {rule.id: rule for rule in monitoring.config.alerting.rules}
    if rule_id not in rules:
        raise NotFound("rule", rule_id, rules)
    return rules[rule_id]


def _replay(monitoring: Monitoring, rule: Rule, since: timedelta, incidents_file: Path | None) -> Backtest:
    from monitoring_pipeline.alerting.rules.backtest import backtest

    incidents = None if incidents_file is None else list(_incidents(incidents_file))
    config = monitoring.config
    with _progress() as on_subject:
        return backtest(
            rule, config.sources, monitoring.check_ids, monitoring.store, config.published, monitoring.clock() - since,
            monitoring.clock, incidents=incidents, on_subject=on_subject,
        )  # fmt: skip


def _incidents(file: Path) -> Iterator[Incident]:
    from monitoring_pipeline.alerting.rules.backtest import Incident

    with file.open(newline="") as lines:
        for number, row in enumerate(csv.DictReader(lines), 2):
            try:
                yield Incident(row["source"], _moment(row["start"]), _moment(row["end"]))
            except (KeyError, ValueError, TypeError) as error:
                message = f"{file}:{number}: a line is source,start,end with moments in ISO 8601 ({error})"
                raise Refused(message, exits.USAGE) from None


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    from rich.progress import Progress

    from monitoring_pipeline.cli import output

    with Progress(console=output.notes(), transient=True) as progress:
        task = progress.add_task("replaying", total=None)
        yield lambda done, total: progress.update(task, completed=done, total=total)


def _document(found: Backtest) -> dict[str, Any]:
    return {
        "rule": found.rule, "since": found.since, "until": found.until, "subjects": found.subjects,
        "evaluations": found.evaluations, "alerts": len(found.episodes), "pages": found.pages,
        "pages_per_week": round(found.pages_per_week, 3), "firing_minutes": round(found.firing_minutes, 2),
        "incidents": len(found.incidents), "precision": found.precision, "recall": found.recall,
        "episodes": [
            {
                "source": each.source, "check": each.check, "severity": each.severity.value, "started": each.started,
                "fired": each.fired, "resolved": each.resolved, "text": each.text, "pages": each.pages,
            }
            for each in found.episodes
        ],
    }  # fmt: skip


def _print(found: Backtest) -> None:
    from rich.table import Table

    from monitoring_pipeline.cli import output, tables

    console = output.console()
    console.print(tables.facts({
        "rule": found.rule,
        "replayed": f"{output.local(found.since)} to {output.local(found.until)}, {found.evaluations:,} evaluations "
                    f"of {found.subjects} subjects",
        "alerts": f"{len(found.episodes)}, firing for {found.firing_minutes:,.0f} minutes in all",
        "pages": f"{found.pages}, {found.pages_per_week:.1f} a week",
        "precision": f"{_percent(found.precision)} of the alerts were during one of {len(found.incidents)} incidents",
        "recall": f"{_percent(found.recall)} of the incidents had an alert",
        "when": _timeline(found),
    }))  # fmt: skip
    if not found.episodes:
        console.print("Nothing would have fired.")
        return
    table = Table("fired", "lasted", "severity", "source", "why", box=None, pad_edge=False)
    for each in found.episodes[:_SHOWN]:
        lasted = output.since(each.fired, each.resolved or found.until)
        about = f"{each.source}/{each.check}" if each.check else each.source
        table.add_row(output.local(each.fired), lasted, each.severity.value, about, each.text)
    console.print(table)
    if len(found.episodes) > _SHOWN:
        console.print(f"and {len(found.episodes) - _SHOWN} more; --json prints all of them")


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _timeline(found: Backtest) -> str:
    """One character per sixtieth of the time: how much of it something was firing."""
    width = (found.until - found.since) / _BARS
    marks = []
    for number in range(_BARS):
        begin = found.since + width * number
        hits = sum(each.fired < begin + width and (each.resolved or found.until) >= begin for each in found.episodes)
        marks.append("·" if not hits else "▂▄▆█"[min(hits, 4) - 1])
    return "".join(marks)
