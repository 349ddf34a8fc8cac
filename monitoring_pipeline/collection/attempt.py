"""What a collector says of one attempt, and the line of JSON it travels as. Standard library only."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from typing import Any

__all__ = ["MOST_ERROR", "CollectionResult", "check_type_of", "line_of", "result_of"]

MOST_ERROR = 2_000
_MOST_TAGS, _MOST_TAG, _MOST_NAME = 20, 200, 200
_CHECK_TYPES = frozenset({"connectivity", "parsing", "schema", "performance"})
_PARSING = ("json.decoder.JSONDecodeError", "_csv.Error", "xml.etree.ElementTree.ParseError", "yaml.error.YAMLError")


@dataclass(slots=True)
class CollectionResult:
    """How one attempt to collect went.

    `source` is the monitored source it read from; empty for the one the configuration names for the collector.
    `rows`, `bytes`, `duration_ms` and `quality` (0-100) stay None where nobody knows them. `check_type` says which
    part of collecting it tells of (connectivity, parsing, schema, performance); empty for all of it. `started` and
    `finished` are aware datetimes; `finished` is now by default, `started` follows from the duration.
    """

    success: bool = True
    source: str = ""
    rows: int | None = None
    bytes: int | None = None
    duration_ms: float | None = None
    quality: float | None = None
    error: str = ""
    check_type: str = ""
    started: datetime | None = None
    finished: datetime | None = None
    tags: Mapping[str, str] = field(default_factory=dict)

    def fail(self, error: BaseException | str) -> None:
        """Makes it a failure; an exception also says, where that is plain, which part failed."""
        self.success = False
        if isinstance(error, BaseException):
            self.check_type = self.check_type or check_type_of(error)
            error = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        self.error = error


_NAMES = frozenset(each.name for each in fields(CollectionResult))


def result_of(given: object) -> CollectionResult:
    """A CollectionResult of what a caller has: one, a mapping of its fields, True or False, or an exception.

    Raises TypeError for anything else, and for fields that do not exist.
    """
    if isinstance(given, CollectionResult):
        return given
    if isinstance(given, bool):
        return CollectionResult(given)
    if isinstance(given, BaseException):
        result = CollectionResult()
        result.fail(given)
        return result
    if isinstance(given, Mapping):
        unknown = given.keys() - _NAMES
        if unknown:
            raise TypeError(f"a collection result has no {', '.join(sorted(map(str, unknown)))}")
        return CollectionResult(**{"success": not given.get("error"), **given})
    raise TypeError(f"a collection result is a CollectionResult, a mapping, a bool or an exception, not {given!r:.100}")


def check_type_of(error: BaseException) -> str:
    """Which part of collecting an exception tells of; empty where it may be any."""
    if isinstance(error, (ConnectionError, TimeoutError)):
        return "connectivity"
    if isinstance(error, UnicodeDecodeError):
        return "parsing"
    # By name, so that nothing has to be imported only to be compared with.
    names = {f"{each.__module__}.{each.__qualname__}" for each in type(error).__mro__}
    return "parsing" if names.intersection(_PARSING) else ""


def line_of(collector: str, result: CollectionResult) -> bytes:
    """One attempt as a JSON object in one line, with a new key. Raises TypeError or ValueError for nonsense."""
    finished = datetime.now(UTC) if result.finished is None else result.finished
    document: dict[str, Any] = {
        "key": os.urandom(16).hex(), "collector": _name(collector), "success": bool(result.success),
        "finished": _iso(finished),
    }  # fmt: skip
    if result.source:
        document["source"] = _name(result.source)
    if result.started is not None:
        document["started"] = _iso(result.started)
    if result.check_type:
        document["check_type"] = _check_type(result.check_type)
    for name, kind in (("rows", int), ("bytes", int), ("duration_ms", float), ("quality", float)):
        value = getattr(result, name)
        if value is not None:
            document[name] = kind(value)
    if result.error:
        document["error"] = str(result.error)[:MOST_ERROR]
    if result.tags:
        document["tags"] = _tags(result.tags)
    # No NaN: it is no JSON, and the server would refuse it.
    return json.dumps(document, separators=(",", ":"), allow_nan=False).encode()


def _name(text: str) -> str:
    text = str(text).strip()
    if not text or len(text) > _MOST_NAME:
        raise ValueError(f"a name has 1 to {_MOST_NAME} characters")
    return text


def _check_type(text: str) -> str:
    if text not in _CHECK_TYPES:
        raise ValueError(f"{text!r:.100} is not a check type; known are {', '.join(sorted(_CHECK_TYPES))}")
    return str(text)


def _tags(tags: Mapping[str, str]) -> dict[str, str]:
    return {str(name)[:_MOST_TAG]: str(value)[:_MOST_TAG] for name, value in list(tags.items())[:_MOST_TAGS]}


def _iso(moment: datetime) -> str:
    return (moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment).isoformat()
