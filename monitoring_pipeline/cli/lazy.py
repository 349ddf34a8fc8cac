"""A click group that imports a command's module when the command is needed, and not before."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

import click

from monitoring_pipeline.errors import nearest

__all__ = ["LazyGroup"]


class LazyGroup(click.Group):
    """Its commands are named in `lazy`: name -> `module:attribute`, in the order help shows them."""

    def __init__(self, *args: Any, lazy: Mapping[str, str], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._lazy = lazy

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The names, in their order."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, its module imported now; None when there is none of that name."""
        place = self._lazy.get(cmd_name)
        if place is None:
            return None
        module, _, attribute = place.partition(":")
        command: click.Command = getattr(importlib.import_module(module), attribute)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with a hint for a typo."""
        if args and args[0] not in self._lazy and not args[0].startswith("-"):
            hint = nearest(args[0], self._lazy)
            tail = f"did you mean {hint!r}?" if hint else f"there are {', '.join(self._lazy)}"
            ctx.fail(f"there is no command {args[0]!r}; {tail}")
        return super().resolve_command(ctx, args)
