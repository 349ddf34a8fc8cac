"""Backtests: history through the very evaluator that judges live, and what comes out of it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.alerting.rules.backtest import Backtest, Incident, backtest
from monitoring_pipeline.alerting.rules.backtest_plot import backtest_png
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Result, Sample, Severity, Source, Status
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.results import insert_results, insert_samples
from monitoring_pipeline.store.states import insert_changes

START = datetime(2026, 3, 1, tzinfo=UTC)
ORDERS, MAIL = Source("orders"), Source("mail")
CHECKS = {"orders": ["http"], "mail": ["http"]}


class Past:
    """A history, written minute by minute, partly in the warehouse and partly hot."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = OperationalStore.open(f"sqlite:///{folder}/operational.db", START)
        self.published = folder / "published" / "warehouse.duckdb"
        self.now = START

    def minutes(self, source: str, values: list[float], status: Status = Status.HEALTHY, begin: int = 0) -> None:
        with self.store.write() as connection:
            for number, value in enumerate(values):
                at = START + timedelta(minutes=begin + number)
                insert_samples(connection, [Sample(source, "response_time_ms", at, value, "ms", "http")])
                result = Result(source, "http", "http", at, at, at, status, response_time_ms=value)
                insert_results(connection, [result])
                self.now = max(self.now, at)

    def status(self, source: str, minute: float, after: Status) -> None:
        with self.store.write() as connection:
            insert_changes(connection, [{
                "source": source, "at": to_us(START + timedelta(minutes=minute)), "before": "unknown",
                "after": after.value, "score": None, "reason": "refused",
            }])  # fmt: skip

    def load(self) -> None:
        load_hot(self.store, self.folder / "warehouse.duckdb", self.now)
        publish(self.store, self.folder / "warehouse.duckdb", self.published, self.now)

    def replay(self, sources: list[Source] | None = None, **fields: Any) -> Backtest:
        incidents = fields.pop("incidents", None)
        rule = Rule.model_validate({"id": "r", "flapping": None, **fields})
        return backtest(
            rule, sources or [ORDERS], CHECKS, self.store, self.published, START - timedelta(minutes=1),
            lambda: self.now, incidents=incidents,
        )  # fmt: skip


@pytest.fixture
def history(tmp_path: Path):
    past = Past(tmp_path)
    yield past
    past.store.close()


SLOW = {
    "kind": "metric", "metric": "response_time_ms", "aggregation": "avg", "window": "3m",
    "threshold": {"warning": 300, "critical": 800},
}  # fmt: skip


def test_it_finds_the_alerts_that_would_have_been(history: Past) -> None:
    history.minutes("orders", [100.0] * 60)
    history.load()
    history.minutes("orders", [900.0] * 20 + [100.0] * 30, begin=60)
    found = history.replay(when=SLOW, **{"for": "2m"})
    (episode,) = found.episodes
    assert episode.severity is Severity.CRITICAL
    assert START + timedelta(minutes=62) <= episode.fired <= START + timedelta(minutes=64)
    assert START + timedelta(minutes=80) <= episode.resolved <= START + timedelta(minutes=83)
    assert "900" in episode.text or "ms" in episode.text
    assert found.firing_minutes == pytest.approx((episode.resolved - episode.fired) / timedelta(minutes=1))
    assert found.pages >= 1
    assert found.pages_per_week == pytest.approx(found.pages * 7 * 24 * 60 / 110, rel=0.02)


def test_a_longer_duration_would_have_kept_quiet(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 4 + [100.0] * 20)
    assert len(history.replay(when=SLOW, **{"for": "0s"}).episodes) == 1
    assert history.replay(when=SLOW, **{"for": "30m"}).episodes == ()


def test_status_rules_follow_the_status_of_then(history: Past) -> None:
    history.minutes("orders", [100.0] * 60)
    for minute, status in ((0, "healthy"), (10, "critical"), (15, "healthy"), (30, "critical"), (30.5, "healthy")):
        history.status("orders", minute, Status(status))
    found = history.replay(when={"kind": "status", "warning": None}, **{"for": "1m"})
    (episode,) = found.episodes
    assert (episode.fired, episode.resolved) == (START + timedelta(minutes=11), START + timedelta(minutes=15))
    assert episode.text == "status is critical: refused"


def test_alerts_are_held_against_what_really_happened(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 5 + [100.0] * 20 + [900.0] * 5 + [100.0] * 10)
    history.minutes("mail", [100.0] * 50)
    really = [
        Incident("orders", START + timedelta(minutes=9), START + timedelta(minutes=16)),
        Incident("mail", START + timedelta(minutes=9), START + timedelta(minutes=16)),
    ]
    found = history.replay([ORDERS, MAIL], when=SLOW, incidents=really)
    assert len(found.episodes) == 2
    assert found.precision == pytest.approx(0.5)
    assert found.recall == pytest.approx(0.5)


def test_without_incidents_the_critical_times_count(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 5 + [100.0] * 20)
    for minute, status in ((0, "healthy"), (10, "critical"), (15, "healthy")):
        history.status("orders", minute, Status(status))
    found = history.replay(when=SLOW)
    assert found.incidents == (Incident("orders", START + timedelta(minutes=10), START + timedelta(minutes=15)),)
    assert (found.precision, found.recall) == (1.0, 1.0)


def test_an_alert_that_would_still_fire_has_no_end(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 5)
    (episode,) = history.replay(when=SLOW).episodes
    assert episode.resolved is None


def test_shadow_rules_and_rules_that_are_off_can_be_tried(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 5)
    assert len(history.replay(when=SLOW, mode="shadow").episodes) == 1
    assert len(history.replay(when=SLOW, mode="off").episodes) == 1


def test_nothing_to_look_back_on_is_no_alert(history: Past) -> None:
    found = history.replay(when=SLOW)
    assert (found.episodes, found.precision, found.recall) == ((), None, None)


def test_it_can_be_drawn(history: Past) -> None:
    history.minutes("orders", [100.0] * 10 + [900.0] * 5 + [100.0] * 5)
    assert backtest_png(history.replay(when=SLOW)).startswith(b"\x89PNG")
    assert backtest_png(history.replay(when={"kind": "status"})).startswith(b"\x89PNG")
