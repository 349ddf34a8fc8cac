"""Everything that is wrong with a configuration, gathered while it is read.

Messages never carry what an environment variable or a file held: `spellings` maps such values to
the text they were written as, and `secrets` are masked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache

from monitoring_pipeline.config.nodes import Items, Mark, Node, Scalar, paths_of
from monitoring_pipeline.config.texts import Texts
from monitoring_pipeline.errors import ConfigError, Problem, nearest

__all__ = ["SHORTEST_SECRET", "Problems", "at", "choices", "hint", "mask", "quoted"]

SHORTEST_SECRET = 4
"""Values shorter than this are not masked inside longer texts: they would match everywhere."""
_USERINFO = re.compile(r"(://[^/\s:@]*:)[^/\s@]+(?=@)")
_LONGEST = 120


def at(mark: Mark) -> str:
    """`file:line:column` of a mark, counted from 1."""
    return f"{mark.name}:{mark.line + 1}:{mark.column + 1}"


def hint(name: str, known: Iterable[str]) -> str:
    """`; did you mean 'x'?` when something close is known, else nothing."""
    close = nearest(name, known)
    return f"; did you mean {close!r}?" if close else ""


def choices(names: Iterable[str], most: int = 40) -> str:
    """The names as a sorted list for a message, shortened when there are many."""
    ordered = sorted(names)
    rest = f" and {len(ordered) - most} more" if len(ordered) > most else ""
    return (", ".join(ordered[:most]) or "none") + rest


def mask(text: str, secrets: frozenset[str], cover: str = "***") -> str:
    """The text with every secret of at least four characters covered, longest first."""
    pattern = _any_of(secrets)
    return pattern.sub(lambda _: cover, text) if pattern is not None else text


@lru_cache(maxsize=8)
def _any_of(secrets: frozenset[str]) -> re.Pattern[str] | None:
    long = sorted((secret for secret in secrets if len(secret) >= SHORTEST_SECRET), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, long))) if long else None


def quoted(node: Node) -> str:
    """What the user wrote, for a message: before `${...}` was filled in, URL passwords covered."""
    if not isinstance(node, Scalar):
        return "a list" if isinstance(node, Items) else "a mapping"
    if node.value is None:
        return "an empty value"
    text = _USERINFO.sub(r"\1***", node.shown)
    if len(text) > _LONGEST:
        text = text[: _LONGEST - 1] + "…"
    return repr(text) if isinstance(node.value, str) or node.shown != node.text else text


@dataclass(slots=True)
class Problems:
    """Collects problems and warnings; `texts` are the files' texts, `roots` their trees, for dotted paths."""

    texts: Texts = field(default_factory=Texts)
    roots: list[Node] = field(default_factory=list)
    files: list[str] = field(default_factory=list)
    spellings: dict[str, str] = field(default_factory=dict)
    secrets: set[str] = field(default_factory=set)
    warnings: list[str] = field(default_factory=list)
    _found: dict[tuple[str, int, int, str], tuple[Mark, str | None]] = field(default_factory=dict)

    def add(self, mark: Mark, message: str, *, path: str | None = None, column: int | None = None) -> None:
        """Something is wrong at `mark`. The same words at the same place count once."""
        place = mark.column if column is None else column
        self._found.setdefault((mark.name, mark.line, place, message), (mark, path))

    def warn(self, mark: Mark, message: str) -> None:
        """Something looks wrong at `mark` but can be used."""
        text = f"{at(mark)}: {mask(message, frozenset(self.secrets))}"
        if text not in self.warnings:
            self.warnings.append(text)

    def __bool__(self) -> bool:
        return bool(self._found)

    def error(self) -> ConfigError:
        """All problems, in the order of the files and lines."""
        paths: dict[int, str] = {}
        for root in self.roots:
            paths.update(paths_of(root))
        order = {name: index for index, name in enumerate(self.files)}
        secrets = frozenset(self.secrets)
        problems = [
            Problem(name, line + 1, column + 1, paths.get(id(mark), "") if path is None else path, mask(text, secrets))
            for (name, line, column, text), (mark, path) in self._found.items()
        ]
        problems.sort(key=lambda p: (order.get(p.file, len(order)), p.file, p.line, p.column))
        return ConfigError(problems)

    def raise_if_any(self) -> None:
        """Raises ConfigError when something was added."""
        if self._found:
            raise self.error()

    def covered(self, text: str) -> str:
        """The text with values that came from `${...}` put back to how they were written.

        For words of others (validators, parsers) only: our own messages quote what was written.
        """
        for value in sorted(self.spellings, key=len, reverse=True):
            if not value or value not in text:
                continue
            spelling = self.spellings[value]
            if len(value) >= SHORTEST_SECRET:
                text = text.replace(value, spelling)
            else:
                text = spelling.join(re.split(rf"(?<!\w){re.escape(value)}(?!\w)", text))
        return text
