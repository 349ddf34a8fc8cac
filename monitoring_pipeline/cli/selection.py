"""Which sources and checks a command line means; unknown names are answered with the nearest one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitoring_pipeline.errors import NotFound

if TYPE_CHECKING:
    from monitoring_pipeline.checks.check import BoundCheck
    from monitoring_pipeline.config import Config
    from monitoring_pipeline.records import Source

__all__ = ["Selection", "checks_named", "complete_ids", "selection_options", "source_named"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Selection:
    """The filters of `sources` commands; None and False let everything through."""

    component: str | None = None
    tag: str | None = None
    critical: bool = False

    def __bool__(self) -> bool:
        return bool(self.component or self.tag or self.critical)

    def verify(self, config: Config) -> None:
        """Raises NotFound for a component or a tag that nothing has."""
        components = [component.id for component in config.components]
        tags = {tag for source in config.sources for tag in source.tags}
        if self.component is not None and self.component not in components:
            raise NotFound("component", self.component, components)
        if self.tag is not None and self.tag not in tags:
            raise NotFound("tag", self.tag, tags)

    def admits(self, source: Source) -> bool:
        """Whether a source passes all filters."""
        return (
            (self.component is None or source.component == self.component)
            and (self.tag is None or self.tag in source.tags)
            and (not self.critical or source.criticality == "critical")
        )


def selection_options(command: CommandT) -> CommandT:
    """Adds --component, --tag and --critical."""
    for option in (
        click.option("--critical", is_flag=True, help="Only sources of criticality critical."),
        click.option("--tag", metavar="TAG", help="Only sources with this tag."),
        click.option("--component", metavar="ID", help="Only sources of this component."),
    ):
        command = option(command)
    return command


def source_named(config: Config, name: str) -> Source:
    """The source of this id. Raises NotFound with the nearest one."""
    for source in config.sources:
        if source.id == name:
            return source
    raise NotFound("source", name, (source.id for source in config.sources))


def checks_named(config: Config, names: Iterable[str]) -> list[BoundCheck]:
    """The checks meant by `source` (its enabled ones) or `source/check`. Raises NotFound."""
    found: dict[str, BoundCheck] = {}
    for name in names:
        source, _, check = name.partition("/")
        own = config.checks_of([source_named(config, source).id])
        meant = [bound for bound in own if (bound.check.id == check if check else bound.check.enabled)]
        if check and not meant:
            raise NotFound("check", name, (bound.key for bound in own))
        found.update({bound.key: bound for bound in meant})
    return list(found.values())


def complete_ids(ctx: click.Context, param: click.Parameter, incomplete: str) -> Sequence[str]:
    """Source ids for the shell. Read by eye from the files: loading them properly takes a second."""
    from monitoring_pipeline.cli.completing import source_ids
    from monitoring_pipeline.cli.opening import config_file

    with ctx:
        return [name for name in source_ids(config_file()) if name.startswith(incomplete)]
