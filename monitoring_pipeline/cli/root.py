"""The command `busta` itself: global options, and how every error becomes a line and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from monitoring_pipeline import __version__
from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.lazy import LazyGroup
from monitoring_pipeline.errors import ConfigError, MonitoringError, NotFound, Refusal

__all__ = ["CONFIG_VARIABLE", "Refused", "busta"]

CONFIG_VARIABLE = "BUSTA_CONFIG"
_COMMANDS = "monitoring_pipeline.cli.commands"


class Refused(MonitoringError):
    """A command cannot do what it was asked; `code` is the exit code that says so."""

    def __init__(self, message: str, code: int) -> None:
        self.code = code
        super().__init__(message)


class _Busta(LazyGroup):
    """Ends the process itself: commands return their exit code or raise."""

    def main(
        self,
        args: Sequence[str] | None = None,
        prog_name: str | None = None,
        complete_var: str | None = None,
        standalone_mode: bool = True,
        **extra: Any,
    ) -> Any:
        """Runs a command line; in standalone mode it ends the process with the right code."""
        if not standalone_mode:
            return super().main(args, prog_name, complete_var, standalone_mode=False, **extra)
        try:
            code = super().main(args, prog_name or "busta", complete_var, standalone_mode=False, **extra)
        except BrokenPipeError:
            # Whoever read our output has seen enough: leave no traceback when Python flushes at exit.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            code = exits.OK
        except (Exception, KeyboardInterrupt) as error:
            code = _told(error)
        sys.exit(code if isinstance(code, int) else exits.OK)


def _told(error: BaseException) -> int:
    """Says on stderr what went wrong, one line each, and answers the exit code."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.message)
        return exits.OK
    lines, code = _in_words(error)
    for line in lines:
        click.secho(f"busta: {line}", fg=None if os.environ.get("NO_COLOR") else "red", err=True)
    if code == exits.UNEXPECTED and os.environ.get("BUSTA_TRACEBACK"):
        import traceback

        traceback.print_exception(error)
    return code


def _in_words(error: BaseException) -> tuple[list[str], int]:
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return ["stopped"], exits.INTERRUPTED
    if isinstance(error, click.UsageError):
        path = error.ctx.command_path if error.ctx else "busta"
        return [f"{error.format_message()} (see {path} --help)"], exits.USAGE
    if isinstance(error, click.ClickException):
        return [error.format_message()], exits.USAGE
    if isinstance(error, ConfigError):
        return [str(problem) for problem in error.problems], exits.BAD_CONFIG
    if isinstance(error, (NotFound, Refusal)):
        return [str(error)], exits.USAGE
    if isinstance(error, MonitoringError):
        return str(error).splitlines(), error.code if isinstance(error, Refused) else exits.UNAVAILABLE
    if type(error).__module__.startswith("sqlalchemy"):
        return [f"the operational store: {getattr(error, 'orig', None) or error}"], exits.UNAVAILABLE
    if isinstance(error, OSError):
        return [str(error)], exits.UNAVAILABLE
    return [f"{type(error).__name__}: {error}"], exits.UNEXPECTED


def _epilog() -> str:
    rows = "\n".join(f"  {code:>3}  {meaning}" for code, meaning in exits.EXPLAINED.items())
    return (
        f"\b\nExit codes:\n{rows}\n\n\b\n"
        "Times are shown in this machine's time zone; --json prints one document with UTC times.\n"
        "NO_COLOR=1 switches colours off; they are off when the output is not a terminal."
    )


@click.group(
    cls=_Busta,
    lazy={
        "init": f"{_COMMANDS}.init:init",
        "up": f"{_COMMANDS}.up:up",
        "sources": f"{_COMMANDS}.sources:sources",
        "collectors": f"{_COMMANDS}.collectors:collectors",
        "quality": f"{_COMMANDS}.quality:quality",
        "report": f"{_COMMANDS}.report:report",
        "anomalies": f"{_COMMANDS}.anomalies:anomalies",
        "alerts": f"{_COMMANDS}.alerts:alerts",
        "silences": f"{_COMMANDS}.silences:silences",
        "maintenance": f"{_COMMANDS}.maintenance:maintenance",
        "oncall": f"{_COMMANDS}.oncall:oncall",
        "channels": f"{_COMMANDS}.channels:channels",
        "notifications": f"{_COMMANDS}.notifications:notifications",
        "rules": f"{_COMMANDS}.rules:rules",
        "sla": f"{_COMMANDS}.sla:sla",
        "risks": f"{_COMMANDS}.risks:risks",
        "patterns": f"{_COMMANDS}.risks:patterns",
        "performance": f"{_COMMANDS}.risks:performance",
        "config": f"{_COMMANDS}.config:config",
        "doctor": f"{_COMMANDS}.doctor:doctor",
        "completion": f"{_COMMANDS}.completion:completion",
    },
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110},
    epilog=_epilog(),
)
@click.option(
    "--config",
    "config_path",
    metavar="PATH",
    type=click.Path(path_type=Path),
    help=f"The configuration file. [default: ${CONFIG_VARIABLE}, else ./monitoring.yaml]",
)
@click.version_option(__version__, "--version", prog_name="busta", message="%(prog)s %(version)s")
def busta(config_path: Path | None) -> None:  # its parameter is read by `opening.config_file`
    """Watches data sources: what is up, what is not, since when and why.

    \b
    busta init       finds what can be watched on this machine and writes monitoring.yaml
    busta up         starts watching, with Dagster, the API and a live table
    """
