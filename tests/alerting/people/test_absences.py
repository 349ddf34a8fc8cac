"""When sources were away for maintenance, as people planned and announced it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting.people.absences import Absences
from monitoring_pipeline.alerting.spec import MaintenanceSpec
from monitoring_pipeline.records import Source
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.silences import SilenceKind

NOW = datetime(2026, 5, 4, 12, tzinfo=UTC)
DB, API = Source("db", component="data"), Source("api", component="web")


def at(hour: float) -> datetime:
    return NOW + timedelta(hours=hour)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(f"sqlite:///{tmp_path}/operational.db", NOW)
    yield opened
    opened.close()


def announce(store: OperationalStore, kind: str = "maintenance", **values: Any) -> None:
    given = {"matchers": {"component": ["data"]}, "author": "eva", "reason": "disks", "now": NOW, **values}
    with store.write() as connection:
        silences.add(connection, SilenceKind(kind), given.pop("matchers"), **given)


def away(store: OperationalStore, source: Source = DB, *specs: MaintenanceSpec) -> list[tuple[float, float]]:
    found = Absences(store, specs)(source, at(-10), at(10))
    return [((begin - NOW) / timedelta(hours=1), (end - NOW) / timedelta(hours=1)) for begin, end in found]


def test_what_was_announced_beforehand_counts(store: OperationalStore) -> None:
    announce(store, starts=at(1), ends=at(3))
    assert away(store) == [(1, 3)]
    assert away(store, API) == []


def test_announcing_afterwards_helps_from_then_on_only(store: OperationalStore) -> None:
    announce(store, starts=at(-5), ends=at(2))
    announce(store, starts=at(-5), ends=at(-1))
    assert away(store) == [(0, 2)]


def test_without_an_end_it_lasts(store: OperationalStore) -> None:
    announce(store)
    assert away(store) == [(0, 10)]


def test_silences_and_what_is_about_single_checks_do_not_excuse_a_source(store: OperationalStore) -> None:
    announce(store, kind="silence", ends=at(1))
    announce(store, matchers={"source": ["db"], "check": ["web"]})
    assert away(store) == []


def test_windows_of_the_configuration_count(store: OperationalStore) -> None:
    spec = MaintenanceSpec.model_validate(
        {"name": "weekly", "sources": {"component": "data"}, "start": "2026-05-04T05:00", "end": "2026-05-04T06:00"}
    )
    assert away(store, DB, spec) == [(-7, -6)]
    assert away(store, API, spec) == []
