"""Numbered, forward-only migrations: one folder per store, one file `mNNNN_name.py` per version.

A published file is never edited; the store's opener applies what a database lacks, each version in
one transaction. Tests open a database of every earlier version.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

__all__ = ["Migration", "find_migrations"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema. `apply` receives the open connection of its store."""

    version: int
    name: str
    apply: Callable[[Any], None]


@cache
def find_migrations(package: str) -> tuple[Migration, ...]:
    """All migrations in a folder, in order. Their versions must count 1, 2, 3 without a hole."""
    folder = importlib.import_module(package)
    names = sorted(entry.name for entry in pkgutil.iter_modules(folder.__path__))
    found = tuple(importlib.import_module(f"{package}.{name}").migration for name in names)
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise RuntimeError(f"the migrations of {package} are numbered {versions}")
    return found
