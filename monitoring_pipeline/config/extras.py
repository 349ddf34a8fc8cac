"""Whether the client libraries of the kinds of checks and channels in use are installed."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, distribution, requires
from typing import ClassVar, Protocol

__all__ = ["missing_extra", "missing_extras"]

_PACKAGE = "monitoring-pipeline"


class _WithClient(Protocol):
    extra: ClassVar[str | None]


def missing_extras(what: str, kinds: Mapping[str, type[_WithClient]]) -> list[str]:
    """One warning per kind whose client is not installed, with the command that installs it."""
    wanted = {kind: model.extra for kind, model in kinds.items() if model.extra}
    if not wanted:
        return []
    return [
        f"the {what} kind {kind!r} needs a client that is not installed: pip install '{_PACKAGE}[{extra}]'"
        for kind, extra in sorted(wanted.items())
        if not all(map(_is_installed, _packages_of(extra)))
    ]


def missing_extra(who: str, extra: str) -> list[str]:
    """A warning when what somebody needs is not installed; `who` is such as `expectations of suites need`."""
    if all(map(_is_installed, _packages_of(extra))):
        return []
    return [f"{who} something that is not installed: pip install '{_PACKAGE}[{extra}]'"]


def _packages_of(extra: str) -> list[str]:
    try:
        lines = requires(_PACKAGE) or []
    except PackageNotFoundError:  # a bare checkout: nothing tells what the extra holds
        return []
    marker = re.compile(rf"extra\s*==\s*['\"]{re.escape(extra)}['\"]")
    return [re.split(r"[^A-Za-z0-9_.-]", line, maxsplit=1)[0] for line in lines if marker.search(line)]


def _is_installed(package: str) -> bool:
    try:
        distribution(package)
    except PackageNotFoundError:
        return False
    return True
