"""The front door: attempts come in, are kept once each, and are judged, all in one transaction."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Protocol

from sqlalchemy import Connection

from monitoring_pipeline.collection.health import CollectorHealth
from monitoring_pipeline.collection.spec import CollectorSpec
from monitoring_pipeline.records import CollectionAttempt, Sample
from monitoring_pipeline.store.collections import insert_attempts
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.results import insert_samples

__all__ = ["Judge", "masked", "record", "samples_of", "verdicts_of"]

_HIDDEN = "***"


class Judge(Protocol):
    """Whoever draws conclusions from what was recorded, in the transaction that recorded it."""

    def judge(
        self, connection: Connection, touched: Collection[tuple[str, str]], changed: Collection[str], now: datetime
    ) -> bool:
        """`touched` are (source, check); `changed` sources whose status moved. Whether somebody has to be told."""


def record(
    store: OperationalStore, attempts: Sequence[CollectionAttempt], judge: Judge | None, now: datetime
) -> list[CollectionAttempt]:
    """Keeps the attempts that are new, with their samples, and judges them; answers which those were.

    Raises what the store raises; nothing was kept then.
    """
    with store.write() as connection:
        new = insert_attempts(connection, attempts)
        samples = [sample for attempt in new for sample in samples_of(attempt)]
        insert_samples(connection, samples)
        if judge is not None and samples:
            judge.judge(connection, {(sample.source, sample.check) for sample in samples}, (), now)
    return new


def samples_of(attempt: CollectionAttempt) -> list[Sample]:
    """The numbers of an attempt as samples of its source, measured by the collector: `collection.success` (1 or 0),
    `collection.rows`, `collection.bytes`, `collection.duration_ms` and `collection.quality` as far as it said.
    """
    tags = {"type": attempt.check.value} if attempt.check is not None else {}
    numbers = (
        ("success", float(attempt.success), ""),
        ("rows", attempt.rows, ""),
        ("bytes", attempt.bytes, "bytes"),
        ("duration_ms", attempt.duration_ms, "ms"),
        ("quality", attempt.quality, ""),
    )
    return [
        Sample(attempt.source, f"collection.{name}", attempt.at, value, unit, attempt.collector, tags)
        for name, value, unit in numbers
        if value is not None
    ]


def verdicts_of(views: Iterable[CollectorHealth], now: datetime) -> list[Sample]:
    """How collectors do as samples of their sources: `collection.status` (0 healthy, 1 unknown, 2 warning, 3 critical)
    and `collection.failure_rate` (percent, in the window that is judged) where anything was reported.
    """
    found = []
    for view in views:
        rate = view.window.failure_rate
        numbers = (("status", float(view.status.rank), ""), ("failure_rate", rate, "%"))
        found += [
            Sample(view.source, f"collection.{name}", now, value, unit, view.collector)
            for name, value, unit in numbers
            if value is not None
        ]
    return found


def masked(
    attempts: Iterable[CollectionAttempt],
    declared: Mapping[str, CollectorSpec],
    redact: Callable[[str], str] = str,
) -> list[CollectionAttempt]:
    """The attempts without what their collectors' masks hide, and without what `redact` takes out of every text."""
    return [_masked(attempt, declared.get(attempt.collector), redact) for attempt in attempts]


def _masked(attempt: CollectionAttempt, spec: CollectorSpec | None, redact: Callable[[str], str]) -> CollectionAttempt:
    if not attempt.error and not attempt.tags:
        return attempt
    masks = spec.masks if spec is not None else ()
    tags = {name: redact(_covered(value, masks)) for name, value in attempt.tags.items()}
    return replace(attempt, error=redact(_covered(attempt.error, masks)), tags=tags)


def _covered(text: str, masks: Iterable[str]) -> str:
    # One after the other: joined they would have to share their flags and the numbers of their groups.
    for mask in masks:
        text = re.sub(mask, _HIDDEN, text)
    return text
