"""What commands share: the configuration file that is meant, and the installation it describes."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.root import CONFIG_VARIABLE, Refused

if TYPE_CHECKING:
    from monitoring_pipeline.app import Monitoring

__all__ = ["config_file", "existing_config_file", "json_option", "opened"]

CommandT = TypeVar("CommandT", bound=Callable[..., Any])


def json_option(command: CommandT) -> CommandT:
    """Adds `--json` to a command that prints data."""
    option = click.option("--json", "as_json", is_flag=True, help="Print one JSON document instead.")
    return option(command)


def config_file() -> Path:
    """The file that --config, $BUSTA_CONFIG or the default name; it need not exist."""
    # From the parameters and not from what the group left: while the shell completes, no group is run.
    given = click.get_current_context().find_root().params.get("config_path")
    return given if isinstance(given, Path) else Path(os.environ.get(CONFIG_VARIABLE) or "monitoring.yaml")


def existing_config_file() -> Path:
    """The same, when it is there. Raises Refused with what to type when it is not."""
    path = config_file()
    if not path.is_file():
        raise Refused(
            f"there is no configuration {path}; `busta init` makes one, --config names another", exits.BAD_CONFIG
        )
    return path


@contextlib.contextmanager
def opened() -> Iterator[Monitoring]:
    """The installation, closed at the end. Raises ConfigError, or Refused without a configuration."""
    from monitoring_pipeline.app import Monitoring

    monitoring = Monitoring.open(existing_config_file())
    try:
        yield monitoring
    finally:
        monitoring.close()
