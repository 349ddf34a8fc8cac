"""`busta sources show`: everything about one source."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring
    from monitoring_pipeline.checks.check import BoundCheck
    from monitoring_pipeline.reports import SourceView

__all__ = ["show"]

_LAST_RESULTS = 5
_LOOK_BACK = timedelta(hours=24)


@click.command()
@click.argument("source_id", metavar="ID", shell_complete=complete_ids)
@json_option
def show(source_id: str, *, as_json: bool) -> int:
    """Shows one source: what it is, its checks, how it stands, its last results."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.cli.documents import source_document

    with opened() as monitoring:
        source = source_named(monitoring.config, source_id)
        overview = monitoring.overview()
        view = next(view for view in overview.sources if view.source.id == source.id)
        bound = monitoring.config.checks_of([source.id])
        definitions = {each.check.id: _definition(each, monitoring) for each in bound}
        urls = {each.check.id: monitoring.push_url(each.key) for each in bound if each.check.kind == "heartbeat"}
        last = _last_results(monitoring, source.id)
    if as_json:
        document = source_document(view) | {"at": overview.at, "description": source.description}
        output.emit_json(document | {"definitions": definitions, "push_urls": urls, "last_results": last})
        return exits.OK
    _print(view, definitions, urls, last)
    return exits.OK


def _definition(bound: BoundCheck, monitoring: Monitoring) -> dict[str, Any]:
    """A check as the configuration has it, without defaults, secrets covered."""
    dumped = bound.check.model_dump(mode="json", by_alias=True, exclude_defaults=True, exclude={"id"})
    conditions = [f"{c.text} (critical)" for c in bound.check.critical_conditions()]
    conditions += [f"{c.text} (warning)" for c in bound.check.warning_conditions()]
    shown = {"kind": bound.check.kind, **dumped, "conditions": conditions}
    shown.pop("thresholds", None)
    return {name: _redacted(value, monitoring) for name, value in shown.items()}


def _redacted(value: Any, monitoring: Monitoring) -> Any:
    if isinstance(value, str):
        return monitoring.config.redact(value)
    if isinstance(value, dict):
        return {name: _redacted(inner, monitoring) for name, inner in value.items()}
    return [_redacted(inner, monitoring) for inner in value] if isinstance(value, list) else value


def _last_results(monitoring: Monitoring, source: str) -> list[dict[str, Any]]:
    from monitoring_pipeline.store import queries

    now = monitoring.clock()
    since = now - _LOOK_BACK
    with monitoring.history(since=since, source=source, tables=("results",)) as connection:
        return queries.source_history(connection, source, since, now, limit=_LAST_RESULTS)


def _print(
    view: SourceView, definitions: dict[str, dict[str, Any]], urls: dict[str, str], last: list[dict[str, Any]]
) -> None:
    from monitoring_pipeline.cli import output, tables

    console, source = output.console(), view.source
    moment = view.last_checked or view.since
    open_until = f"{view.breaker}, next trial {output.local(view.breaker_until)}"
    facts = tables.facts(
        {
            "source": source.id,
            "name": source.name if source.name != source.id else "",
            "status": output.status_text(view.status),
            "reason": view.reason if view.status != "healthy" else "",
            "since": output.local(view.since),
            "score": tables.score(view.score),
            "component": source.component,
            "criticality": source.criticality.value,
            "owner": source.owner,
            "tags": " ".join(source.tags),
            "depends on": " ".join(source.depends_on),
            "description": source.description,
            "breaker": "" if view.breaker == "closed" else open_until,
        }
    )
    console.print(facts)
    if moment is None:
        console.print("\nNo results yet: `busta up` starts watching, or look once with "
                      f"`busta sources check {source.id}`.", style="yellow")  # fmt: skip
    for name, definition in definitions.items():
        console.print(f"\ncheck {name}", style="bold")
        listed = {key: ", ".join(map(str, v)) if isinstance(v, list) else str(v) for key, v in definition.items()}
        console.print(tables.facts(listed | ({"push URL": urls[name]} if name in urls else {})))
    if last:
        console.print("\nlast results", style="bold")
        console.print(tables.result_table(last))
