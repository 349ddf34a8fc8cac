"""The options that say which alerts a silence or a maintenance is about."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitoring_pipeline.cli.alert_filters import SEVERITIES
from monitoring_pipeline.cli.selection import complete_ids

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.selector import Matcher

__all__ = ["alert_options", "matched", "matcher", "source_options"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def source_options(command: CommandT) -> CommandT:
    """Adds --source, --component, --tag and --team; each may be given several times and have `*` and `?`."""
    for option in (
        click.option("--team", "owner", multiple=True, metavar="NAME", help="Sources that this team owns."),
        click.option("--tag", multiple=True, metavar="TAG", help="Sources with this tag."),
        click.option("--component", multiple=True, metavar="ID", help="Sources of this component."),
        click.option("--source", multiple=True, metavar="ID", shell_complete=complete_ids,
                     help="This source; * and ? stand for anything, and it may be given several times."),
    ):  # fmt: skip
        command = option(command)
    return command


def alert_options(command: CommandT) -> CommandT:
    """Adds those and --check, --rule, --severity and --label."""
    for option in (
        click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Alerts with this label."),
        click.option("--severity", multiple=True, type=click.Choice(SEVERITIES), help="Alerts of this severity."),
        click.option("--rule", multiple=True, metavar="ID", help="Alerts of this rule."),
        click.option("--check", multiple=True, metavar="ID", help="Alerts about this check."),
    ):
        command = option(command)
    return source_options(command)


def matcher(fields: Mapping[str, Sequence[str]]) -> Matcher:
    """The matcher that the options mean."""
    from monitoring_pipeline.alerting.selector import Matcher

    given: dict[str, Any] = {name: tuple(values) for name, values in fields.items() if values}
    if "labels" in given:
        given["labels"] = dict(_label(text) for text in given["labels"])
    return Matcher.model_validate(given)


def _label(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise click.BadParameter(f"{text!r} is not NAME=VALUE", param_hint="--label")
    return name, value


def matched(fields: Mapping[str, Any]) -> str:
    """A kept matcher in words: `source orders-*, severity warning or info`."""
    words = []
    for name, value in sorted(fields.items(), key=lambda field: _ORDER.get(field[0], len(_ORDER))):
        if isinstance(value, Mapping):
            words += [f"{label}={_either(wanted)}" for label, wanted in value.items()]
        else:
            words.append(f"{name} {_either(value)}")
    return ", ".join(words)


_ORDER = {name: place for place, name in enumerate(
    ("source", "component", "tag", "owner", "check", "rule", "severity", "labels")
)}  # fmt: skip


def _either(value: Any) -> str:
    return " or ".join(map(str, value)) if isinstance(value, list) else str(value)
