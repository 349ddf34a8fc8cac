"""`busta rules list`: the rules in force, and what they are about."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.rules.rule import Rule
    from monitoring_pipeline.app import Monitoring

__all__ = ["list_rules"]


@click.command()
@json_option
def list_rules(*, as_json: bool) -> int:
    """Shows the rules in force, how many sources each is about, and how many of its alerts are open.

    Without `rules` in the configuration these are the built-in ones.
    """
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        at, rows = monitoring.clock(), _rows(monitoring)
    if as_json:
        output.emit_json({"at": at, "rules": rows})
    else:
        _print(rows)
    return exits.OK


def _rows(monitoring: Monitoring) -> list[dict[str, Any]]:
    from collections import Counter

    from monitoring_pipeline.store import alerts

    with monitoring.store.read() as connection:
        open_now = Counter(alert.rule for alert in alerts.open_alerts(connection) if alert.state.is_active)
    sources = monitoring.config.sources
    return [
        {
            "id": rule.id, "mode": rule.mode, "kind": rule.when.kind, "per": rule.per, "for": rule.hold,
            "description": rule.description, "sources": sum(rule.sources.admits(source) for source in sources),
            "open_alerts": open_now[rule.id], "when": _when(rule),
        }
        for rule in monitoring.config.alerting.rules
    ]  # fmt: skip


def _when(rule: Rule) -> dict[str, Any]:
    return rule.when.model_dump(mode="json", exclude_defaults=True)


def _print(rows: list[dict[str, Any]]) -> None:
    import json

    from rich.table import Table

    from monitoring_pipeline.cli import output
    from monitoring_pipeline.clock import format_duration

    console = output.console()
    if not rows:
        console.print("No rules: nothing is ever alerted. `rules:` in the configuration makes some.")
        return
    table = Table("rule", "mode", "when", "for", "sources", "open", box=None, pad_edge=False)
    for row in rows:
        when = json.dumps(row["when"], ensure_ascii=False).replace('"', "")
        table.add_row(
            row["id"], row["mode"], when, format_duration(row["for"]), str(row["sources"]), str(row["open_alerts"])
        )
    console.print(table)
