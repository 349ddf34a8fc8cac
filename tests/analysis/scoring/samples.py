"""A few series in a real store, with spikes, and a way to score them in any number of pieces."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
from sqlalchemy import select

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.checkpoints import FileCheckpoints
from monitoring_pipeline.analysis.scoring.online import Scoring, Troubled
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.results import insert_samples
from monitoring_pipeline.store.tables import events, samples

T0 = datetime(2026, 3, 2, tzinfo=UTC)
INTERVAL = timedelta(hours=1)
LATER = T0 + timedelta(days=30)
"""After all that is recorded."""
Row = tuple[object, ...]


def nobody(connection: object, now: datetime) -> dict[str, str]:
    return {}


@dataclass
class Bench:
    """A store, its checkpoints, and a clock that follows the samples."""

    store: OperationalStore
    folder: Path
    spec: AnalysisSpec
    troubled: Troubled = nobody

    def scoring(self) -> Scoring:
        checkpoints = FileCheckpoints(self.folder / "scoring.state")
        return Scoring(self.store, self.spec, Calendar(), checkpoints, troubled=self.troubled)

    def record(self, found: list[Sample]) -> None:
        with self.store.write() as connection:
            insert_samples(connection, found)

    def told(self, since: datetime = T0) -> list[Row]:
        """What was recorded of scores since a moment, in order."""
        with self.store.read() as connection:
            query = select(samples.c.source, samples.c.metric, samples.c.time, samples.c.value)
            query = query.where(samples.c.time >= to_us(since))
            rows = connection.execute(query.where(samples.c.metric.contains(".")).order_by(samples.c.id))
            return [tuple(row) for row in rows]

    def happened(self, *kinds: str, since: datetime = T0) -> list[Row]:
        """The events since a moment, in order."""
        with self.store.read() as connection:
            query = select(events.c.source, events.c.kind, events.c.at, events.c.severity, events.c.text)
            rows = connection.execute(query.where(events.c.at >= to_us(since)).order_by(events.c.id))
            return [tuple(row) for row in rows if not kinds or row.kind in kinds]


def batches(hours: int, sources: int = 3, seed: int = 1, spikes: tuple[int, ...] = ()) -> Iterator[list[Sample]]:
    """One sample an hour of each source: a day's wave and noise; at `spikes` the first source goes wild."""
    rng = np.random.default_rng(seed)
    for hour in range(hours):
        wave = 200 + 40 * np.sin(hour / 24 * 2 * np.pi)
        values = wave + 4 * rng.standard_normal(sources)
        if hour in spikes:
            values[0] += 400
        yield [
            Sample(f"source-{number}", "response_time_ms", T0 + hour * INTERVAL, float(value), "ms", "web")
            for number, value in enumerate(values)
        ]
