"""The filters of commands that list alerts; unknown names are answered with the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitoring_pipeline.cli.selection import complete_ids
from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from monitoring_pipeline.config import Config
    from monitoring_pipeline.reports.alerts import AlertFilter

__all__ = ["SEVERITIES", "STATES", "filter_options", "wanted"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])
STATES = ("pending", "firing", "acknowledged", "suppressed", "resolved")
SEVERITIES = ("info", "warning", "error", "critical")


def filter_options(*, source: bool = True, states: bool = True) -> Callable[[CommandT], CommandT]:
    """Adds --state, --severity, --component, --source, --rule, --team, --tag and --shadow."""
    options = [
        click.option("--state", "states", multiple=True, type=click.Choice([*STATES, "all"]),
                     help="Only alerts in this state, or all. [default: what fires]"),
        click.option("--severity", "severities", multiple=True, type=click.Choice(SEVERITIES),
                     help="Only this severity; may be given several times."),
        click.option("--component", metavar="ID", help="Only sources of this component."),
        click.option("--source", metavar="ID", shell_complete=complete_ids, help="Only this source."),
        click.option("--rule", metavar="ID", help="Only alerts of this rule."),
        click.option("--team", metavar="NAME", help="Only sources that this team owns."),
        click.option("--tag", metavar="TAG", help="Only sources with this tag."),
        click.option("--shadow", is_flag=True, help="Alerts of rules in shadow mode, which are told nobody."),
    ]  # fmt: skip
    if not source:
        del options[3]
    if not states:
        del options[0]

    def add(command: CommandT) -> CommandT:
        for option in reversed(options):
            command = option(command)
        return command

    return add


def wanted(
    config: Config, *, states: Sequence[str] | None = None, severities: Sequence[str] = (),
    component: str | None = None, source: str | None = None, rule: str | None = None, team: str | None = None,
    tag: str | None = None, shadow: bool = False, since: datetime | None = None, fired_only: bool = False,
) -> AlertFilter:  # fmt: skip
    """The filter that options mean; `states` None means all. Raises NotFound for names nothing has."""
    from monitoring_pipeline.records import AlertMode, AlertState, Severity
    from monitoring_pipeline.reports.alerts import ACTIVE, AlertFilter

    _verify(config, component=component, source=source, rule=rule, team=team, tag=tag)
    chosen = () if states is None or "all" in states else tuple(AlertState(each) for each in states) or ACTIVE
    return AlertFilter(
        states=chosen, severities=tuple(Severity(each) for each in severities), component=component, source=source,
        rule=rule, team=team, tag=tag, since=since, fired_only=fired_only,
        modes=(AlertMode.SHADOW if shadow else AlertMode.ACTIVE,),
    )  # fmt: skip


def _verify(config: Config, **names: str | None) -> None:
    sources = config.sources
    known = {
        "component": {source.component for source in sources} | {each.id for each in config.components},
        "source": {source.id for source in sources},
        "rule": {rule.id for rule in config.alerting.rules},
        "team": {source.owner for source in sources if source.owner} | set(config.alerting.teams),
        "tag": {tag for source in sources for tag in source.tags},
    }
    # Sources and rules of our own have alerts too.
    known["component"] |= {"monitoring", "dagster"}
    known["source"] |= {"monitoring", "dagster"}
    for what, name in names.items():
        if name is not None and name not in known[what]:
            raise NotFound(what, name, sorted(known[what]))
