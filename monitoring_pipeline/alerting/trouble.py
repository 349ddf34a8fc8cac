"""Which sources are not themselves: what they measure says nothing about what is normal for them.

That is so while a source is critical, while a serious alert about it is open, and under silences and maintenance.
Alerts about strangeness itself do not count: a new level that alarms must become normal some time.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from sqlalchemy import Connection

from monitoring_pipeline.alerting.people import windows
from monitoring_pipeline.alerting.selector import Matcher
from monitoring_pipeline.alerting.stages.silence import matcher_of
from monitoring_pipeline.alerting.world import World
from monitoring_pipeline.records.metric import is_conclusion
from monitoring_pipeline.store import silences
from monitoring_pipeline.store import trouble as stored

__all__ = ["Trouble"]

_LOOK = timedelta(seconds=5)


class Trouble:
    """Answers it for a transaction; an `analysis.scoring.online.Troubled`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._muted: Mapping[str, str] = {}
        self._looked: datetime | None = None
        self._strange = {rule.id for rule in world.plan.rules if _is_about_strangeness(rule.when.metrics())}

    def __call__(self, connection: Connection, now: datetime) -> Mapping[str, str]:
        """The troubled sources with the reason."""
        found = dict.fromkeys(stored.critical_sources(connection), "the source is critical")
        for source, rule in stored.serious_alerts(connection):
            if rule not in self._strange:
                found.setdefault(source, f"alert {rule} is open")
        if self._looked is None or not self._looked <= now < self._looked + _LOOK:
            self._muted, self._looked = dict(self._mutes(connection, now)), now
        return {**self._muted, **found}

    def _mutes(self, connection: Connection, now: datetime) -> Iterator[tuple[str, str]]:
        """Sources that somebody silenced as a whole, or that are under maintenance."""
        matchers = [
            matcher_of(json.dumps(dict(each.matchers), sort_keys=True)) for each in silences.active(connection, now)
        ]
        whole = [matcher for matcher in matchers if matcher is not None and _is_whole(matcher)]
        maintenance = self._world.plan.maintenance
        if not whole and not maintenance:
            return
        for source in self._world.sources.values():
            if any(matcher.admits(source) for matcher in whole):
                yield source.id, "the source is silenced"
            elif maintenance and windows.active(maintenance, source, now) is not None:
                yield source.id, "the source is under maintenance"


def _is_whole(matcher: Matcher) -> bool:
    """Whether it is about sources, and not about some of their alerts."""
    return not (matcher.check or matcher.rule or matcher.severity or matcher.labels)


def _is_about_strangeness(metrics: frozenset[str] | None) -> bool:
    return any(map(is_conclusion, metrics or ()))
