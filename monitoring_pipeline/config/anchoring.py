"""Relative paths of checks and calendars count from the configuration's folder, whatever folder a run starts in."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, SecretStr

__all__ = ["absolute", "anchored", "anchored_url"]

ModelT = TypeVar("ModelT", bound=BaseModel)
_IN_FILES = ("sqlite:///", "duckdb:///")


def absolute(path: Path, folder: Path) -> Path:
    """The path counted from `folder`; `~` is the home folder where there is one."""
    try:
        return folder / path.expanduser()
    except RuntimeError:  # ~nobody-we-know
        return folder / path


def anchored_url(url: str, folder: Path) -> str:
    """The URL of a database in a file with its path counted from `folder`; any other URL as it is."""
    for scheme in _IN_FILES:
        path = url.removeprefix(scheme)
        if path != url and path and not path.startswith(("/", ":", "file:")):
            return f"{scheme}{folder / path}"
    return url


def anchored(spec: ModelT, folder: Path) -> ModelT:
    """The check (rota, channel ...) with its relative paths made absolute: `Path` fields, `path` (a pattern, say),
    the URLs of databases in files, and all these of its `table`. `~` is the home folder."""
    changed: dict[str, Any] = {}
    path, url, table = (getattr(spec, name, None) for name in ("path", "url", "table"))
    if isinstance(table, BaseModel):
        changed["table"] = anchored(table, folder)
    if isinstance(path, str):
        changed["path"] = str(absolute(Path(path), folder))
    if isinstance(url, SecretStr) and url.get_secret_value().startswith(_IN_FILES):
        changed["url"] = SecretStr(anchored_url(url.get_secret_value(), folder))
    for name in _path_fields(type(spec)):
        value = getattr(spec, name)
        if isinstance(value, Path):
            changed[name] = absolute(value, folder)
        elif isinstance(value, tuple):
            changed[name] = tuple(absolute(part, folder) if isinstance(part, Path) else part for part in value)
    return spec.model_copy(update=changed) if changed else spec


@cache
def _path_fields(kind: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name, info in kind.model_fields.items() if _names_path(info.annotation))


def _names_path(annotation: Any) -> bool:
    return annotation is Path or any(_names_path(part) for part in get_args(annotation))
