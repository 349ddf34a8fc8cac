"""`busta completion`: what the shell needs to complete commands, options and source ids."""

from __future__ import annotations

import click

from monitoring_pipeline.cli import exits

__all__ = ["completion"]


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> int:
    """Prints the completion script of a shell.

    \b
    bash:  eval "$(busta completion bash)"                                in ~/.bashrc
    zsh:   eval "$(busta completion zsh)"                                 in ~/.zshrc
    fish:  busta completion fish > ~/.config/fish/completions/busta.fish
    """
    from click.shell_completion import get_completion_class

    completer = get_completion_class(shell)
    if completer is None:
        raise click.UsageError(f"{shell} has no completion")
    click.echo(completer(ctx.find_root().command, {}, "busta", "_BUSTA_COMPLETE").source())
    return exits.OK
