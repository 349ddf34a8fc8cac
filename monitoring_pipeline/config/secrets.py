"""Which values of a configuration must never be shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import Any, get_args
from urllib.parse import unquote

from pydantic import BaseModel, SecretStr

from monitoring_pipeline.config.nodes import Fields, Items, Node, Scalar
from monitoring_pipeline.config.validation import is_secret_key

__all__ = ["secrets_in_models", "secrets_in_nodes"]

_HARMLESS = re.compile(
    r"accept(-.*)?|cache-control|connection|content-(length|type)|host|if-.*|origin|range|referer|user-agent|.*-version",
    re.IGNORECASE,
)
"""Headers are kept as secrets, but covering the values of these would cover ordinary words everywhere."""
_URL_PASSWORD = re.compile(r"://[^/\s:@]*:([^/\s]+)@")


def secrets_in_nodes(nodes: Iterable[Node], *, beneath_secret_key: bool = False) -> Iterator[str]:
    """Passwords inside URLs, and what stands under keys such as `password` or `Authorization`."""
    for node in nodes:
        if isinstance(node, Fields):
            for key, value in node.values.items():
                hidden = beneath_secret_key or is_secret_key(key)
                if hidden or not isinstance(value, Scalar) or "://" in value.text:
                    yield from secrets_in_nodes((value,), beneath_secret_key=hidden)
        elif isinstance(node, Items):
            yield from secrets_in_nodes(node.items, beneath_secret_key=beneath_secret_key)
        elif isinstance(node.value, bool):
            continue
        elif beneath_secret_key and node.text:
            yield node.text
            yield node.text.removeprefix("Bearer ").removeprefix("Basic ")
        elif isinstance(node.value, str) and "://" in node.value and "@" in node.value:
            for password in _URL_PASSWORD.findall(node.value):
                yield from (password, unquote(password))


def secrets_in_models(models: Iterable[BaseModel]) -> Iterator[str]:
    """The value of every SecretStr in these models, at any depth."""
    for model in models:
        for name in _secret_fields(type(model)):
            yield from _secrets_in(getattr(model, name))


def _secrets_in(value: Any) -> Iterator[str]:
    if isinstance(value, SecretStr):
        yield value.get_secret_value()
    elif isinstance(value, BaseModel):
        yield from secrets_in_models((value,))
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            if not _HARMLESS.fullmatch(str(key)):
                yield from _secrets_in(inner)
    elif isinstance(value, (list, tuple, set, frozenset)):
        for inner in value:
            yield from _secrets_in(inner)


@cache
def _secret_fields(model: type[BaseModel]) -> tuple[str, ...]:
    return tuple(name for name, info in model.model_fields.items() if _may_hold_secret(info.annotation))


def _may_hold_secret(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, SecretStr):
        return True
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_secret_fields(annotation))
    return any(_may_hold_secret(part) for part in get_args(annotation))
