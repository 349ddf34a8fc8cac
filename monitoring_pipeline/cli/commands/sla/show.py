"""`busta sla show`: budgets with bars, the worst first; one objective with its days."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.moments import MOMENT
from monitoring_pipeline.cli.opening import json_option, opened
from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from rich.text import Text

    from monitoring_pipeline.analysis.sla.standing import Standing
    from monitoring_pipeline.app import Monitoring

__all__ = ["show"]

_WIDTH = 20
_BARS = "▁▂▃▄▅▆▇█"
_NONE = """\
Nothing was promised: the configuration has no `objectives`. For example:

objectives:
  uptime: {source: "*", target: 99.9%, window: month}
"""


@click.command()
@click.argument("objective", required=False)
@click.option("--source", metavar="ID", help="Only promises about this source.")
@click.option("--at", "moment", type=MOMENT, metavar="MOMENT", help="The period that holds this moment. [default: now]")
@click.option("--limit", default=40, show_default=True, type=click.IntRange(1, 100_000), help="Rows to show.")
@click.option("--plot", metavar="FILE", type=click.Path(path_type=Path), help="Write a picture (PNG) too.")
@json_option
def show(
    objective: str | None, source: str | None, moment: datetime | None, limit: int, plot: Path | None, *, as_json: bool
) -> int:  # fmt: skip
    """Shows how promises stand: what was attained, what is left of the error budget, how fast it goes.

    Unknown time is never counted as good: `attained` is the share of what is known, `at least` what it would be had
    all unknown time been bad. Where people corrected the past, both figures are shown. Exit code 2 says that a
    promise is broken, 1 that nothing is known of one.

    \b
    Examples:
      busta sla show
      busta sla show shop-uptime --at 2026-10-15 --plot october.png
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.reports.sla import standing_document

    with opened() as monitoring:
        daily = plot is not None or objective is not None
        found = _standings(monitoring, objective, source, moment, daily=daily)
        now = monitoring.clock()
    if plot is not None and found:
        from monitoring_pipeline.reports.sla_plot import standings_png

        plot.write_bytes(standings_png(found))
    if as_json:
        output.emit_json({"at": now, "standings": [standing_document(each) for each in found]})
    elif not found:
        output.notes().print(_NONE, end="")
    else:
        _print(found, limit, detailed=objective is not None)
    return _code(found)


def _standings(
    monitoring: Monitoring, objective: str | None, source: str | None, moment: datetime | None, *, daily: bool
) -> list[Standing]:
    from monitoring_pipeline.cli.selection import source_named

    config = monitoring.config
    if objective is not None and objective not in config.objectives:
        raise NotFound("objective", objective, config.objectives)
    if source is not None:
        source_named(config, source)
    if not config.objectives:
        return []
    found = monitoring.sla.standings(
        at=moment, objectives=None if objective is None else [objective], daily=daily
    )  # fmt: skip
    if source is not None:
        found = [each for each in found if source in each.promise.sources]
    return sorted(found, key=_badness)


def _badness(standing: Standing) -> tuple[float, str, str]:
    left = standing.budget.left_share
    return (
        1.0 if left is None or standing.kept is None else left,
        standing.promise.objective,
        standing.promise.subject,
    )


def _code(found: Sequence[Standing]) -> int:
    if any(standing.kept is False for standing in found):
        return exits.CRITICAL
    return exits.WARNING if any(standing.kept is None for standing in found) else exits.OK


# -- printing ----------------------------------------------------------------------------------------


def _print(every: Sequence[Standing], limit: int, *, detailed: bool) -> None:
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.reports.sla import subject_name

    console = output.console()
    wide = console.width >= tables.NARROW
    bar = ("budget left", "") if wide else ("budget left",)
    table = tables.plain_table("objective", "about", "period", "attained", "target", *bar, "burn 1h/6h/3d")
    found = every[:limit]
    for each in found:
        table.add_row(
            each.promise.objective, Text(subject_name(each.promise)), each.period.name, _attained(each),
            f"{each.promise.spec.target:g} %", *([_bar(each)] if wide else ()), _left(each), _burn(each),
        )  # fmt: skip
    console.print(table)
    if len(every) > limit:
        console.print(f"and {len(every) - limit} more with more left; --json prints all of them")
    for each in found if detailed else ():
        console.print(_detail(each))
    sentences = [] if detailed else [line for each in found[:5] if (line := _warning(each))]
    console.print("\n".join(sentences), end="\n" if sentences else "")


def _attained(standing: Standing) -> Text:
    from rich.text import Text

    account = standing.account
    text = Text(_percent(account.attained), style={True: "green", False: "bold red", None: "magenta"}[standing.kept])
    if account.unknown:
        text.append(f" (at least {_percent(account.at_least)})", style="dim")
    if standing.pair.measured != account:
        text.append(f" (measured {_percent(standing.pair.measured.attained)})", style="dim")
    return text


def _bar(standing: Standing) -> Text:
    """What is left of the budget as a bar, the empty part being what was used."""
    from rich.text import Text

    share = standing.budget.left_share
    if share is None or standing.kept is None:
        return Text("·" * _WIDTH, style="magenta")
    full = round(max(0.0, min(1.0, share)) * _WIDTH)
    style = "bold red" if share <= 0 else "yellow" if share < 0.25 else "green"
    return Text.assemble(("█" * full, style), ("░" * (_WIDTH - full), style))


def _left(standing: Standing) -> str:
    budget, events = standing.budget, standing.promise.spec.counts_events
    share = "" if budget.left_share is None else f" ({budget.left_share:.0%})"
    return f"{_amount(budget.left, events=events)} of {_amount(budget.allowed, events=events)}{share}"


def _amount(value: float, *, events: bool) -> str:
    """Checks, or a length of time in its two largest units."""
    if events:
        short = round(value, 1)
        return f"{short:,.0f} checks" if short % 1 == 0 or abs(short) >= 10 else f"{short:.1f} checks"
    seconds = round(abs(value) / 1_000_000)
    sign = "-" if value < 0 and seconds else ""
    for size, unit, smaller, name in ((86400, "d", 3600, "h"), (3600, "h", 60, "m"), (60, "m", 1, "s")):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{sign}{seconds // size}{unit}{rest}{name}" if rest else f"{sign}{seconds // size}{unit}"
    return f"{sign}{seconds}s"


def _burn(standing: Standing) -> Text:
    from rich.text import Text

    from monitoring_pipeline.analysis.sla.budget import BURN_WINDOWS

    text = Text()
    for window in BURN_WINDOWS[2:]:
        rate = standing.burn_rate(window)
        shown = "-" if rate is None else f"{rate:.1f}" if rate < 100 else f"{rate:.0f}"
        text.append("  " if text else "")
        text.append(shown, style="red" if rate is not None and rate > 1 else "")
    return text


def _percent(share: float | None) -> str:
    from monitoring_pipeline.reports.sla import percent_text

    return percent_text(share)


def _sentence(standing: Standing) -> str:
    from monitoring_pipeline.reports.sla import forecast_sentence

    gone = standing.exhausted_at
    return forecast_sentence(standing, "" if gone is None else f"{gone.astimezone():%A %d %B %H:%M %Z}")


def _warning(standing: Standing) -> str:
    if standing.exhausted_at is None or standing.account.known == 0:
        return ""
    from monitoring_pipeline.reports.sla import subject_name

    return f"{standing.promise.objective}, {subject_name(standing.promise)}: {_sentence(standing)}"


def _detail(standing: Standing) -> object:
    from rich.console import Group
    from rich.text import Text

    from monitoring_pipeline.cli import output, tables
    from monitoring_pipeline.reports.sla import subject_name

    account, period = standing.account, standing.period
    facts = {
        "about": subject_name(standing.promise),
        "promise": standing.promise.spec.description,
        "period": f"{period.name}: {output.local(period.start)} to {output.local(period.end)}",
        "counted": _sums(standing),
        "measured": _sums(standing, measured=True) if standing.pair.measured != account else "",
        "coverage": f"{_percent(account.coverage)} of the time that counts is known" if account.unknown else "",
        "outlook": _sentence(standing),
        "days": _days(standing),
    }
    notes = [
        Text(f"corrected by {entry.author}: {entry.source} {output.local(entry.start)} to {output.local(entry.end)} "
             f"counts as {entry.as_.value} ({entry.reason}) #{entry.number}", style="dim")
        for entry in standing.entries
    ]  # fmt: skip
    return Group(Text(""), tables.facts(facts), *notes)


def _sums(standing: Standing, *, measured: bool = False) -> str:
    events = standing.promise.spec.counts_events
    account = standing.pair.measured if measured else standing.account
    parts = ((account.good, "good"), (account.bad, "bad"), (account.unknown, "unknown"), (account.excluded, "excluded"))
    told = ", ".join(f"{_amount(value, events=events)} {name}" for value, name in parts if value or name == "good")
    return f"{told}: {_percent(account.attained)}" + (
        f", at least {_percent(account.at_least)}" if account.unknown else ""
    )


def _days(standing: Standing) -> str:
    """One character per part: how much of the daily share of the budget it used; `?` where nothing is known."""
    spec, marks = standing.promise.spec, []
    for part in standing.parts:
        account = part.pair.corrected
        counted = account.counted(unknown_is_bad=spec.unknown_is_bad)
        if not counted:
            marks.append("?" if account.unknown else "·")
            continue
        used = account.spent(unknown_is_bad=spec.unknown_is_bad) / counted / (1 - spec.share)
        marks.append("▁" if used == 0 else _BARS[min(len(_BARS) - 1, 1 + int(used * 2))])
    return "".join(marks)
