"""`monitoring.quality`: runs quality suites, takes what others measured, and answers what was found last."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING

from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import QualityRun, Sample

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.quality.run import Look
    from monitoring_pipeline.quality.validator import Measurement
    from monitoring_pipeline.quality.workshop import Workshop

__all__ = ["Quality"]


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
        """These suites, or those of these sources; all enabled ones for no name. Raises NotFound."""
        suites = self._monitoring.config.suites
        if not names:
            return [name for name, suite in suites.items() if suite.enabled]
        found: dict[str, None] = {}
        for name in names:
            chosen = [name] if name in suites else [each for each, suite in suites.items() if suite.source == name]
            if not chosen:
                raise NotFound("suite, or source with a suite,", name, [*suites, *(s.source for s in suites.values())])
            found |= dict.fromkeys(chosen)
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

    def push(self, source: str, measurement: Measurement, suite: str = "pushed") -> QualityRun:
        """Records what an existing framework measured. Raises NotFound for a source that is not configured, and
        CheckError for figures that make no sense."""
        from monitoring_pipeline.quality.outcome import Examination
        from monitoring_pipeline.quality.run import Look
        from monitoring_pipeline.quality.validator import examined

        known = [each.id for each in self._monitoring.config.sources]
        if source not in known:
            raise NotFound("source", source, known)
        now = self._monitoring.clock()
        return self._record(Look(suite, source, now, now, examined(Examination(), measurement)))

    def _record(self, looked: Look) -> QualityRun:
        from monitoring_pipeline.quality.run import record

        suites = self._monitoring.config.suites
        siblings = [name for name, suite in suites.items() if suite.source == looked.source and suite.enabled]
        kept: list[QualityRun] = []

        def facts(connection: Connection) -> Sequence[Sample]:
            run, samples = record(connection, looked, siblings)
            kept[:] = [run]
            return samples

        self._monitoring.record([looked.source], facts)
        return kept[0]

    def latest(self, source: str | None = None) -> list[QualityRun]:
        """The newest run of every suite, or of those of one source."""
        from monitoring_pipeline.store.quality import latest_runs

        with self._monitoring.store.read() as connection:
            return latest_runs(connection, source=source)
