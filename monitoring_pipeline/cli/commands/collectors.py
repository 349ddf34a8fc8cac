"""`busta collectors`: how collecting goes, and what collectors need to report."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened

if TYPE_CHECKING:
    from rich.table import Table

    from monitoring_pipeline.reports.collectors import CollectorDetail, CollectorHealth

__all__ = ["collectors"]

_NONE = "Nobody reported yet; docs/collection.md shows how collectors do it, `busta collectors token` what they need."


@click.group()
def collectors() -> None:
    """How collecting goes, as collectors report it.

    \b
    busta collectors list                 all of them, the worst first
    busta collectors show orders-loader   one with its newest attempts
    busta collectors token                what a collector on another machine needs
    """


@collectors.command("list")
@json_option
def list_collectors(*, as_json: bool) -> int:
    """Lists the collectors that are declared or ever reported, the worst first."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.collectors import collector_document

    with opened() as monitoring:
        now, views = monitoring.clock(), monitoring.collection.health()
    if as_json:
        output.emit_json({"at": now, "collectors": [collector_document(view) for view in views]})
    elif views:
        output.console().print(_table(views, now))
    else:
        output.notes().print(_NONE)
    return exits.OK


def _table(views: Iterable[CollectorHealth], now: datetime) -> Table:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("collector", "source", "status", "last", "success", "rows/min", "p95", "reason")
    for view in views:
        window, minutes = view.window, view.span.total_seconds() / 60
        table.add_row(
            view.collector if view.spec is not None else f"{view.collector} (undeclared)", view.source,
            output.status_text(view.status), _ago(view, now), _percent(window.failure_rate),
            f"{window.rows / minutes:.4g}" if window.rows else "", output.milliseconds(window.p95_ms),
            Text(view.reason),
        )  # fmt: skip
    return table


def _ago(view: CollectorHealth, now: datetime) -> str:
    from monitoring_pipeline.cli import output

    return f"{output.since(view.activity.state.last, now)} ago" if view.activity is not None else "never"


def _percent(failure_rate: float | None) -> str:
    return "" if failure_rate is None else f"{100 - failure_rate:.1f} %"


@collectors.command("show")
@click.argument("name", metavar="COLLECTOR")
@click.option("--limit", type=click.IntRange(0, 1000), default=10, show_default=True, help="How many attempts to show.")
@json_option
def show(name: str, limit: int, *, as_json: bool) -> int:
    """Shows one collector: how it does in each window, by what it told of, and its newest attempts."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.collectors import detail_document

    with opened() as monitoring:
        now, detail = monitoring.clock(), monitoring.collection.detail(name, limit=limit)
    if as_json:
        output.emit_json({"at": now, **detail_document(detail)})
    else:
        _print(detail, now)
    return exits.OK


def _print(detail: CollectorDetail, now: datetime) -> None:
    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.clock import format_duration

    view, activity, console = detail.health, detail.health.activity, output.console()
    console.print(tables.facts(_facts(view, now)))
    if activity is not None:
        spans = {f"last {format_duration(span)}": (span, stretch) for span, stretch in activity.windows.items()}
        day = timedelta(hours=24)
        checks = {f"{check or 'all of it'}, last 1d": (day, stretch) for check, stretch in activity.checks.items()}
        console.print(_stretches({**spans, **(checks if len(checks) > 1 else {})}))
    if detail.attempts:
        console.print(_attempts(detail))


def _facts(view: CollectorHealth, now: datetime) -> dict[str, Any]:
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.clock import format_duration

    state, spec = view.activity.state if view.activity else None, view.spec
    return {
        "collector": view.collector,
        "source": view.source,
        "status": output.status_text(view.status),
        "why": view.reason,
        "expected": f"every {format_duration(spec.every)}" if spec is not None else "nobody declared it",
        "last report": _ago(view, now),
        "last success": output.local(state.last_success) if state else "",
        "failures in a row": str(state.failures) if state and state.failures else "",
        "last error": state.last_error if state else "",
        "unusual": "\n".join(view.unusual),
    }


def _stretches(stretches: dict[str, tuple[timedelta, Any]]) -> Table:
    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("", "attempts", "per min", "success", "rows", "rows/min", "median", "p95", "quality")
    for name, (span, each) in stretches.items():
        minutes = span.total_seconds() / 60
        table.add_row(
            name, f"{each.attempts:.0f}", f"{each.attempts / minutes:.3g}", _percent(each.failure_rate),
            f"{each.rows:.0f}", f"{each.rows / minutes:.4g}", output.milliseconds(each.p50_ms),
            output.milliseconds(each.p95_ms),
            "" if each.quality is None else f"{each.quality:.1f}",
        )  # fmt: skip
    return table


def _attempts(detail: CollectorDetail) -> Table:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("ended", "went", "of", "rows", "took", "quality", "error")
    for each in detail.attempts:
        table.add_row(
            output.local(each.at), Text("well", style="green") if each.success else Text("wrong", style="bold red"),
            each.check.value if each.check else "", "" if each.rows is None else f"{each.rows:.0f}",
            output.milliseconds(each.duration_ms), "" if each.quality is None else f"{each.quality:.1f}",
            Text(each.error),
        )  # fmt: skip
    return table


@collectors.command("token")
@json_option
def token(*, as_json: bool) -> int:
    """Prints what a collector needs to report here, as lines for a shell. The token is a secret."""
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        url, secret = monitoring.api_url, monitoring.collection.token
    if as_json:
        output.emit_json({"url": url, "token": secret})
    else:
        click.echo(f"export BUSTA_URL={url}\nexport BUSTA_TOKEN={secret}")
    return exits.OK
