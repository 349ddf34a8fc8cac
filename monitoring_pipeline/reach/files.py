"""Finds files for probes: a path or a glob, walked with a bound, honest about what it may not see.

The standard library's glob silently skips folders it may not read, and a check would then call
files missing that are only hidden from it. Blocking: call it in a thread.
"""

from __future__ import annotations

import fnmatch
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from stat import S_ISDIR, S_ISREG

from monitoring_pipeline.errors import CheckError

__all__ = ["FoundFile", "Scan", "is_pattern", "scan"]

_MAGIC = re.compile(r"[*?\[]")
# Names looked at without a match, per file wanted, before a walk is given up.
_LOOKS_PER_FILE = 100


@dataclass(frozen=True, slots=True)
class FoundFile:
    """One regular file: its path, size in bytes, and when it was last written (seconds since 1970)."""

    path: str
    size: int
    mtime: float
    mode: int = 0


@dataclass(frozen=True, slots=True)
class Scan:
    """All files found, up to the limit. `exists` is also true for an empty folder named outright."""

    files: list[FoundFile] = field(default_factory=list)
    exists: bool = False
    truncated: bool = False
    single: bool = False


class _TooMuch(Exception):
    """The walk looked at more names than it may."""


def is_pattern(path: str) -> bool:
    """Whether the path holds `*`, `?` or `[`."""
    return bool(_MAGIC.search(path))


def scan(path: str, max_files: int) -> Scan:
    """The regular files at `path`: one file, the files of one folder, or those that match a glob.

    `**` stands for any number of folders and does not follow links; `*` does not match names that
    begin with a dot. Raises CheckError when a folder or file on the way may not be read.
    """
    try:
        if is_pattern(path):
            return _collect(_Walk(max_files).matches(path), max_files)
        return _literal(path, max_files)
    except PermissionError as error:
        raise CheckError(f"no permission to look at {error.filename or path}") from None


def _literal(path: str, max_files: int) -> Scan:
    found = _stat(path)
    if found is None:
        return Scan()
    if S_ISDIR(found.st_mode):
        inside = _collect(_Walk(max_files).matches(str(Path(path) / "*")), max_files)
        return Scan(inside.files, True, inside.truncated)
    return Scan([FoundFile(path, found.st_size, found.st_mtime, found.st_mode)], exists=True, single=True)


def _collect(paths: Iterator[str], max_files: int) -> Scan:
    files: list[FoundFile] = []
    try:
        files.extend(islice(_regular(paths), max_files + 1))
    except _TooMuch:
        return Scan(files, bool(files), truncated=True)
    return Scan(files[:max_files], bool(files), len(files) > max_files)


def _regular(paths: Iterator[str]) -> Iterator[FoundFile]:
    for path in paths:
        found = _stat(path)
        if found is not None and S_ISREG(found.st_mode):
            yield FoundFile(path, found.st_size, found.st_mtime, found.st_mode)


def _stat(path: str) -> os.stat_result | None:
    # Files come and go while we look: one that is gone does not exist.
    try:
        return os.stat(path)  # noqa: PTH116 - a Path per file would double the price of a large scan
    except (FileNotFoundError, NotADirectoryError):
        return None


class _Walk:
    """One bounded walk along the parts of a pattern."""

    def __init__(self, max_files: int) -> None:
        self._left = max_files * _LOOKS_PER_FILE

    def matches(self, pattern: str) -> Iterator[str]:
        path = Path(pattern)
        base = path.anchor or "."
        return self._walk(base, list(path.parts[1:] if path.anchor else path.parts))

    def _walk(self, base: str, parts: list[str]) -> Iterator[str]:
        if not parts:
            yield base
            return
        part, rest = parts[0], parts[1:]
        if part == "**":
            yield from self._any_depth(base, rest or ["*"])
        elif not _MAGIC.search(part):
            yield from self._walk(_join(base, part), rest)
        else:
            for entry in self._entries(base):
                if _fits(entry.name, part) and (not rest or entry.is_dir()):
                    yield from self._walk(_join(base, entry.name), rest)

    def _any_depth(self, base: str, rest: list[str]) -> Iterator[str]:
        folders = [base]
        while folders:
            folder = folders.pop()
            yield from self._walk(folder, rest)
            folders += [
                _join(folder, entry.name)
                for entry in self._entries(folder)
                if not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False)
            ]

    def _entries(self, folder: str) -> Iterator[os.DirEntry[str]]:
        try:
            listing = os.scandir(folder)
        except (FileNotFoundError, NotADirectoryError):
            return
        with listing:
            for entry in listing:
                self._left -= 1
                if self._left < 0:
                    raise _TooMuch
                yield entry


def _join(base: str, name: str) -> str:
    return name if base == "." else os.path.join(base, name)  # noqa: PTH118 - see _stat


def _fits(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) and (pattern.startswith(".") or not name.startswith("."))
