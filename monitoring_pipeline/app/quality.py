"""`monitoring.quality`: runs quality suites, takes what others measured, and answers what was found last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from monitoring_pipeline.errors import CheckError, NotFound
from monitoring_pipeline.records import QualityRun, Sample

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy import Connection

    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.quality.run import Look
    from monitoring_pipeline.quality.validator import Measurement
    from monitoring_pipeline.quality.workshop import Workshop
    from monitoring_pipeline.reports.quality import SourceQuality, SuiteView

__all__ = ["Quality"]

_ANY = timedelta(days=1)


class Quality:
    """The doors of quality, for one thread at a time."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring

    @cached_property
    def _workshop(self) -> Workshop:
        from monitoring_pipeline.quality.workshop import Workshop

        return Workshop()

    def close(self) -> None:
        """Ends the process that examines suites, if there is one."""
        if "_workshop" in self.__dict__:
            self._workshop.close()

    def due(self) -> list[str]:
        """The suites that should be run now."""
        from monitoring_pipeline.quality.due import is_due
        from monitoring_pipeline.store.quality import last_begun

        now = self._monitoring.clock()
        with self._monitoring.store.read() as connection:
            begun = last_begun(connection)
        suites = self._monitoring.config.suites
        return [name for name, suite in suites.items() if is_due(name, suite, begun.get(name), now)]

    def named(self, names: Sequence[str]) -> list[str]:
        """These suites, or those of these sources; all enabled ones for no name. Raises NotFound.

        Raises CheckError for one that is reported by others: nothing of it runs here.
        """
        suites = self._monitoring.config.suites
        if not names:
            return [name for name, suite in suites.items() if suite.runs_here]
        found: dict[str, None] = {}
        for name in names:
            chosen = [name] if name in suites else [each for each, suite in suites.items() if suite.source == name]
            if name in suites and suites[name].reported:
                raise CheckError(f"the suite {name!r} is reported by others and does not run here")
            if not chosen:
                raise NotFound("suite, or source with a suite,", name, [*suites, *(s.source for s in suites.values())])
            found |= dict.fromkeys(each for each in chosen if not suites[each].reported)
        return list(found)

    def run(
        self, names: Sequence[str], *, on_begin: Callable[[str], None] | None = None,
        on_end: Callable[[QualityRun], None] | None = None,
    ) -> list[QualityRun]:  # fmt: skip
        """Runs suites, one after the other, and records each as soon as it is done. Raises NotFound, StoreError.

        Whatever goes wrong with a suite makes its own result unknown and nothing else.
        """
        from monitoring_pipeline.quality.run import Around, look

        config = self._monitoring.config
        around = Around(self._monitoring.clock, config.execution.networks, config.redact)
        done = []
        for name in self.named(names) if names else ():
            if on_begin is not None:
                on_begin(name)
            done.append(self._record(look(name, config.suites[name], self._workshop, around)))
            if on_end is not None:
                on_end(done[-1])
        return done

    def push(self, source: str, measurement: Measurement, suite: str = "pushed", key: str = "") -> QualityRun:
        """Records what an existing framework measured. Raises NotFound for a source that is not configured, and
        CheckError for figures that make no sense and for the name of a suite that runs here or is about another source.

        Where the suite is configured as one that is `reported`, its thresholds judge. What is reported again by the
        same `key` is the run it was the first time. Columns that any suite of the source masks stay masked.
        """
        from monitoring_pipeline.quality.outcome import Examination
        from monitoring_pipeline.quality.run import Look, redacted
        from monitoring_pipeline.quality.spec import SuiteSpec
        from monitoring_pipeline.quality.thresholds import judged
        from monitoring_pipeline.quality.validator import examined

        known = [each.id for each in self._monitoring.config.sources]
        if source not in known:
            raise NotFound("source", source, known)
        suites = self._monitoring.config.suites
        spec = suites.get(suite, SuiteSpec(source=source, reported=True, every=_ANY))
        if not spec.reported:
            raise CheckError(f"the suite {suite!r} is configured and runs here; report under another name")
        if spec.source != source:
            raise CheckError(f"the suite {suite!r} is about {spec.source}; report under another name")
        masked = frozenset(column for each in suites.values() if each.source == source for column in each.masked)
        now = self._monitoring.clock()
        found = redacted(examined(Examination(), measurement, masked), self._monitoring.config.redact)
        before = self._reported(source, suite, key) if key else None
        look = Look(suite, source, now, now, judged(found, spec), spec.dimension_weights, key, reported=True)
        return before or self._record(look)

    def _reported(self, source: str, suite: str, key: str) -> QualityRun | None:
        """The run that was reported by this key, from history where it is old."""
        from monitoring_pipeline.store.quality import run_by_key, run_of_history

        with self._monitoring.store.read() as connection:
            number, run = run_by_key(connection, source, suite, key)
        if number is None or run is not None:
            return run
        with self._monitoring.history(source=source, tables=("quality_runs",)) as history:
            return run_of_history(history, number)

    def forget(self, before: datetime) -> dict[str, int]:
        """Forgets by which keys quality was reported before then; how many, by the table's name."""
        from monitoring_pipeline.store.quality import forget_keys

        with self._monitoring.store.write() as connection:
            return {"quality_keys": forget_keys(connection, before)}

    def _record(self, looked: Look) -> QualityRun:
        from monitoring_pipeline.quality.run import record
        from monitoring_pipeline.store.quality import run_by_key

        suites = self._monitoring.config.suites
        siblings = {name: each for name, each in suites.items() if each.source == looked.source}
        kept: list[QualityRun] = []

        def facts(connection: Connection) -> Sequence[Sample]:
            if looked.key:  # once more, now that nobody else writes
                _, before = run_by_key(connection, looked.source, looked.suite, looked.key)
                if before is not None:
                    kept[:] = [before]
                    return ()
            run, samples = record(connection, looked, siblings)
            kept[:] = [run]
            return samples

        self._monitoring.record([looked.source], facts)
        return kept[0]

    def views(self) -> list[SuiteView]:
        """How every suite stands, by source and suite."""
        from monitoring_pipeline.reports.quality import suite_views
        from monitoring_pipeline.store.quality import latest_runs

        with self._monitoring.store.read() as connection:
            runs = latest_runs(connection)
        known = {source.id for source in self._monitoring.config.sources}
        runs = [run for run in runs if run.source in known]
        return suite_views(self._monitoring.config.suites, runs, self._monitoring.clock())

    def of_source(self, source: str) -> SourceQuality:
        """How good the data of a source are. Raises NotFound."""
        from monitoring_pipeline.reports.quality import source_quality

        known = [each.id for each in self._monitoring.config.sources]
        if source not in known:
            raise NotFound("source", source, known)
        return source_quality(source, self.views())

    def of_sources(self) -> list[SourceQuality]:
        """How good the data of all sources are that have suites, or whose quality was pushed."""
        from monitoring_pipeline.reports.quality import source_quality

        views = self.views()
        return [source_quality(source, views) for source in dict.fromkeys(view.source for view in views)]

    def scores(self, source: str, suite: str, limit: int = 30) -> list[tuple[datetime, str, float | None]]:
        """Moment, status and score of the newest runs of a suite, oldest first."""
        from monitoring_pipeline.store.quality import score_history

        with self._monitoring.history(source=source, tables=("quality_runs",)) as connection:
            return score_history(connection, source, suite, limit)
