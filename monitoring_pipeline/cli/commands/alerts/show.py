"""`busta alerts show`: everything about one alert."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from rich.console import Console

    from monitoring_pipeline.reports.alerts import AlertDetail, AlertView

__all__ = ["show"]


@click.command()
@click.argument("alert_id", type=int, metavar="ID")
@json_option
def show(alert_id: int, *, as_json: bool) -> int:
    """Shows one alert: what is wrong, how it moved, whom it was told, notes, related alerts."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import detail_document

    with opened() as monitoring:
        detail = monitoring.alert(alert_id)
        now = monitoring.clock()
    if as_json:
        output.emit_json({"at": now, **detail_document(detail)})
        return exits.OK
    from monitoring_pipeline.cli import alert_tables, tables

    console = output.console()
    console.print(tables.facts(_facts(detail.view)))
    _section(console, "how it moved", alert_tables.step_table(_moves(detail)), detail.transitions)
    _section(console, "told", alert_tables.notification_table(detail.notifications), detail.notifications)
    notes = {f"{output.local(each.at)} {each.actor}": str(each.detail["text"]) for each in detail.notes}
    _section(console, "notes", tables.facts(notes), notes)
    _section(console, "related", alert_tables.related_table(detail.related, now), detail.related)
    if detail.view.alert.state.is_active and detail.view.alert.acknowledged is None:
        console.print(f"\n`busta alerts ack {alert_id}` acknowledges it; `busta alerts explain {alert_id}` says why.")
    return exits.OK


def _section(console: Console, title: str, table: Any, rows: Any) -> None:
    if rows:
        console.print(f"\n{title}", style="bold")
        console.print(table)


def _moves(detail: AlertDetail) -> list[Any]:
    from monitoring_pipeline.reports.explain import changed

    return [changed(each) for each in detail.transitions]


def _facts(view: AlertView) -> dict[str, Any]:
    from monitoring_pipeline.cli import alert_tables, output

    alert = view.alert
    until = f" until {output.local(alert.acknowledged_until)}" if alert.acknowledged_until else ""
    escalation = view.escalation
    return {
        "alert": str(alert.id),
        "severity": alert_tables.severity_text(alert.severity),
        "state": alert_tables.state_text(view) + until,
        "what": alert.text,
        "source": f"{alert.source} ({view.name})" if view.name != alert.source else alert.source,
        "check": alert.check,
        "component": alert.component,
        "owner": view.owner,
        "rule": alert.rule + (" (shadow: nothing is sent)" if alert.mode == "shadow" else ""),
        "description": str(alert.annotations.get("description", "")),
        "runbook": str(alert.annotations.get("runbook", "")),
        "began": output.local(alert.started),
        "fired": output.local(alert.fired),
        "over": f"{output.local(alert.resolved)} ({alert.resolution.replace('_', ' ')})" if alert.resolved else "",
        "lasted": alert_tables.length(view.age),
        "came back": f"{alert.count - 1} times while it was open" if alert.count > 1 else "",
        "muted": alert.suppressed_by,
        "labels": " ".join(f"{name}={value}" for name, value in alert.labels.items()),
        "escalation": "" if escalation is None else (
            f"{escalation.policy}: level {escalation.level} of {escalation.levels}, {escalation.state}"
            + (f", next {output.local(escalation.next_at)}" if escalation.next_at else "")
        ),
    }  # fmt: skip
