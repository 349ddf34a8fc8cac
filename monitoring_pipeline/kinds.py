"""Finds every kind in a folder, and third-party kinds by entry point.

A kind is one class in one file whose `kind` field is a `Literal` with one name. Adding a kind is
adding a file; nothing else lists them.
"""

from __future__ import annotations

import importlib
import pkgutil
from dataclasses import dataclass, field
from functools import cache
from importlib.metadata import entry_points
from types import ModuleType
from typing import Generic, TypeVar, get_args

from pydantic import BaseModel

__all__ = ["Kinds", "find_kinds"]

ModelT = TypeVar("ModelT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Kinds(Generic[ModelT]):
    """The kinds found, by name, and the plug-ins that could not be loaded with the reason."""

    by_name: dict[str, type[ModelT]]
    broken: dict[str, str] = field(default_factory=dict)


def _kind_name(model: type[BaseModel]) -> str | None:
    kind = model.model_fields.get("kind")
    names = get_args(kind.annotation) if kind else ()
    return names[0] if names and isinstance(names[0], str) else None


def _classes_in(module: ModuleType, base: type[ModelT]) -> dict[str, type[ModelT]]:
    found = {}
    for value in vars(module).values():
        if isinstance(value, type) and issubclass(value, base) and value.__module__ == module.__name__:
            name = _kind_name(value)
            if name is not None:
                found[name] = value
    return found


@cache
def find_kinds(package: str, base: type[ModelT], group: str) -> Kinds[ModelT]:
    """All kinds in the folder of `package` and under the entry-point `group`.

    A third-party kind that fails to import is reported in `broken`; it never stops the others, and
    it cannot replace a built-in kind.
    """
    by_name: dict[str, type[ModelT]] = {}
    broken: dict[str, str] = {}
    folder = importlib.import_module(package)
    for entry in sorted(pkgutil.iter_modules(folder.__path__), key=lambda entry: entry.name):
        by_name.update(_classes_in(importlib.import_module(f"{package}.{entry.name}"), base))
    for point in entry_points(group=group):
        try:
            model = point.load()
            name = _kind_name(model) if issubclass(model, base) else None
        except Exception as error:
            broken[point.name] = f"{type(error).__name__}: {error}"
            continue
        if name is None:
            broken[point.name] = f"{point.value} is not a {base.__name__} with a `kind` of its own"
        elif name in by_name:
            broken[point.name] = f"the kind {name!r} exists already"
        else:
            by_name[name] = model
    return Kinds(by_name, broken)
