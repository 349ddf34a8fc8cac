"""Versions of the stores' schemas: one folder per store, one file per version, forward only.

A file named `m0001_first.py` holds one `migration`. It is never edited after a release: it tells
how real databases came to be. The stores apply what they lack when they are opened for writing.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from monitoring_pipeline.errors import StoreError

__all__ = ["Migration", "find_migrations", "pending"]


@dataclass(frozen=True, slots=True)
class Migration:
    """One step of a schema. `apply` gets the store's own connection, inside a transaction."""

    version: int
    name: str
    apply: Callable[[Any], None]


def find_migrations(package: str) -> list[Migration]:
    """All migrations in the folder of `package`, by version: 1, 2, 3, ... without a hole."""
    folder = importlib.import_module(package)
    found = [
        importlib.import_module(f"{package}.{module.name}").migration
        for module in pkgutil.iter_modules(folder.__path__)
        if module.name.startswith("m")
    ]
    found.sort(key=lambda migration: migration.version)
    versions = [migration.version for migration in found]
    if versions != list(range(1, len(found) + 1)):
        raise StoreError(f"the migrations in {package} are numbered {versions}, not 1 to {len(found)}")
    return found


def pending(current: int, package: str) -> list[Migration]:
    """What a store at version `current` lacks, in order.

    Raises StoreError when the store is newer than this program: going backward would lose data.
    """
    migrations = find_migrations(package)
    if current > len(migrations):
        raise StoreError(
            f"the store has schema version {current}, this program knows up to {len(migrations)}; "
            "install the newer monitoring-pipeline"
        )
    return migrations[current:]
