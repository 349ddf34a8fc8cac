"""`${VAR}`, `${VAR:-default}` and `${file:path}` inside values; `$${` writes a literal `${`.

What a variable or a file held never reaches a message: errors name the variable, not its value.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from monitoring_pipeline.config.problems import hint

__all__ = ["Filled", "InterpolationError", "interpolate"]

_PATTERN = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_VARIABLE = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?", re.DOTALL)
_FORMS = "allowed are ${VAR}, ${VAR:-default} and ${file:path}, and $${ for a literal ${"
_LARGEST_FILE = 1_000_000


class InterpolationError(Exception):
    """A `${...}` cannot be filled in; the text says why, for the user."""


@dataclass(frozen=True, slots=True)
class Filled:
    """A text with its `${...}` filled in, each value by its spelling, and the values read from files."""

    text: str
    values: dict[str, str]
    secrets: frozenset[str]


def interpolate(text: str, *, environ: Mapping[str, str], folder: Path) -> Filled:
    """Fills in every `${...}`. Paths count from `folder`. Raises InterpolationError."""
    values: dict[str, str] = {}
    secrets: set[str] = set()

    def fill(match: re.Match[str]) -> str:
        if match.group() == "$${":
            return "${"
        inside = match.group(1)
        if inside is None:
            raise InterpolationError(f"this ${{ has no closing brace; {_FORMS}")
        if inside.startswith("file:"):
            value = _from_file(inside[5:].strip(), folder)
            secrets.add(value)
        else:
            value = _from_environment(inside, environ)
        values[value] = match.group()
        return value

    return Filled(_PATTERN.sub(fill, text), values, frozenset(secrets))


def _from_environment(inside: str, environ: Mapping[str, str]) -> str:
    match = _VARIABLE.fullmatch(inside)
    if match is None:
        raise InterpolationError(f"${{{inside}}} is not understood; {_FORMS}")
    name, default = match.groups()
    value = environ.get(name)
    if default is not None:
        return value or default
    if value is None:
        raise InterpolationError(
            f"the environment variable {name} is not set{hint(name, environ)}; "
            f"set it, or give a default as ${{{name}:-default}}"
        )
    return value


def _from_file(name: str, folder: Path) -> str:
    path = folder / name
    try:
        if not path.is_file():
            raise InterpolationError(f"${{file:{name}}}: there is no file {str(path)!r}")
        with path.open("rb") as stream:
            held = stream.read(_LARGEST_FILE + 1)
        if len(held) > _LARGEST_FILE:
            raise InterpolationError(f"${{file:{name}}}: the file is larger than 1 MB")
        return held.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise InterpolationError(f"${{file:{name}}}: the file is not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a usable path"
        raise InterpolationError(f"${{file:{name}}}: cannot be read: {reason}") from None
