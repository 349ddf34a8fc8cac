"""`busta risks`: what is likely to fail soon, why, and what could be done before it does."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.cli.selection import complete_ids, source_named

if TYPE_CHECKING:
    from datetime import datetime

    from monitoring_pipeline.app import Monitoring

__all__ = ["patterns", "performance", "risks"]

_NONE = (
    "Nothing is kept yet: Dagster computes it while `busta up` runs, once there are some days of history; "
    "--now computes it here, without keeping it."
)
_SHOWN = 20
Rows = list[dict[str, Any]]

now_option = click.option("--now", "fresh", is_flag=True, help="Compute it now, from history, instead of reading it.")


@click.command()
@click.argument("source_id", metavar="[ID]", required=False, shell_complete=complete_ids)
@click.option("--limit", default=_SHOWN, show_default=True, type=click.IntRange(1, 100_000), help="Sources to show.")
@now_option
@json_option
def risks(source_id: str | None, limit: int, *, fresh: bool, as_json: bool) -> int:
    """Lists the sources that are most likely to fail within a day; one with what could be done.

    Chances are learnt from the failures of all sources, and are each source's own rate where that is no worse.

    \b
    busta risks                 the greatest, and the system's
    busta risks orders-api      why, what is known of its failures, what could be done
    """
    from monitoring_pipeline.cli import output

    with opened() as monitoring:
        if source_id is not None:
            source_named(monitoring.config, source_id)
        document = _risks(monitoring, fresh=fresh)
        if source_id is not None:
            document["risks"] = [row for row in document["risks"] if row["source"] == source_id]
            document["capacity"] = [row for row in document["capacity"] if row["source"] == source_id]
            document["patterns"] = monitoring.outlook.read("patterns", source_id)[1]
    if as_json:
        output.emit_json(document)
    elif document["at"] is None:
        output.notes().print(_NONE)
    elif source_id is not None:
        _print_one(document)
    else:
        _print(document, limit)
    return exits.OK


def _risks(monitoring: Monitoring, *, fresh: bool) -> dict[str, Any]:
    at: datetime | None
    if fresh:
        from monitoring_pipeline.analysis.outlook_rows import hourly_rows

        found = monitoring.outlook.look_hourly()
        tables, at = hourly_rows(found), found.system.at
    else:
        at, kept = monitoring.outlook.read("risks")
        tables = {"risks": kept, "capacity": monitoring.outlook.read("capacity")[1],
                  "predictors": monitoring.outlook.read("predictors")[1]}  # fmt: skip
    system = next((row for row in tables["risks"] if not row["source"]), None)
    sources = sorted(
        (row for row in tables["risks"] if row["source"]), key=lambda row: (row["risk"] is None, -(row["risk"] or 0))
    )
    return {
        "at": at, "system": None if system is None else {"risk": system["risk"], "top": system["reasons"]},
        "risks": sources, "capacity": tables["capacity"], "predictors": tables["predictors"],
    }  # fmt: skip


def _print(document: dict[str, Any], limit: int) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    system = document["system"]
    console = output.console()
    if system is not None and system["risk"] is not None:
        console.print(f"system risk {system['risk']:.0f} of 100  at {output.local(document['at'])}")
    table = tables.plain_table("source", "risk", "1 h", "24 h", "usual", "why")
    for row in document["risks"][:limit]:
        table.add_row(
            row["source"], _number(row["risk"]), _percent(row["chance_1h"]), _percent(row["chance_24h"]),
            _percent(row["usual_24h"]), Text("; ".join(row["reasons"])),
        )  # fmt: skip
    if len(document["risks"]) > limit:
        table.caption = f"and {len(document['risks']) - limit} more"
    console.print(table)
    for row in document["predictors"]:
        console.print(Text(_skill(row)), style="dim")


def _skill(row: dict[str, Any]) -> str:
    span = f"{row['horizon_h']} h"
    if row["brier"] is None or not row["base_brier"]:
        return f"{span}: too few failures to learn from, each source's own rate"
    skill = 1 - row["brier"] / row["base_brier"]
    word = "used" if row["used"] else "not used: each source's own rate is better"
    return (
        f"{span}: Brier skill {skill:+.2f} over own rates, out of time, on {row['failures']} of {row['cases']} ({word})"
    )


def _print_one(document: dict[str, Any]) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    console = output.console()
    for row in document["risks"]:
        console.print(tables.facts({
            "source": row["source"], "risk": f"{_number(row['risk'])} of 100", "within 1 h": _percent(row["chance_1h"]),
            "within 24 h": f"{_percent(row['chance_24h'])} (usually {_percent(row['usual_24h'])})",
            "why": "\n".join(row["reasons"]), "at": output.local(document["at"]),
        }))  # fmt: skip
        for action in row["actions"]:
            console.print(Text.assemble(("→ ", "bold"), action["text"], (f"\n  because {action['because']}", "dim")))
    for row in document["capacity"]:
        console.print(Text(f"{row['metric']}: {_capacity(row)}"))
    if document["patterns"]:
        console.print(_pattern_table(document["patterns"]))


def _capacity(row: dict[str, Any]) -> str:
    from monitoring_pipeline.analysis.outlook_rows import reach_of
    from monitoring_pipeline.analysis.sentences import reach_in_words

    return reach_in_words(reach_of(row))


@click.command()
@click.argument("source_id", metavar="[ID]", required=False, shell_complete=complete_ids)
@now_option
@json_option
def patterns(source_id: str | None, *, fresh: bool, as_json: bool) -> int:
    """Lists patterns in failures: by the clock, in bursts, together with others, announced by a metric.

    Each with its support, what chance would make, and the share of such findings that may be false (q).
    """
    from monitoring_pipeline.cli import output

    at: datetime | None
    with opened() as monitoring:
        if source_id is not None:
            source_named(monitoring.config, source_id)
        if fresh:
            from monitoring_pipeline.analysis.outlook_rows import daily_rows

            at, rows = monitoring.clock(), daily_rows(monitoring.outlook.look_daily())["patterns"]
        else:
            kept, rows = monitoring.outlook.read("patterns")
            at = kept or monitoring.outlook.read("trends")[0]
    rows = [row for row in rows if source_id in (None, row["source"], row["other"])]
    if as_json:
        output.emit_json({"at": at, "patterns": rows})
    elif at is None:
        output.notes().print(_NONE)
    elif rows:
        output.console().print(_pattern_table(rows))
    else:
        output.console().print("No pattern in the failures of the last four weeks is more than chance.")
    return exits.OK


def _pattern_table(rows: Rows) -> Any:
    from rich.text import Text

    from monitoring_pipeline.cli import tables

    table = tables.plain_table("source", "kind", "q", "what was found")
    for row in rows:
        table.add_row(row["source"], row["kind"], f"{row['q_value']:.1g}", Text(row["text"]))
    return table


@click.command()
@click.argument("component", metavar="[COMPONENT]", required=False)
@now_option
@json_option
def performance(component: str | None, *, fresh: bool, as_json: bool) -> int:
    """Compares the last day with the weeks before: response time, throughput, errors, resources.

    The score is 0-100; 100 is as good as its baseline or better.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.errors import NotFound

    at: datetime | None
    with opened() as monitoring:
        known = {source.component for source in monitoring.config.sources}
        if component is not None and component not in known:
            raise NotFound("component", component, known)
        if fresh:
            from monitoring_pipeline.analysis.outlook_rows import daily_rows

            at = monitoring.clock()
            rows = daily_rows(monitoring.outlook.look_daily())["performance"]
        else:
            at, rows = monitoring.outlook.read("performance")
    rows = [row for row in rows if component in (None, row["component"])]
    if as_json:
        output.emit_json({"at": at, "performance": rows})
    elif at is None:
        output.notes().print(_NONE)
    else:
        _print_performance(rows)
    return exits.OK


def _print_performance(rows: Rows) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables

    table = tables.plain_table("component", "score", "aspect", "baseline", "now", "score", "recommendation")
    for row in sorted(rows, key=lambda row: (row["score"] is None, row["score"] or 0.0)):
        name, score = row["component"], _number(row["score"]) if row["score"] is not None else "learning"
        advice = iter(row["recommendations"])
        for each in row["measured"] or [None]:
            cells = ["", "", "", ""] if each is None else [
                each["aspect"].replace("_", " "), f"{each['baseline']:.4g} {each['unit']}",
                f"{each['now']:.4g} {each['unit']}", _number(each["score"]),
            ]  # fmt: skip
            table.add_row(name, score, *cells, Text(next(advice, "") if each and each["score"] < _WELL else ""))
            name, score = "", ""
    output.console().print(table)


_WELL = 90.0


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.0f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{100 * value:.2g} %"
