"""Doors to anomaly scores: who scores, where what was learnt lies, and what is known of a series."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from datetime import datetime, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from monitoring_pipeline.alerting.people import calendars, wall
from monitoring_pipeline.alerting.scored import Scored
from monitoring_pipeline.alerting.trouble import Trouble
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.isolation import Isolation
from monitoring_pipeline.analysis.scoring import relearning
from monitoring_pipeline.analysis.scoring.checkpoints import Checkpoints, FileCheckpoints, SharedCheckpoints
from monitoring_pipeline.analysis.scoring.machine_code import AtOnce, Beside
from monitoring_pipeline.analysis.scoring.online import Scoring
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.app.logs import without_values
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import Event
from monitoring_pipeline.records.metric import is_computed
from monitoring_pipeline.reports.anomalies import Strange, strange_things
from monitoring_pipeline.reports.baselines import Baseline, band, baselines
from monitoring_pipeline.store import scores
from monitoring_pipeline.store.anomalies import CONFIRMED
from monitoring_pipeline.store.events import insert_events
from monitoring_pipeline.store.scores import Known, Span
from monitoring_pipeline.store.scoring import EXCLUDED, PAUSED, RESUMED, began, is_lost, read_ahead, read_mark

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.checks.judge import Judge

__all__ = ["ScoringDoors"]

_FILE = "scoring.state"
_YEARS = timedelta(days=800)
_LEARNT, _DAY = timedelta(days=28), timedelta(days=1)


class ScoringDoors:
    """`monitoring.scoring`."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    def judge(self, judge: Judge | None, *, patient: bool = True) -> Judge:
        """Scores before `judge` judges, for one process at work. Raises StoreError.

        Who is not `patient` does not wait for the detector to be compiled: samples are scored after that.
        """
        without_values()
        return Scored(self.online(), judge, AtOnce() if patient else Beside())

    def online(self) -> Scoring:
        """What follows the log of samples. Raises StoreError."""
        config = self._monitoring.config
        world = World(config.alerting, {source.id: source for source in config.sources})
        return Scoring(
            self._monitoring.store, config.analysis, self.calendar(), self.checkpoints(), followed=self.followed,
            troubled=Trouble(world),
        )  # fmt: skip

    @property
    def followed(self) -> frozenset[str]:
        """The samples that rules read: of those every value is recorded."""
        alerting = self._monitoring.config.alerting
        rules = alerting.rules if alerting.spec.enabled else ()
        return frozenset().union(*(rule.when.metrics() or () for rule in rules))

    def checkpoints(self) -> Checkpoints:
        """Where what was learnt lies; where the store is a server, other machines may be at work too."""
        store, path = self._monitoring.store, self._monitoring.config.stores.directory / _FILE
        return FileCheckpoints(path) if store.sqlite_path is not None else SharedCheckpoints(store, path)

    def calendar(self) -> Calendar:
        """The installation's time zone and days off."""
        spec, now = self._monitoring.config.analysis, self._monitoring.clock()
        days = set(spec.holidays)
        if spec.holiday_calendar is not None:
            for span in calendars.spans(spec.holiday_calendar, spec.timezone, now - _YEARS, now + _YEARS):
                first, last = wall.shown(spec.timezone, span.start), wall.shown(spec.timezone, span.end)
                days.update((first + timedelta(days=day)).date() for day in range(max(1, (last - first).days)))
        return Calendar.of(spec.timezone, days)

    def catch_up(self) -> int:
        """Scores and judges all that waits for it, where no run does; answers how many samples that were."""
        monitoring, config = self._monitoring, self._monitoring.config
        if not config.analysis.enabled:
            return 0
        scoring = self.online()
        judge = Scored(scoring, monitoring.alerting() if config.alerting.spec.enabled else None)
        judge.load()
        before = scoring.at.id
        try:
            with monitoring.store.read() as connection:
                due = judge.is_due(connection, monitoring.clock())
            while due:
                with monitoring.store.write() as connection:
                    judge.judge(connection, (), (), now := monitoring.clock())
                    due = scoring.is_due(connection) and not judge.rests(now)
            return scoring.at.id - before
        finally:
            judge.close()

    # -- what is known -------------------------------------------------------------------------------

    def strange(self, since: datetime, *, source: str | None = None, metric: str | None = None) -> list[Strange]:
        """What was strange since then, newest first. Raises StoreError."""
        monitoring = self._monitoring
        return strange_things(
            monitoring.store, monitoring.config.published, monitoring.clock(), since, source=source, metric=metric,
            isolation=monitoring.config.analysis.isolation_forest,
        )  # fmt: skip

    def baselines(self, source: str, metric: str | None = None) -> list[Baseline]:
        """What is normal for the series of a source. Raises StoreError."""
        scoring = self.online()
        scoring.load()
        return baselines(scoring.scorer, self._monitoring.clock(), source, metric)

    def picture(self, source: str, metric: str, since: datetime) -> bytes | None:
        """A metric of a source with what is normal for it, as a PNG; None when there is nothing to draw."""
        from monitoring_pipeline.alerting.delivery.plot import series_png
        from monitoring_pipeline.store.queries import values_of

        now = self._monitoring.clock()
        found = self.baselines(source, metric)
        check = found[0].check if found else None
        with self._monitoring.history(since=since, source=source, tables=("samples",)) as connection:
            values = values_of(connection, source, metric, check or None)
        shown = band(found[0], self.calendar(), since, now) if found else ()
        return series_png(f"{source}: {metric}", values, unit=found[0].unit if found else "", band=shown)

    # -- going through history again -----------------------------------------------------------------

    def relearn(self) -> dict[str, int]:
        """Learns all series anew from the last 28 days, without what was not to be learnt; how many, from how much."""
        monitoring, scoring = self._monitoring, self.online()
        with self._past(monitoring.clock() - _LEARNT) as (history, wanted, past):
            last = scores.newest(history, "samples")
            scorer = relearning.relearn(
                monitoring.config.analysis, self.calendar(), wanted,
                scores.points_of(history, wanted, monitoring.clock() + _LEARNT), past, followed=self.followed,
            )  # fmt: skip
        scoring.adopt(scorer, last)
        return {"series": len(scorer.roster), "samples": sum(known.count for known in wanted)}

    def keep_baselines(self) -> dict[str, int | str]:
        """Writes what is normal into the warehouse; scores what nobody did, and learns from history where it must.

        That is so when history is older than the first score, or what was learnt is lost.
        """
        self.catch_up()
        scoring, now = self.online(), self._monitoring.clock()
        reason = self._must_learn()
        if reason:
            self.relearn()
        scoring.load()
        scorer = scoring.scorer
        normal, known = scorer.normal(to_us(now)), _known(scorer)
        count = len(known)
        hours = len(normal.hour)
        columns = {
            "series": np.tile(np.arange(count), hours), "weekday": np.repeat(normal.weekday, count),
            "hour": np.repeat(normal.hour, count), "low": normal.low.ravel(), "expected": normal.expected.ravel(),
            "high": normal.high.ravel(), "learning": np.tile(normal.learning, hours),
        }  # fmt: skip
        rows = scores.replace_baselines(self._warehouse, now, known, columns)
        return {"series": count, "learning": int(normal.learning.sum()), "rows": rows, "learnt anew": reason or "no"}

    def _must_learn(self) -> str:
        """Why what is known is to be learnt anew from history; empty when it need not."""
        if not self._monitoring.config.published.exists():
            return ""
        with self._monitoring.store.read() as connection:
            mark, first, lost = read_mark(connection), began(connection), is_lost(connection)
        if lost:
            return "what was learnt is lost"
        if mark is not None and mark.generation > 0:
            return ""
        first = first or self._monitoring.clock()
        with self._monitoring.history(since=first - _LEARNT, tables=("samples",)) as history:
            oldest = scores.oldest(history)
        return "history is older than the first score" if oldest is not None and oldest < first - _DAY else ""

    def alarms_per_hour(self, start: datetime, end: datetime) -> list[tuple[datetime, int]]:
        """How many points were alarming in each hour, for a picture; of what the warehouse has, which nobody else may
        be writing."""
        return scores.alarms_per_hour(self._warehouse, self._monitoring.clock(), start, end)

    def exclude(self, source: str, start: datetime, end: datetime, *, author: str, reason: str) -> dict[str, int]:
        """Notes that a stretch of a source's time was not normal, and learns anew without it.

        Raises NotFound for a source that is not configured, and ValueError where it ends before it begins.
        """
        known = [each.id for each in self._monitoring.config.sources]
        if source not in known:
            raise NotFound("source", source, known)
        if end <= start:
            raise ValueError("the stretch of time ends before it begins")
        text = f"not learnt from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC, says {author}: {reason}"
        detail = {"start": to_us(start), "end": to_us(end), "author": author, "reason": reason}
        excluded = Event(source, EXCLUDED, source, self._monitoring.clock(), text, detail=detail)
        with self._monitoring.store.write() as connection:
            insert_events(connection, [excluded])
        return self.relearn()

    def score_span(self, start: datetime, end: datetime) -> dict[str, int]:
        """Scores a stretch of history again, learning from the 28 days before it, and keeps that in the warehouse."""
        spec, calendar = self._monitoring.config.analysis, self.calendar()
        kept = relearning.Kept(to_us(start), to_us(end))
        isolation = Isolation(spec, calendar, to_us(start), to_us(end))
        with self._past(start - _LEARNT) as (history, wanted, past):
            points = scores.points_of(history, wanted, end)
            if spec.isolation_forest:
                points = isolation.watch(points, wanted, past)
            scorer = relearning.relearn(spec, calendar, wanted, points, past, kept=kept)
        columns = dict(kept.columns())
        columns["isolation"] = isolation.votes(columns["series"], columns["time"])
        now, kept_for = self._monitoring.clock(), self._monitoring.config.retention.samples
        rows = scores.replace_scores(self._warehouse, now, start, end, _known(scorer), columns, now - kept_for)
        facts = {"series": len(wanted), "scores": rows, "alarms": int(columns["is_alert"].sum())}
        if spec.isolation_forest:
            facts["judged by the forest"] = int(np.isfinite(columns["isolation"]).sum())
        return facts

    def confirm_shifts(self) -> dict[str, int | str]:
        """Looks at the new levels of the last two days with hindsight; how many were confirmed, and withdrawn."""
        from monitoring_pipeline.analysis import shifts

        if find_spec("ruptures") is None:
            return {"levels confirmed": "not looked at: pip install 'monitoring-pipeline[analysis]'"}
        now = self._monitoring.clock()
        with self._monitoring.history(since=now - _LEARNT, tables=("samples", "events")) as history:
            found = shifts.look_back(history, self.calendar(), now)
        with self._monitoring.store.write() as connection:
            insert_events(connection, found)
        confirmed = sum(event.kind == CONFIRMED for event in found)
        return {"levels confirmed": confirmed, "levels withdrawn": len(found) - confirmed}

    @property
    def _warehouse(self) -> Path:
        path = self._monitoring.config.stores.warehouse
        assert path is not None  # noqa: S101 - the configuration resolved it
        return path

    @contextlib.contextmanager
    def _past(self, since: datetime) -> Iterator[tuple[DuckDBPyConnection, list[scores.Known], relearning.Past]]:
        """History from a moment on, its series that are scored, and what of it was not learnt."""
        tables = ("samples", "events", "status_changes")
        with self._monitoring.history(since=since, tables=tables) as history:
            wanted = [known for known in scores.series_in(history) if not is_computed(known.metric)]
            pauses = scores.pauses_of(history, (PAUSED, RESUMED))
            spans = scores.excluded_spans(history, EXCLUDED) + self._critical_before(history)
            with self._monitoring.store.read() as connection:
                ahead = read_ahead(connection)
            yield history, wanted, relearning.Past(pauses, spans, ahead)

    def _critical_before(self, history: DuckDBPyConnection) -> list[Span]:
        """When sources were critical before samples were scored as they came: nobody noted then what was learnt."""
        with self._monitoring.store.read() as connection:
            first = to_us(began(connection) or self._monitoring.clock())
        spans = scores.critical_spans(history)
        return [Span(span.source, span.start, min(span.end or first, first)) for span in spans if span.start < first]


def _known(scorer: Scorer) -> list[Known]:
    """The scorer's series by number."""
    roster = scorer.roster
    return [Known(*name, unit) for name, unit in zip(roster.names, roster.units, strict=True)]
