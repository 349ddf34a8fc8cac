"""Source ids for shell completion, found in some ten milliseconds and without any configuration model.

The operational store knows those that were registered, the YAML files those that were just written.
"""

from __future__ import annotations

import contextlib
import re
import sqlite3
from pathlib import Path

__all__ = ["source_ids"]

_ID = re.compile(r"^( *)- +(?:\{ *)?id: *[\"']?([A-Za-z0-9][A-Za-z0-9_.-]*)", re.MULTILINE)
_DIRECTORY = re.compile(r"^ +directory: *[\"']?([^\s\"'#]+)", re.MULTILINE)


def source_ids(config: Path) -> list[str]:
    """The ids that are known without loading the configuration; wrong files give fewer, never an error."""
    found: set[str] = set()
    directory = ".busta"
    for file in (config, *sorted(config.parent.glob("sources/*.y*ml"))):
        with contextlib.suppress(OSError, UnicodeDecodeError):
            text = file.read_text()
            found.update(_outermost(_ID.findall(text)))
            if file == config and (given := _DIRECTORY.search(text)):
                directory = given[1]
    return sorted(found | _registered(config.parent / directory / "operational.db"))


def _outermost(entries: list[tuple[str, str]]) -> list[str]:
    """The ids that are indented least: sources; those of their checks lie deeper."""
    least = min((len(indent) for indent, _ in entries), default=0)
    return [name for indent, name in entries if len(indent) == least]


def _registered(store: Path) -> set[str]:
    if not store.is_file():
        return set()
    with (
        contextlib.suppress(sqlite3.Error),
        contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True, timeout=0.2)) as connection,
    ):
        return {str(row[0]) for row in connection.execute("SELECT id FROM sources")}
    return set()
