"""`Monitoring`: configuration, stores and clock, built once by every surface.

    monitoring = Monitoring.open()          # BUSTA_CONFIG, or ./monitoring.yaml
    monitoring.serve(start, end)            # what the health-check run does
    monitoring.overview()                   # what the status page shows

Dagster, the API and the CLI call these doors and do nothing else.
"""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from monitoring_pipeline.clock import Clock, system_clock, to_us
from monitoring_pipeline.config import Config, Texts, keep_texts, kept_texts, load_config
from monitoring_pipeline.errors import ConfigError, NotFound
from monitoring_pipeline.records import Result, Sample, Source, SourceState
from monitoring_pipeline.store.operational import OperationalStore

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.alerting.delivery.channel import Sent
    from monitoring_pipeline.alerting.delivery.outbox import Drained
    from monitoring_pipeline.alerting.links import Links
    from monitoring_pipeline.alerting.run import Alerting, Facts
    from monitoring_pipeline.app.collection import Collecting
    from monitoring_pipeline.app.outlook import Outlook
    from monitoring_pipeline.app.quality import Quality
    from monitoring_pipeline.app.reporting import Reporting
    from monitoring_pipeline.app.scoring import ScoringDoors
    from monitoring_pipeline.app.sla import Sla
    from monitoring_pipeline.checks.judge import Judge
    from monitoring_pipeline.checks.run import Room, Served
    from monitoring_pipeline.reports import Overview
    from monitoring_pipeline.reports.alerts import AlertDetail, AlertFilter, AlertView
    from monitoring_pipeline.reports.channels import ChannelView
    from monitoring_pipeline.reports.explain import Step
    from monitoring_pipeline.reports.hindsight import SourceThen

__all__ = ["CONFIG_VARIABLE", "LAST_GOOD_VARIABLE", "Monitoring", "config_path"]

CONFIG_VARIABLE = "BUSTA_CONFIG"
LAST_GOOD_VARIABLE = "BUSTA_LAST_GOOD"
T = TypeVar("T")
_PICTURED = timedelta(hours=6)


def config_path(path: Path | None = None) -> Path:
    """The configuration file: the one given, else $BUSTA_CONFIG, else ./monitoring.yaml."""
    return path or Path(os.environ.get(CONFIG_VARIABLE) or "monitoring.yaml")


class Monitoring:
    """One installation, opened. Safe to use from several threads."""

    def __init__(self, config: Config, clock: Clock = system_clock) -> None:
        self.config = config
        self.clock = clock

    @classmethod
    def open(cls, path: Path | None = None, clock: Clock = system_clock) -> Monitoring:
        """Loads the configuration; stores are opened when first used. Raises ConfigError.

        Where $BUSTA_LAST_GOOD names what `keep_config` wrote, a configuration that cannot be used is
        replaced by that, with a warning: monitoring goes on while somebody edits.
        """
        path = config_path(path)
        try:
            return cls(load_config(path), clock)
        except ConfigError as error:
            kept = kept_texts(Path(os.environ[LAST_GOOD_VARIABLE])) if LAST_GOOD_VARIABLE in os.environ else None
            if kept is None:
                raise
            config = _last_good(path, kept, error)
            return cls(config, clock)

    def keep_config(self, path: Path) -> None:
        """Keeps this configuration, which is good, for the time when the files no longer are."""
        keep_texts(self.config.texts, path)

    @cached_property
    def store(self) -> OperationalStore:
        """The operational store, its schema up to date. Raises StoreError."""
        url = self.config.stores.operational
        assert url is not None  # noqa: S101 - the configuration resolved it
        return OperationalStore.open(url.get_secret_value(), self.clock())

    @cached_property
    def quality(self) -> Quality:
        """The doors of quality suites."""
        from monitoring_pipeline.app.quality import Quality

        return Quality(self)

    def close(self) -> None:
        """Closes what was opened."""
        if "quality" in self.__dict__:
            self.quality.close()
        if "store" in self.__dict__:
            self.store.close()

    @cached_property
    def scoring(self) -> ScoringDoors:
        """Doors to anomaly scores."""
        from monitoring_pipeline.app.scoring import ScoringDoors

        return ScoringDoors(self)

    # -- checks --------------------------------------------------------------------------------------

    def room(self, *, scored: bool = True, patient: bool = True) -> Room:
        """What the checks' front door needs. Without `scored`, samples wait for the next run to be scored; `patient`
        as in `ScoringDoors.judge`."""
        from monitoring_pipeline.checks.run import Room

        config = self.config
        judge: Judge | None = self.alerting() if config.alerting.spec.enabled else None
        if config.analysis.enabled and scored:
            judge = self.scoring.judge(judge, patient=patient)
        return Room(
            self.store, config.sources, config.checks, config.execution, self.clock, config.redact,
            config.fingerprint, judge,
        )  # fmt: skip

    def serve(self, start: datetime, end: datetime, tell: Callable[[list[SourceState]], None] | None = None) -> Served:
        """Serves all slots of a stretch of time; see `checks.run.serve`."""
        from monitoring_pipeline.checks.run import serve

        gc.freeze()  # what is loaded stays until this process ends: do not walk it again and again
        return _run(serve(self.room(patient=False), start, end, tell=tell))

    def check_now(self, keys: Sequence[str], on_result: Callable[[Result], None] | None = None) -> list[Result]:
        """Runs checks (`source/check`) now and records them."""
        from monitoring_pipeline.checks.run import check_now

        return _run(check_now(self.room(scored=False), keys, on_result=on_result))

    def register(self) -> None:
        """Writes the configuration's sources and checks into the operational store."""
        from monitoring_pipeline.checks.registry import register

        register(self.store, self.config.sources, self.config.checks, self.clock(), self.config.fingerprint)

    def told_sources(self) -> list[str]:
        """A few sources whose status was told before."""
        from monitoring_pipeline.store import states

        with self.store.read() as connection:
            return states.told_before(connection, 5)

    def tell_again(self) -> None:
        """Has every status told again: whoever was told has forgotten."""
        from monitoring_pipeline.store import states

        with self.store.write() as connection:
            states.forget_told(connection)

    # -- alerts --------------------------------------------------------------------------------------

    @cached_property
    def links(self) -> Links:
        """Links to alerts, for messages and pages. Raises StoreError."""
        from monitoring_pipeline.alerting.links import Links, link_secret

        return Links(self.api_url, link_secret(self.config.stores.directory))

    @property
    def check_ids(self) -> dict[str, list[str]]:
        """The ids of the checks of every source."""
        found: dict[str, list[str]] = {}
        for bound in self.config.checks:
            found.setdefault(bound.source.id, []).append(bound.check.id)
        return found

    def alerting(self) -> Alerting:
        """Rules, alerts and notifications, for one process at work."""
        from monitoring_pipeline.alerting.run import Alerting, Surroundings
        from monitoring_pipeline.alerting.world import World
        from monitoring_pipeline.app.logs import without_values

        without_values()
        config = self.config
        world = World(config.alerting, {source.id: source for source in config.sources}, self.links, config.name)
        around = Surroundings(
            self.store, self.clock, config.sources, self.check_ids, config.published, world, config.execution.networks,
            config.redact, self.series, config.fingerprint,
        )  # fmt: skip
        return Alerting(config.alerting, around)

    def report(self, samples: Sequence[Sample]) -> None:
        """Records numbers that no check measured, and judges them."""
        if samples:
            self.record({sample.source for sample in samples}, lambda _: samples)

    def record(self, sources: Collection[str], facts: Facts) -> None:
        """Records what others than checks found about some sources, and judges it; see `alerting.run.report`."""
        from monitoring_pipeline.alerting.run import report

        report(self.store, self.alerting(), sources, facts, self.clock)

    def settle_alerts(self, timeout_s: float) -> Drained:
        """Judges what is due and delivers until nothing is, or the time is over."""
        alerting = self.alerting()
        try:
            return _run(alerting.settle(timeout_s))
        finally:
            alerting.close()

    def unattended_alerts(self) -> str:
        """What of judging and delivering waits longer than it should; empty when nothing does."""
        from monitoring_pipeline.alerting.attendance import unattended

        return unattended(self.store, self.clock())

    def unattended_escalations(self) -> str:
        """Which open escalations have no live next step; empty when all have."""
        from monitoring_pipeline.alerting.attendance import unattended_escalations

        return unattended_escalations(self.store, self.clock())

    def repair_escalations(self) -> list[str]:
        """Gives open escalations their next step again; a sentence for each that had lost it."""
        return self.alerting().repair_escalations()

    def series(self, source: str, metric: str, check: str) -> Sequence[tuple[datetime, float]]:
        """The values of a metric in the last six hours, oldest first, for a picture."""
        from monitoring_pipeline.store.queries import values_of

        now = self.clock()
        with self.history(since=now - _PICTURED, source=source, tables=("samples",)) as connection:
            return values_of(connection, source, metric, check or None)

    def alerts(self, wanted: AlertFilter, limit: int = 200) -> list[AlertView]:
        """Alerts that pass a filter; see `reports.alerts.list_alerts`."""
        from monitoring_pipeline.reports.alerts import list_alerts

        return list_alerts(self.store, self.config.sources, wanted, self.clock(), limit)

    def alert(self, alert_id: int) -> AlertDetail:
        """One alert with everything that belongs to it. Raises NotFound."""
        from monitoring_pipeline.reports.alerts import alert_detail

        return alert_detail(self.store, self.config.sources, alert_id, self.clock())

    def explain_alert(self, alert_id: int) -> list[Step]:
        """All that happened to an alert, oldest first. Raises NotFound."""
        from monitoring_pipeline.reports.explain import explain_alert

        return explain_alert(self.store, alert_id)

    def explain_source(self, source: Source, at: datetime) -> SourceThen:
        """Why a source did, or did not, alert at a moment. Raises StoreError."""
        from monitoring_pipeline.reports.hindsight import Installed, explain_source

        config = self.config
        here = Installed(self.store, config.published, config.sources, self.check_ids, config.alerting)
        return explain_source(here, source, at, self.clock())

    def channels(self) -> list[ChannelView]:
        """How the channels do."""
        from monitoring_pipeline.reports.channels import channel_views

        return channel_views(self.store, self.config.alerting.channels, self.clock())

    def test_channel(self, name: str, recipient: str = "") -> Sent:
        """Sends a test message now. Raises NotFound, and what the channel raises."""
        return _run(self.alerting().outbox.send_test(name, recipient))

    # -- heartbeats ----------------------------------------------------------------------------------

    @cached_property
    def push_tokens(self) -> Mapping[str, str]:
        """The token of every heartbeat check's push URL, by its key. Raises StoreError."""
        from monitoring_pipeline.checks.push import push_secret, push_token

        keys = [bound.key for bound in self.config.checks if bound.check.kind == "heartbeat"]
        secret = push_secret(self.config.stores.directory) if keys else b""
        return {key: push_token(secret, key) for key in keys}

    def push_url(self, key: str) -> str:
        """The URL at which a job reports to the heartbeat check `key`. Raises NotFound, StoreError."""
        token = self.push_tokens.get(key)
        if token is None:
            raise NotFound("heartbeat check", key, self.push_tokens)
        return f"{self.api_url}/push/{token}"

    @property
    def api_url(self) -> str:
        """How browsers and jobs reach the API, without a slash at the end."""
        api = self.config.api
        if api.public_url is not None:
            return api.public_url.rstrip("/")
        host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(api.host, api.host)  # noqa: S104 - compared, not bound
        return f"http://[{host}]:{api.port}" if ":" in host and "[" not in host else f"http://{host}:{api.port}"

    def beat(
        self,
        key: str,
        signal: str,
        *,
        duration_ms: float | None = None,
        exit_code: int | None = None,
        message: str = "",
    ) -> None:
        """Records a pushed heartbeat and makes its check due at once. Raises NotFound.

        An end without a duration gets the time since the start before it.
        """
        from monitoring_pipeline.store import beats, states

        known = [bound.key for bound in self.config.checks if bound.check.kind == "heartbeat"]
        if key not in known:
            raise NotFound("heartbeat check", key, known)
        now = self.clock()
        with self.store.write() as connection:
            if duration_ms is None and signal != "start":
                duration_ms = beats.since_start(connection, key, now)
            beats.append_beat(
                connection, key, at=now, signal=signal, duration_ms=duration_ms, exit_code=exit_code,
                message=message[:1000],
            )  # fmt: skip
            states.make_due(connection, key, to_us(now))

    # -- what hangs here by its name -----------------------------------------------------------------

    @cached_property
    def reporting(self) -> Reporting:
        """The doors for reports about a day, a week or a month."""
        from monitoring_pipeline.app.reporting import Reporting

        return Reporting(self)

    @cached_property
    def collection(self) -> Collecting:
        """The doors for what collectors report."""
        from monitoring_pipeline.app.collection import Collecting

        return Collecting(self)

    @cached_property
    def outlook(self) -> Outlook:
        """The doors for trends, forecasts, risks and performance."""
        from monitoring_pipeline.app.outlook import Outlook

        return Outlook(self)

    # -- history -------------------------------------------------------------------------------------

    @property
    def _warehouse(self) -> Path:
        path = self.config.stores.warehouse
        assert path is not None  # noqa: S101 - the configuration resolved it
        return path

    def load_history(self) -> dict[str, int]:
        """Moves hot rows into the warehouse; rows per table. Only one process at a time may do this."""
        from monitoring_pipeline.store.loading import load_hot

        return load_hot(self.store, self._warehouse, self.clock())

    def publish_history(self) -> dict[str, Any]:
        """Puts a fresh copy of the warehouse where readers find it."""
        from monitoring_pipeline.store.publishing import publish

        published = publish(self.store, self._warehouse, self.config.published, self.clock())
        return {"path": str(published.path), "bytes": published.bytes, "seconds": round(published.seconds, 3)}

    def roll_up(self) -> dict[str, int]:
        """Builds the buckets of history that ended since the last time; how many, per table."""
        from monitoring_pipeline.store import rollups

        return rollups.roll_up(self._warehouse, self.clock())

    def rebuild_rollups(self, start: datetime, end: datetime) -> dict[str, int]:
        """Builds the buckets of the UTC days in [start, end) anew; how many, per table."""
        from monitoring_pipeline.store import rollups

        return rollups.rebuild(self._warehouse, start, end, self.clock(), self.config.retention.rollups)

    def measured_per_hour(self, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
        """How many numbers were measured in each hour that has any."""
        from monitoring_pipeline.store import rollups

        with self.history(since=start, tables=("samples",), columns=rollups.READS) as connection:
            return rollups.volume(connection, start, end, level=rollups.HOUR)

    def expire(self) -> dict[str, int]:
        """Applies the retention; rows deleted per table, the warehouse's under `warehouse.TABLE`."""
        from monitoring_pipeline.store.aging import expire_alerts
        from monitoring_pipeline.store.expiry import expire_hot, expire_warehouse

        now, retention = self.clock(), self.config.retention
        removed = expire_hot(self.store, retention, now)
        removed |= expire_alerts(self.store, self.config.alerting.spec.retention, now)
        removed |= self.collection.forget(now - retention.collections)
        removed |= self.quality.forget(now - retention.quality)
        history = expire_warehouse(self._warehouse, retention, now)
        return removed | {f"warehouse.{name}": count for name, count in history.items()}

    def history(
        self,
        *,
        since: datetime | None = None,
        source: str | None = None,
        tables: Sequence[str] | None = None,
        columns: Mapping[str, Collection[str]] | None = None,
    ) -> AbstractContextManager[DuckDBPyConnection]:
        """All history as one, fresh to the second; see `store.history.connect`."""
        from monitoring_pipeline.store import history

        return history.connect(
            self.store, self.config.published, now=self.clock(), since=since, source=source,
            tables=history.TABLES if tables is None else tables, columns=columns,
        )  # fmt: skip

    # -- promises ------------------------------------------------------------------------------------

    @cached_property
    def sla(self) -> Sla:
        """How promises stand, what burns, and what people corrected."""
        from monitoring_pipeline.app.sla import Sla

        return Sla(self)

    # -- ourselves -----------------------------------------------------------------------------------

    def note_run_failure(self, run_id: str, job: str, message: str) -> None:
        """Keeps the failure of one of our own runs as a sample of the source `monitoring`."""
        from monitoring_pipeline.checks.run import OWN_SOURCE

        tags = {"run_id": run_id, "job": job, "message": message[:500]}
        self.report([Sample(OWN_SOURCE, "run_failures", self.clock(), 1.0, "", "dagster", tags)])

    def overview(self) -> Overview:
        """How everything is right now."""
        from monitoring_pipeline.reports import overview

        return overview(self.store, self.config.sources, self.config.components, self.clock())


def _last_good(path: Path, kept: Texts, error: ConfigError) -> Config:
    try:
        config = load_config(path, texts=kept)
    except ConfigError:  # an environment variable is gone, say: what is wrong now is the better message
        raise error from None
    warning = f"the configuration cannot be used, the last good one is in force: {error.problems[0]}"
    return replace(config, warnings=(*config.warnings, warning))


def _run(work: Coroutine[Any, Any, T]) -> T:
    factory = None
    try:
        import uvloop
    except ImportError:  # Windows
        pass
    else:
        factory = uvloop.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(work)
