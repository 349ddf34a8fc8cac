"""Both stores with numbers in them, for tests of what is made of history."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

from monitoring_pipeline.store import rollups
from monitoring_pipeline.store.history import connect
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.rollups import DAY, LEVELS, Level
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.store.rows import write

START = datetime.fromisoformat("2026-03-22T00:00:00+00:00")
"""A Sunday: the second day begins a week."""
NOW = START + timedelta(days=5, hours=13, minutes=7, seconds=30)
Points = dict[str, list[tuple[datetime, float]]]


class House:
    """Both stores and the published copy, in a folder."""

    def __init__(self, folder: Path) -> None:
        self.store = OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", START)
        self.warehouse, self.published = folder / "warehouse.duckdb", folder / "published.duckdb"

    def write(self, points: Points, metric: str = "rows") -> None:
        rows = [
            {"source": source, "check_id": "web", "metric": metric, "time": round(at.timestamp() * 1e6), "value": value,
             "unit": "", "tags": "{}"}
            for source, listed in points.items() for at, value in listed
        ]  # fmt: skip
        write(self.store, "samples", rows)

    def roll_up(self, now: datetime = NOW) -> dict[str, int]:
        load_hot(self.store, self.warehouse, now)
        counts = rollups.roll_up(self.warehouse, now)
        publish(self.store, self.warehouse, self.published, now)
        return counts

    def series(self, level: Level, source: str | None = "a", now: datetime = NOW) -> list[dict[str, object]]:
        return self.answers([(level, source)], now)[0]

    def answers(self, asked: list[tuple[Level, str | None]], now: datetime = NOW) -> list[list[dict[str, object]]]:
        """What series of these levels and sources say."""
        with connect(self.store, self.published, now=now) as connection:
            return [
                rollups.series(connection, source, "rows", START - DAY.width, now, level=level)
                for level, source in asked
            ]

    def stored(self) -> dict[str, list[tuple[object, ...]]]:
        """All buckets, in an order of their own."""
        with open_warehouse(self.warehouse, NOW) as warehouse:
            tables = [table for level in LEVELS for table in (level.values, level.executions)]
            return {table: warehouse.execute(f"SELECT * FROM {table} ORDER BY ALL").fetchall() for table in tables}
