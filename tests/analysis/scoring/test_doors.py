"""The doors of `Monitoring` to anomaly scores, over real stores."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store.results import insert_samples
from monitoring_pipeline.store.tables import events, samples
from tests.analysis.scoring.samples import INTERVAL, T0, batches

HOURS = 24 * 18
SPIKES = (24 * 15 + 3, 24 * 16 + 7)
CONFIG = """
sources:
  - for_each: [{id: source-0}, {id: source-1}, {id: source-2}]
    id: "{id}"
    checks: [{kind: tcp, id: web, host: db.example.com, port: 5432}]
"""


class Days:
    """An installation whose clock the test moves."""

    def __init__(self, folder: Path, more: str = "") -> None:
        (folder / "monitoring.yaml").write_text(f'stores: {{directory: "{folder}/.busta"}}\n{CONFIG}{more}')
        self.now = T0
        self.monitoring = Monitoring.open(folder / "monitoring.yaml", lambda: self.now)
        self.monitoring.register()

    def measure(self, found: list[list[Sample]]) -> None:
        with self.monitoring.store.write() as connection:
            for hour in found:
                insert_samples(connection, hour)
        self.now = max(sample.time for sample in found[-1])


@pytest.fixture
def days(tmp_path: Path) -> Iterator[Days]:
    opened = Days(tmp_path)
    yield opened
    opened.monitoring.close()


def scored(monitoring: Monitoring) -> dict[tuple[str, int], float]:
    """The scores that were recorded as samples came, by source and moment."""
    with monitoring.store.read() as connection:
        query = select(samples.c.source, samples.c.time, samples.c.value).where(samples.c.metric.startswith("anomaly."))
        return {(row.source, row.time): row.value for row in connection.execute(query)}


def test_history_scored_again_is_what_was_scored_as_it_came(days: Days) -> None:
    monitoring = days.monitoring
    monitoring.scoring.catch_up()
    found = list(batches(HOURS, spikes=SPIKES))
    for day in range(0, HOURS, 24):
        days.measure(found[day : day + 24])
        monitoring.scoring.catch_up()
        monitoring.load_history()
    online = scored(monitoring)
    monitoring.publish_history()
    facts = monitoring.scoring.score_span(T0, days.now + timedelta(seconds=1))
    monitoring.publish_history()
    with monitoring.history(tables=("samples",)) as history:
        batch = {
            (source, time): score
            for source, time, score in history.execute(
                "SELECT source, epoch_us(time), score FROM warehouse.scores"
            ).fetchall()
        }
    assert facts["alarms"] >= 1
    assert len(online) > HOURS
    assert {key: pytest.approx(value, rel=1e-6) for key, value in online.items()} == {key: batch[key] for key in online}


def test_a_day_of_which_nothing_is_known_has_no_scores(days: Days) -> None:
    monitoring = days.monitoring
    monitoring.load_history()
    monitoring.publish_history()
    none = monitoring.scoring.score_span(T0, T0 + timedelta(days=1))
    monitoring.scoring.catch_up()
    days.measure(list(batches(3)))
    monitoring.scoring.catch_up()
    monitoring.load_history()
    monitoring.publish_history()
    learning = monitoring.scoring.score_span(T0, T0 + timedelta(days=1))
    assert none == {"series": 0, "scores": 0, "alarms": 0}
    assert (learning["scores"], learning["alarms"]) == (0, 0)
    assert learning["series"] > 0


def test_a_stretch_that_somebody_excludes_is_not_learnt(days: Days) -> None:
    monitoring = days.monitoring
    monitoring.scoring.catch_up()
    high = tuple(range(24 * 14, 24 * 17))
    found = list(batches(HOURS, spikes=high))
    days.measure(found)
    monitoring.scoring.catch_up()
    monitoring.load_history()
    monitoring.publish_history()
    days.now = T0 + HOURS * INTERVAL
    monitoring.scoring.exclude(
        "source-0", T0 + 24 * 14 * INTERVAL, T0 + 24 * 17 * INTERVAL, author="ann", reason="a load test"
    )
    days.measure([[Sample("source-0", "response_time_ms", days.now, 600.0, "ms", "web")]])
    monitoring.scoring.catch_up()
    with monitoring.store.read() as connection:
        kinds = connection.execute(select(events.c.kind, events.c.text).order_by(events.c.id)).all()
    assert ("learning_excluded", "not learnt from 2026-03-16 00:00 to 2026-03-19 00:00 UTC, says ann: a load test") in [
        tuple(row) for row in kinds
    ]
    assert scored(monitoring)["source-0", max(time for _, time in scored(monitoring))] >= 3


def test_catching_up_ends_where_scoring_is_broken(days: Days, monkeypatch: pytest.MonkeyPatch) -> None:
    def broke(*_: object) -> None:
        raise RuntimeError("a disk that is no more")

    days.monitoring.scoring.catch_up()
    days.measure(list(batches(2)))
    with monkeypatch.context() as patched:
        patched.setattr("monitoring_pipeline.analysis.scoring.online.insert_samples", broke)
        assert days.monitoring.scoring.catch_up() == 0
    assert days.monitoring.scoring.catch_up() > 0
