"""An attempt under way: as a context around the work, or as a decorator of the function that does it."""

from __future__ import annotations

import contextlib
import functools
import inspect
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import TracebackType
from typing import Any

from monitoring_pipeline.collection.attempt import CollectionResult, result_of

__all__ = ["Collecting", "Counter", "decorated"]

Counter = Callable[[Any], int]
"""Counts the rows in what a collector's function returns."""


class Collecting:
    """One attempt under way. Entering gives its CollectionResult to fill in; an exception makes it a failure.

    `report` gets the result at the end; `known` are fields of it that are known before.
    """

    def __init__(self, report: Callable[[object], None], known: Mapping[str, Any]) -> None:
        self._report, self._known = report, known
        self._began = 0.0
        self._result = CollectionResult()

    def __enter__(self) -> CollectionResult:
        try:
            self._result = result_of(dict(self._known))
        except Exception:
            # Reported as it is, to be logged: a misspelt field must not stop the collector.
            self._report(self._known)
            self._result = CollectionResult()
        self._result.started = datetime.now(UTC)
        self._began = time.perf_counter()
        return self._result

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        result = self._result
        if result.duration_ms is None:
            result.duration_ms = (time.perf_counter() - self._began) * 1000
        if error is not None and not _is_calm(error):
            result.fail(error)
        self._report(result)

    async def __aenter__(self) -> CollectionResult:
        return self.__enter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.__exit__(kind, error, trace)


def _is_calm(error: BaseException) -> bool:
    """Whether an exception is just a way to leave: who reads a generator has enough, or the program ends well."""
    return isinstance(error, GeneratorExit) or (isinstance(error, SystemExit) and error.code in (None, 0))


def decorated(begin: Callable[[], Collecting], rows: Counter | None, function: Any) -> Any:
    """`function` with an attempt around every call: until it returns, or until its generator ends."""
    if inspect.isasyncgenfunction(function) or inspect.isgeneratorfunction(function):
        return functools.wraps(function)(_generator(begin, function))
    return functools.wraps(function)(_function(begin, rows, function))


def _function(begin: Callable[[], Collecting], rows: Counter | None, function: Any) -> Any:
    async def call_async(*args: Any, **kwargs: Any) -> Any:
        with begin() as result:
            return _counted(result, rows, await function(*args, **kwargs))

    def call(*args: Any, **kwargs: Any) -> Any:
        with begin() as result:
            return _counted(result, rows, function(*args, **kwargs))

    return call_async if inspect.iscoroutinefunction(function) else call


def _generator(begin: Callable[[], Collecting], function: Any) -> Any:
    async def each_async(*args: Any, **kwargs: Any) -> Any:
        with begin():
            async with contextlib.aclosing(function(*args, **kwargs)) as values:
                async for value in values:
                    yield value

    def each(*args: Any, **kwargs: Any) -> Any:
        with begin():
            return (yield from function(*args, **kwargs))

    return each_async if inspect.isasyncgenfunction(function) else each


def _counted(result: CollectionResult, rows: Counter | None, value: Any) -> Any:
    if rows is not None and result.rows is None:
        with contextlib.suppress(Exception):  # counting is ours: the collector did its work
            result.rows = rows(value)
    return value
