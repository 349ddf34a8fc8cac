"""`monitoring.collection`: what collectors report comes in here, and how they do is asked here."""

from __future__ import annotations

import hmac
import threading
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING

from monitoring_pipeline.records import CollectionAttempt

if TYPE_CHECKING:
    from monitoring_pipeline.alerting.run import Alerting
    from monitoring_pipeline.app.monitoring import Monitoring
    from monitoring_pipeline.reports.collectors import CollectorDetail, CollectorHealth

__all__ = ["Collecting"]

_SLACK = timedelta(minutes=5)
_READ_AGAIN = timedelta(minutes=5)


class Collecting:
    """The doors of one installation. `record` may be called from any thread."""

    def __init__(self, monitoring: Monitoring) -> None:
        self._monitoring = monitoring
        self._turn = threading.Lock()
        self._alerting: Alerting | None = None
        self._judged: set[str] = set()
        self._used: datetime | None = None

    # -- coming in -----------------------------------------------------------------------------------

    @cached_property
    def token(self) -> str:
        """What collectors on other machines show to be let in. Raises StoreError."""
        from monitoring_pipeline.checks.push import push_secret, push_token

        # No key of a heartbeat is like this one: they are all SOURCE/CHECK.
        return push_token(push_secret(self._monitoring.config.stores.directory), "collections")

    def admits(self, token: str) -> bool:
        """Whether somebody showed the right token. Raises StoreError."""
        return hmac.compare_digest(self.token.encode(), token.encode())

    def source_of(self, collector: str) -> str:
        """The source that an attempt is about which names none: the declared one, else the collector itself."""
        spec = self._monitoring.config.collectors.get(collector)
        return collector if spec is None else spec.source

    def record(self, attempts: Sequence[CollectionAttempt]) -> list[CollectionAttempt]:
        """Keeps those that are new and judges them, in one transaction; answers which those were.

        Raises what the store raises: nothing was kept then, and all of them may be reported again.
        """
        from monitoring_pipeline.collection.run import masked, record

        here = self._monitoring
        kept = masked(self._unknown(attempts), here.config.collectors, here.config.redact)
        with self._turn:
            judge = self._judge({attempt.source for attempt in kept})
            return record(here.store, kept, judge, here.clock())

    def _judge(self, sources: set[str]) -> Alerting | None:
        """Alerting that has read what rules about these sources look back on; it is kept, for reading costs.

        But not for long: while nobody reports, rows that it has not seen may go from hot to history.
        """
        if not self._monitoring.config.alerting.spec.enabled or not sources:
            return None
        if self._alerting is None:
            self._alerting = self._monitoring.alerting()
        now = self._monitoring.clock()
        if not sources <= self._judged or self._used is None or not timedelta(0) <= now - self._used < _READ_AGAIN:
            self._judged |= sources
            self._alerting.load(self._judged)
        self._used = now
        return self._alerting

    def _unknown(self, attempts: Sequence[CollectionAttempt]) -> Iterable[CollectionAttempt]:
        """Leaves out what came long ago: hot rows know no more of it, history does."""
        from monitoring_pipeline.store.collections import known_before

        here = self._monitoring
        horizon = here.clock() - here.config.retention.hot + _SLACK
        old = [attempt for attempt in attempts if attempt.at < horizon]
        if not old:
            return attempts
        since = min(attempt.at for attempt in old)
        with here.history(since=since, tables=("collections",)) as connection:
            known = known_before(connection, [attempt.key for attempt in old], since)
        return [attempt for attempt in attempts if attempt.key not in known]

    def forget(self, before: datetime) -> dict[str, int]:
        """Forgets collectors that have not reported since then; how many, by the table's name."""
        from monitoring_pipeline.store.collectors import forget_collectors

        with self._monitoring.store.write() as connection:
            return {"collectors": forget_collectors(connection, before)}

    # -- asking --------------------------------------------------------------------------------------

    def health(self) -> list[CollectorHealth]:
        """How all collectors do, the worst first; see `reports.collectors`. Raises StoreError."""
        from monitoring_pipeline.reports.collectors import collector_views

        here = self._monitoring
        return collector_views(here.store, here.config.published, here.config.collectors, here.clock())

    def tell(self) -> list[CollectorHealth]:
        """Records how all collectors do as samples, for rules; answers what `health` does."""
        from monitoring_pipeline.collection.run import verdicts_of

        views = self.health()
        self._monitoring.report(verdicts_of(views, self._monitoring.clock()))
        return views

    def detail(self, collector: str, since: datetime | None = None, limit: int = 20) -> CollectorDetail:
        """One collector with its newest attempts. Raises NotFound, StoreError."""
        from monitoring_pipeline.reports.collectors import collector_detail

        here = self._monitoring
        return collector_detail(
            here.store, here.config.published, here.config.collectors, collector, here.clock(), since, limit
        )
