"""Recording what was found: one transaction, events of changed columns, scores of suites and of their source."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.clock import Clock
from monitoring_pipeline.errors import CheckError, NotFound
from monitoring_pipeline.quality import Dimension, Finding, Measurement
from monitoring_pipeline.quality.outcome import ColumnProfile, Examination, Profile
from monitoring_pipeline.quality.run import Look
from monitoring_pipeline.records import CollectionAttempt, QualityRun, Severity, Status
from monitoring_pipeline.store.quality import latest_runs

CONFIG = """\
channels: {chat: {kind: slack, webhook_url: "https://hooks.example.com/T0-hunter2"}}
sources:
  - {id: orders}
  - {id: stock}
suites:
  rows: {source: orders, validator: "tests.quality.validators:Nightly", every: 1h}
  sums: {source: orders, validator: "tests.quality.validators:Nightly", every: 1h}
  off: {source: stock, validator: "tests.quality.validators:Nightly", enabled: false}
  late: {source: stock, reported: true, cron: "0 6 * * *", enabled: false}
rules:
  - {id: poor, when: {kind: quality, threshold: {warning: 95, critical: 80}}}
  - {id: changed, when: {kind: metric, metric: schema_changes, threshold: 0}, severity: warning}
"""
START = datetime(2026, 11, 30, 12, tzinfo=UTC)


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Hands:
    return Hands()


@pytest.fixture
def monitoring(tmp_path: Path, clock: Clock) -> Iterator[Monitoring]:
    (tmp_path / "monitoring.yaml").write_text(CONFIG)
    monitoring = Monitoring.open(tmp_path / "monitoring.yaml", clock)
    yield monitoring
    monitoring.close()


def finding(met: bool | None, dimension: Dimension = Dimension.VALIDITY, **fields: Any) -> Finding:
    share = None if met is None else float(met)
    return Finding(f"{dimension.value} {met}", "t", "found so", met, dimension, share=share, **fields)


def looked(monitoring: Monitoring, suite: str, found: Examination, source: str = "orders") -> QualityRun:
    """Records it as the suite's run would."""
    now = monitoring.clock()
    return monitoring.quality._record(Look(suite, source, now - timedelta(seconds=5), now, found))


def samples(monitoring: Monitoring, metric: str) -> list[tuple[str, float]]:
    """Check and value of the samples of a metric, in the order in which they were recorded."""
    with monitoring.history(tables=("samples",)) as connection:
        query = f"SELECT check_id, value FROM samples WHERE metric = '{metric}' ORDER BY id"
        return connection.execute(query).fetchall()


def events(monitoring: Monitoring) -> list[tuple[str, str, str]]:
    with monitoring.history(tables=("events",)) as connection:
        return connection.execute("SELECT kind, severity, text FROM events ORDER BY id").fetchall()


def test_a_run_is_kept_with_its_scores(monitoring: Monitoring) -> None:
    found = Examination((finding(True), finding(False, Dimension.COMPLETENESS), finding(None)), rows=10)
    run = looked(monitoring, "rows", found)
    with monitoring.store.read() as connection:
        assert latest_runs(connection) == [run]
    assert (run.status, run.score, run.failed, run.errors, run.expectations) == (Status.CRITICAL, 50.0, 1, 1, 3)
    assert run.dimensions == {"completeness": 0.0, "validity": 100.0}
    assert run.message == "completeness False: found so; validity None: found so"
    assert samples(monitoring, "rows") == [("rows", 10.0)]
    assert samples(monitoring, "expectations_failed") == [("rows", 1.0)]


def test_the_score_of_a_source_is_that_of_its_newest_runs(monitoring: Monitoring) -> None:
    looked(monitoring, "rows", Examination((finding(True),)))
    looked(monitoring, "sums", Examination((finding(False),)))
    assert samples(monitoring, "quality") == [("rows", 100.0), ("", 100.0), ("sums", 0.0), ("", 50.0)]
    looked(monitoring, "rows", Examination((finding(False),)))
    assert samples(monitoring, "quality")[-1] == ("", 0.0)


def test_what_is_not_known_has_no_score(monitoring: Monitoring) -> None:
    run = looked(monitoring, "rows", Examination((finding(None),)))
    assert (run.status, run.score) == (Status.UNKNOWN, None)
    broken = looked(monitoring, "sums", Examination(problem="nobody answers"))
    assert (broken.status, broken.score, broken.message) == (Status.UNKNOWN, None, "nobody answers")
    assert samples(monitoring, "quality") == []
    assert samples(monitoring, "expectations_unknown") == [("rows", 1.0), ("sums", 0.0)]


def test_not_knowing_neither_raises_nor_ends_an_alert(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "rows", Examination((finding(False),)))
    for found in (Examination(problem="away"), Examination((finding(None),))):
        clock.now += timedelta(hours=1)
        looked(monitoring, "rows", found)
    looked(monitoring, "sums", Examination((finding(True),)))
    assert samples(monitoring, "quality_status") == [("", 3.0)] * 4
    assert [value for check, value in samples(monitoring, "quality") if not check] == [0.0, 0.0, 0.0, 50.0]
    assert [alert.rule for alert in alerts(monitoring)] == ["poor"]


def schema(**types: str) -> Examination:
    return Examination((finding(True),), rows=1, schema=types)


def test_changed_columns_are_events_and_numbers(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "rows", schema(id="INT", price="INT", note="TEXT"))
    assert events(monitoring) == []
    clock.now += timedelta(hours=1)
    run = looked(monitoring, "rows", schema(id="INT", price="DOUBLE", paid="BOOL"))
    assert events(monitoring) == [
        ("schema_drift", "info", "column paid (BOOL) was added"),
        ("schema_drift", "warning", "column note (TEXT) was removed"),
        ("schema_drift", "warning", "column price is DOUBLE now, it was INT"),
    ]
    assert run.profile["changes"] == [text for _, _, text in events(monitoring)]
    assert [value for _, value in samples(monitoring, "schema_changes")] == [0.0, 3.0]
    with monitoring.store.read() as connection:
        assert {alert.rule for alert in alerts(monitoring)} == {"changed"}
        assert connection is not None


def alerts(monitoring: Monitoring) -> list[Any]:
    from monitoring_pipeline.reports.alerts import AlertFilter

    return [view.alert for view in monitoring.alerts(AlertFilter())]


def test_a_look_that_saw_no_columns_makes_none_new(monitoring: Monitoring, clock: Hands) -> None:
    for found in (schema(id="INT"), Examination(problem="away"), schema(id="INT")):
        looked(monitoring, "rows", found)
        clock.now += timedelta(hours=1)
    assert events(monitoring) == []


def test_rules_are_judged_in_the_same_transaction(monitoring: Monitoring) -> None:
    looked(monitoring, "rows", Examination((finding(False),)))
    (alert,) = alerts(monitoring)
    assert (alert.rule, alert.source, alert.severity, alert.value) == ("poor", "orders", Severity.CRITICAL, 0.0)


def test_nothing_is_kept_of_a_run_that_could_not_be_recorded(
    monitoring: Monitoring, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any) -> None:
        raise RuntimeError("killed here")

    monkeypatch.setattr("monitoring_pipeline.quality.run.insert_events", fail)
    with pytest.raises(RuntimeError):
        looked(monitoring, "rows", schema(id="INT"))
    with monitoring.store.read() as connection:
        assert latest_runs(connection) == []
    assert samples(monitoring, "rows") == []
    assert "rows" in monitoring.quality.due()


def test_columns_become_numbers(monitoring: Monitoring) -> None:
    columns = (ColumnProfile("price", "INT", 5, 3, 1, 9), ColumnProfile("note", "TEXT", 0, 2, "a", "b"))
    profile = Profile(50, columns, START - timedelta(minutes=10))
    looked(monitoring, "rows", Examination(rows=50, examined=50, profile=profile))
    expected = {"nulls.price": 10.0, "distinct.price": 3.0, "min.price": 1.0, "max.price": 9.0, "nulls.note": 0.0}
    for metric, value in (expected | {"freshness_s": 600.0}).items():
        assert samples(monitoring, metric) == [("rows", value)]
    assert samples(monitoring, "min.note") == []


def test_suites_are_due_when_their_time_came(monitoring: Monitoring, clock: Hands) -> None:
    assert monitoring.quality.due() == ["rows", "sums"]
    looked(monitoring, "rows", schema(id="INT"))
    assert monitoring.quality.due() == ["sums"]
    clock.now += timedelta(hours=1)
    assert monitoring.quality.due() == ["rows", "sums"]


def test_what_others_report_shows_no_secret_of_ours(monitoring: Monitoring) -> None:
    text = "it says https://hooks.example.com/T0-hunter2"
    run = monitoring.quality.push("stock", Measurement(findings=[Finding("chat", "chat", text, met=False)]))
    attempt = CollectionAttempt("key-00001", "loader", "stock", False, START, START, error=text, tags={"said": text})
    (kept,) = monitoring.collection.record([attempt])
    assert "hunter2" not in f"{run} {kept}"
    assert (run.findings[0]["text"], kept.error, kept.tags) == ("it says ***", "it says ***", {"said": "it says ***"})


def test_what_should_have_been_looked_at_again_makes_no_score(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "sums", Examination(scores={Dimension.VALIDITY: 100.0}))
    looked(monitoring, "rows", Examination(scores={Dimension.VALIDITY: 50.0}))
    clock.now += timedelta(hours=5)
    looked(monitoring, "rows", Examination(scores={Dimension.VALIDITY: 50.0}))
    assert [value for check, value in samples(monitoring, "quality") if not check] == [100.0, 75.0, 50.0]


def test_a_clock_that_went_back_makes_a_suite_due_once(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "rows", schema(id="INT"))
    clock.now -= timedelta(days=1)
    assert "rows" in monitoring.quality.due()
    looked(monitoring, "rows", schema(id="INT"))
    assert monitoring.quality.due() == ["sums"]


def test_a_suite_that_runs_no_more_is_unknown(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "rows", schema(id="INT"))
    assert [view.status for view in monitoring.quality.views()] == [Status.HEALTHY, Status.UNKNOWN]
    clock.now += timedelta(hours=3)
    rows = monitoring.quality.views()[0]
    assert (rows.status, rows.reason, rows.overdue) == (Status.UNKNOWN, "its last run is 3h old", True)
    assert monitoring.quality.of_source("orders").score is None


def test_what_others_report_no_more_is_unknown_and_then_forgotten(monitoring: Monitoring, clock: Hands) -> None:
    monitoring.quality.push("stock", Measurement({"completeness": 80.0}), "nightly")
    clock.now += timedelta(hours=35)
    assert monitoring.quality.of_source("stock").score == 80.0
    clock.now += timedelta(hours=3)
    stock = monitoring.quality.of_source("stock")
    assert (stock.status, stock.score, stock.suites[0].reason) == (Status.UNKNOWN, None, "it was reported 1d14h ago")
    clock.now += timedelta(days=30)
    assert monitoring.quality.of_source("stock").suites == ()


def test_a_finding_without_words_is_told_all_the_same(monitoring: Monitoring) -> None:
    found = [Finding("emails", "t", "", met=False), Finding("ids", "t", "", met=None)]
    run = monitoring.quality.push("orders", Measurement(findings=found))
    assert run.message == "emails: it is not met; ids: it could not be judged"


def test_what_others_report_counts_until_it_holds_no_more(monitoring: Monitoring, clock: Hands) -> None:
    looked(monitoring, "rows", Examination((finding(True),)))
    monitoring.quality.push("orders", Measurement(findings=[finding(False)]), "soda")
    looked(monitoring, "rows", Examination((finding(True),)))
    clock.now += timedelta(hours=37)
    looked(monitoring, "rows", Examination((finding(True),)))
    assert [value for check, value in samples(monitoring, "quality") if not check] == [100.0, 50.0, 50.0, 100.0]
    assert [value for _, value in samples(monitoring, "quality_status")] == [0.0, 3.0, 3.0, 0.0]


def test_a_suite_that_was_taken_out_of_the_configuration_is_gone(monitoring: Monitoring) -> None:
    looked(monitoring, "rows", Examination((finding(True),)))
    looked(monitoring, "renamed since", Examination((finding(False),)))
    assert [view.suite for view in monitoring.quality.views()] == ["rows", "sums"]
    looked(monitoring, "rows", Examination((finding(True),)))
    assert samples(monitoring, "quality_status")[-1] == ("", 0.0)


def test_what_others_measured_is_taken(monitoring: Monitoring) -> None:
    measurement = Measurement({"completeness": 80.0}, [finding(False, severity=Severity.WARNING)], {"late": 3}, rows=7)
    run = monitoring.quality.push("stock", measurement, "nightly")
    assert (run.status, run.score, run.rows) == (Status.WARNING, 40.0, 7)
    assert samples(monitoring, "late") == [("nightly", 3.0)]
    (suite,) = monitoring.quality.of_source("stock").suites
    assert (suite.suite, suite.spec) == ("nightly", None)
    with pytest.raises(NotFound, match="did you mean 'stock'"):
        monitoring.quality.push("stok", measurement)
    with pytest.raises(CheckError):
        monitoring.quality.push("stock", replace(measurement, scores={"validity": 101.0}))


def test_a_key_is_known_when_its_run_has_moved_into_history_and_forgotten_with_it(
    monitoring: Monitoring, clock: Hands
) -> None:
    first = monitoring.quality.push("stock", Measurement({"completeness": 80.0}), "nightly", "run-0001")
    monitoring.quality.push("stock", Measurement({"completeness": 90.0}), "nightly", "run-0002")
    clock.now += timedelta(days=30)
    for _ in range(2):
        monitoring.load_history()
        monitoring.publish_history()
    assert monitoring.expire()["quality_runs"] == 1
    assert monitoring.quality.push("stock", Measurement({"completeness": 0.0}), "nightly", "run-0001") == first
    clock.now += timedelta(days=400)
    assert monitoring.expire()["quality_keys"] == 2


def test_a_suite_that_is_reported_never_runs_here(monitoring: Monitoring, clock: Hands) -> None:
    with pytest.raises(CheckError, match="'late' is reported by others"):
        monitoring.quality.named(["late"])
    assert "late" not in [
        *monitoring.quality.named(["stock"]),
        *monitoring.quality.named([]),
        *monitoring.quality.due(),
    ]


def test_one_broken_suite_stops_no_other(monitoring: Monitoring, tmp_path: Path) -> None:
    text = CONFIG.replace(
        'rows: {source: orders, validator: "tests.quality.validators:Nightly"',
        'rows: {source: orders, validator: "tests.quality.validators:Moody", arguments: {mood: crashes}',
    )
    (tmp_path / "monitoring.yaml").write_text(text)
    broken = Monitoring.open(tmp_path / "monitoring.yaml")
    told: list[str] = []
    runs = broken.quality.run(["rows", "sums"], on_begin=told.append, on_end=lambda run: told.append(run.status))
    broken.close()
    assert [run.status for run in runs] == [Status.UNKNOWN, Status.CRITICAL]
    assert told == ["rows", "unknown", "sums", "critical"]
    with pytest.raises(NotFound):
        monitoring.quality.run(["nothing"])
