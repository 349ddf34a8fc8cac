"""Attempts come in by the door of an installation, and rules see them together with what others recorded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import yaml
from sqlalchemy import delete

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.records import AlertState, CollectionAttempt
from monitoring_pipeline.reports.alerts import AlertFilter
from monitoring_pipeline.store import tables

T0 = datetime(2026, 11, 30, 12, tzinfo=UTC)
RULE = {
    "kind": "metric", "metric": "collection.success", "aggregation": "avg", "window": "1h", "operator": "<",
    "threshold": 0.5,
}  # fmt: skip


class Installed:
    """An installation whose clock a test moves."""

    def __init__(self, path: Path) -> None:
        self.now = T0
        self.monitoring = Monitoring.open(path, clock=lambda: self.now)

    def at(self, minutes: float, *outcomes: bool) -> None:
        self.now = T0 + timedelta(minutes=minutes)
        self.monitoring.collection.record(
            [
                CollectionAttempt(f"{id(self)}-{minutes}-{n}", "loader", "orders", well, self.now, self.now)
                for n, well in enumerate(outcomes)
            ]
        )

    @property
    def fires(self) -> bool:
        return bool(self.monitoring.alerts(AlertFilter(states=(AlertState.FIRING,))))


def install(folder: Path) -> Path:
    path = folder / "monitoring.yaml"
    document = {
        "version": 1,
        "sources": [{"id": "orders", "checks": [{"kind": "tcp", "host": "127.0.0.1", "port": 9}]}],
        "collectors": {"loader": {"source": "orders"}},
        "rules": [{"id": "fails", "when": RULE}],
    }
    path.write_text(yaml.safe_dump(document))
    return path


def test_a_process_that_was_quiet_for_long_sees_what_others_recorded_and_loads_took_away(tmp_path: Path):
    path = install(tmp_path)
    one, other = Installed(path), Installed(path)
    one.at(0, True)
    other.at(10, *[False] * 9)
    assert other.fires
    other.monitoring.load_history()
    other.monitoring.publish_history()
    with other.monitoring.store.write() as connection:
        connection.execute(delete(tables.samples))
    one.at(20, True)
    assert one.fires  # 2 of 11 went well: it must not know of its own two alone
    one.at(21, *[True] * 20)
    assert not one.fires
    one.monitoring.close()
    other.monitoring.close()


def test_verdicts_are_told_to_rules(tmp_path: Path):
    path = install(tmp_path)
    document = yaml.safe_load(path.read_text())
    document["rules"] = [
        {
            "id": "verdict",
            "when": {
                "kind": "metric", "metric": "collection.status", "operator": ">=",
                "threshold": {"warning": 2, "critical": 3},
            },
        }
    ]  # fmt: skip
    path.write_text(yaml.safe_dump(document))
    found = Installed(path)
    assert found.monitoring.config.warnings == ()
    found.at(0, *[False] * 5)
    assert not found.fires
    assert [view.status.value for view in found.monitoring.collection.tell()] == ["critical"]
    assert found.fires
    found.monitoring.close()
