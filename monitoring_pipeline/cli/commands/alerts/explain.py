"""`busta alerts explain`: everything that happened to an alert, in its order."""

from __future__ import annotations

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

__all__ = ["explain"]


@click.command()
@click.argument("alert_id", type=int, metavar="ID")
@json_option
def explain(alert_id: int, *, as_json: bool) -> int:
    """Prints the whole trace of one alert: how it moved, what every stage decided and why, who was told, every try.

    `busta sources explain ID --at TIME` says the same of a source, also when nothing fired.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.documents import alert_document, step_document

    with opened() as monitoring:
        view, steps = monitoring.alert(alert_id).view, monitoring.explain_alert(alert_id)
    if as_json:
        output.emit_json({"alert": alert_document(view), "steps": [step_document(each) for each in steps]})
        return exits.OK
    from monitoring_pipeline.cli.alert_tables import step_table

    console = output.console()
    console.print(f"alert {alert_id}: {view.alert.summary}")
    console.print(step_table(steps))
    return exits.OK
