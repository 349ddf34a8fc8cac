"""`busta config`: is it right, what is it, what may it hold."""

from __future__ import annotations

from typing import Any

import click

from monitoring_pipeline.cli import exits
from monitoring_pipeline.cli.opening import existing_config_file, json_option

__all__ = ["config"]


@click.group()
def config() -> None:
    """The configuration: check it, show it, describe it to editors."""


@config.command()
@json_option
def validate(*, as_json: bool) -> int:
    """Says everything that is wrong with the configuration; exits with 78 when something is."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.config import load_config
    from monitoring_pipeline.errors import ConfigError

    path = existing_config_file()
    try:
        found = load_config(path)
    except ConfigError as error:
        if not as_json:
            raise
        output.emit_json({"path": path, "valid": False, "problems": _problems(error), "warnings": []})
        return exits.BAD_CONFIG
    if as_json:
        counts = {"sources": len(found.sources), "checks": len(found.checks), "components": len(found.components)}
        output.emit_json({"path": path, "valid": True, "problems": [], "warnings": list(found.warnings), **counts})
        return exits.OK
    for warning in found.warnings:
        output.notes().print(f"warning: {warning}", style="yellow", soft_wrap=True)
    click.echo(f"{path} is valid: {len(found.sources)} sources, {len(found.checks)} checks")
    return exits.OK


def _problems(error: Any) -> list[dict[str, Any]]:
    return [
        {"file": p.file, "line": p.line, "column": p.column, "path": p.path, "message": p.message}
        for p in error.problems
    ]


@config.command()
@json_option
def show(*, as_json: bool) -> int:
    """Prints the configuration after includes, templates and defaults; secrets are covered."""
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.config import dump_config, load_config

    text = dump_config(load_config(existing_config_file()))
    if as_json:
        import yaml

        output.emit_json(yaml.safe_load(text))
    else:
        click.echo(text, nl=False)
    return exits.OK


@config.command()
def schema() -> int:
    """Prints the JSON Schema of monitoring.yaml, for completion and errors in editors.

    \b
    busta config schema > monitoring.schema.json
    and as the first line of monitoring.yaml:
    # yaml-language-server: $schema=monitoring.schema.json

    In VS Code this needs the extension "YAML"; JetBrains' IDEs and Neovim's yaml-language-server
    read the same line.
    """
    from monitoring_pipeline.cli import output
    from monitoring_pipeline.config import config_schema

    output.emit_json(config_schema())
    return exits.OK
