"""An installation with four weeks of history whose truth is known, made by SQL inside its warehouse."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from monitoring_pipeline.app import Monitoring
from monitoring_pipeline.store import marks
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.warehouse import literal, open_warehouse, transaction

__all__ = ["open_at", "write_history"]

DAYS = 28
CONFIG = """\
name: shop
stores: {directory: .busta}
sources:
  - id: files
    component: storage
    criticality: critical
    checks: [{id: machine, kind: resources, path: /, conditions: ["disk_percent < 95"]}]
  - id: api
    component: web
    checks: [{id: http, kind: http, url: "http://127.0.0.1:9/"}]
  - id: shop
    component: web
    depends_on: [api]
    checks: [{id: http, kind: http, url: "http://127.0.0.1:9/"}]
  - id: nightly
    component: jobs
    checks: [{id: done, kind: heartbeat, every: 1h}]
  - id: quiet
    component: jobs
    checks: [{id: done, kind: heartbeat, every: 1h}]
analysis: {limits: [{source: api, metric: response_time_ms, below: 500}]}
"""

# Every ten minutes: a disk that grows by a point a day and will be at 95 in about ten days, response times with a
# season, slower since yesterday on `shop`.
_SAMPLES = """
    SELECT * FROM (
        SELECT 'files' AS source, 'machine' AS check_id, 'disk_percent' AS metric, moment AS time,
               85 - {span} / 86400 + age / 86400 + sin(age / 13751) / 5 AS value, '%' AS unit, '{{}}' AS tags FROM steps
        UNION ALL
        SELECT 'files', 'machine', 'disk_percent', moment, 20 + sin(age * 7) / 9, '%', '{{"mount":"/data"}}' FROM steps
        UNION ALL
        SELECT 'api', 'http', 'response_time_ms', moment, 100 + 20 * sin(age / 13751) + 5 * sin(age * 3), 'ms', '{{}}'
        FROM steps
        UNION ALL
        SELECT 'shop', 'http', 'response_time_ms', moment,
               (100 + 20 * sin(age / 13751) + 5 * sin(age * 3)) * (CASE WHEN age > {span} - 86400 THEN 3 ELSE 1 END),
               'ms', '{{}}' FROM steps
        UNION ALL
        SELECT 'quiet', 'done', 'duration_ms', moment, 10, 'ms', '{{}}' FROM steps WHERE age > {span} - 7200
        UNION ALL
        SELECT 'api', 'http', 'anomaly.response_time_ms', moment, 1, '', '{{}}' FROM steps
    ) ORDER BY time
"""


def write_history(folder: Path, now: datetime) -> Path:
    """Writes monitoring.yaml and its stores: `nightly` fails at 02:10 UTC most nights, `shop` soon after `api`."""
    path = folder / "monitoring.yaml"
    path.write_text(CONFIG)
    with open_at(path, now) as monitoring:
        assert monitoring.config.stores.warehouse is not None
        _fill(monitoring.store, monitoring.config.stores.warehouse, now)
        publish(monitoring.store, monitoring.config.stores.warehouse, monitoring.config.published, now)
    return path


@contextmanager
def open_at(path: Path, now: datetime) -> Iterator[Monitoring]:
    """The installation, opened at a moment."""
    with closing(Monitoring.open(path, clock=lambda: now)) as monitoring:
        yield monitoring


def _fill(store: OperationalStore, path: Path, now: datetime) -> None:
    span = DAYS * 86400
    begin = now - timedelta(days=DAYS)
    with open_warehouse(path, now) as warehouse, transaction(warehouse):
        warehouse.execute(f"INSERT INTO origin VALUES ({literal(marks.store_id(store))})")
        warehouse.execute(
            f"CREATE TEMP TABLE steps AS SELECT {literal(begin)} + to_seconds(n * 600) AS moment, n * 600.0 AS age "
            f"FROM range({span // 600}) AS _(n)"
        )
        warehouse.execute(
            "INSERT INTO samples (id, source, check_id, metric, time, value, unit, tags) "
            f"SELECT row_number() OVER (ORDER BY time), source, check_id, metric, time, value, unit, tags "
            f"FROM ({_SAMPLES.format(span=float(span))})"
        )
        for number, (source, at, after) in enumerate(_changes(begin)):
            before = "healthy" if after == "critical" else "critical"
            row = f"{number}, '{source}', {literal(at)}, '{before}', '{after}', NULL, ''"
            warehouse.execute(f"INSERT INTO status_changes VALUES ({row})")
        warehouse.execute(
            "INSERT INTO results (id, source, check_id, kind, slot, started, finished, status, response_time_ms, "
            "attempts, message, details, skipped, manual) SELECT row_number() OVER (ORDER BY moment), source, 'http', "
            "'http', moment, moment, moment, CASE WHEN source = 'shop' AND age > "
            f"{span - 86400} AND age % 6000 = 0 THEN 'critical' ELSE 'healthy' END, 10, 1, '', '{{}}', NULL, false "
            "FROM steps, (VALUES ('api'), ('shop')) AS _(source) ORDER BY moment"
        )


def _changes(begin: datetime) -> list[tuple[str, datetime, str]]:
    found = [(source, begin - timedelta(days=1), "healthy") for source in ("files", "api", "shop", "nightly", "quiet")]
    midnight = begin.replace(hour=0, minute=0)
    for day in range(1, DAYS):
        if day % 6:
            at = midnight + timedelta(days=day, hours=2, minutes=10)
            found += [("nightly", at, "critical"), ("nightly", at + timedelta(minutes=5), "healthy")]
        if day % 3 == 0:
            at = midnight + timedelta(days=day, hours=(7 * day) % 23, minutes=(13 * day) % 60)
            found += [("api", at, "critical"), ("api", at + timedelta(minutes=20), "healthy")]
            at += timedelta(minutes=4)
            found += [("shop", at, "critical"), ("shop", at + timedelta(minutes=20), "healthy")]
    return sorted(found, key=lambda each: each[1])
