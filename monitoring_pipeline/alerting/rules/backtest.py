"""Replays history through the evaluator: which alerts a rule would have made, and what they would have cost.

The queries, the conditions and the life of alerts are the very same that judge live; only the moments come
from history: each at which something was recorded, a grid of minutes for what time alone may change, and the
moments at which an alert's clock runs out.
"""

from __future__ import annotations

import bisect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from monitoring_pipeline.alerting.rules import life
from monitoring_pipeline.alerting.rules.condition import Observation
from monitoring_pipeline.alerting.rules.evaluate import Instance, instances_of, observed
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.rule import Rule
from monitoring_pipeline.clock import Clock, from_us, from_us_or_none, to_us
from monitoring_pipeline.records import Severity, Source, Status
from monitoring_pipeline.store import history, past
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.past import Stood

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["Backtest", "Episode", "Incident", "backtest"]

_GRID = timedelta(minutes=1)
_AT_ONCE = 2_000


@dataclass(frozen=True, slots=True)
class Incident:
    """A time in which a source really was bad."""

    source: str
    start: datetime
    end: datetime


@dataclass(frozen=True, slots=True)
class Episode:
    """An alert that would have been, at its worst. `resolved` is None when it would still be open."""

    source: str
    check: str
    severity: Severity
    started: datetime
    fired: datetime
    resolved: datetime | None
    text: str
    pages: int


@dataclass(frozen=True, slots=True)
class Backtest:
    """What a rule would have done between two moments. Minutes and pages are those of all its subjects."""

    rule: str
    since: datetime
    until: datetime
    subjects: int
    evaluations: int
    episodes: tuple[Episode, ...]
    incidents: tuple[Incident, ...] = ()

    @property
    def pages(self) -> int:
        """Messages that would have called somebody."""
        return sum(episode.pages for episode in self.episodes)

    @property
    def pages_per_week(self) -> float:
        return self.pages / max((self.until - self.since) / timedelta(weeks=1), 1e-9)

    @property
    def firing_minutes(self) -> float:
        return sum(((e.resolved or self.until) - e.fired) / timedelta(minutes=1) for e in self.episodes)

    @property
    def precision(self) -> float | None:
        """Which share of the alerts fell into an incident; None without alerts."""
        hits = [any(self._meets(episode, each) for each in self.incidents) for episode in self.episodes]
        return sum(hits) / len(hits) if hits else None

    @property
    def recall(self) -> float | None:
        """Which share of the incidents had an alert; None without incidents."""
        hits = [any(self._meets(episode, each) for episode in self.episodes) for each in self.incidents]
        return sum(hits) / len(hits) if hits else None

    def _meets(self, episode: Episode, incident: Incident) -> bool:
        end = episode.resolved or self.until
        return episode.source == incident.source and episode.fired <= incident.end and end >= incident.start


@dataclass
class _PastFacts:
    """How one source stood, at the moment `now` that is moved along."""

    statuses: Sequence[tuple[datetime, Stood]]
    checks: Callable[[str, datetime], Stood]
    now: datetime
    _starts: list[datetime] = field(init=False)

    def __post_init__(self) -> None:
        self._starts = [moment for moment, _ in self.statuses]

    def _stood(self, source: str, check: str) -> Stood:
        if check:
            return self.checks(check, self.now)
        place = bisect.bisect_right(self._starts, self.now)
        return self.statuses[place - 1][1] if place else Stood(Status.UNKNOWN)

    def status(self, source: str, check: str = "") -> Status:
        return self._stood(source, check).status

    def since(self, source: str, check: str = "") -> datetime | None:
        return self._stood(source, check).since

    def reason(self, source: str, check: str = "") -> str:
        return self._stood(source, check).reason

    def score(self, source: str) -> float | None:
        return self._stood(source, "").score


def backtest(
    rule: Rule,
    sources: Sequence[Source],
    checks: Mapping[str, Sequence[str]],
    store: OperationalStore,
    published: Path,
    since: datetime,
    clock: Clock,
    *,
    incidents: Sequence[Incident] | None = None,
    on_subject: Callable[[int, int], None] | None = None,
) -> Backtest:
    """Replays a rule from `since` until now.

    `incidents` are the times in which sources really were bad; by default those in which they were critical.
    `on_subject` is told (done, all). Raises StoreError when the history of that time cannot be read.
    """
    now = clock()
    active = rule.model_copy(update={"mode": "active"})
    instances = list(instances_of(active, sources, checks))
    queries = [query for each in instances for query in each.queries]
    windows = Windows.open(store, published, queries, now, since=since)
    names = ("samples", "results", "status_changes")
    replayed: list[Episode] = []
    evaluations, bad = 0, list(incidents or ())
    try:
        with history.connect(store, published, now=now, tables=names) as connection:
            for number, each in enumerate(instances, 1):
                replay = _Replay(each, connection, windows, since, now)
                replayed += replay.episodes()
                evaluations += replay.evaluations
                if incidents is None:
                    bad += _critical(each.subject.source.id, replay.facts.statuses, since, now)
                if on_subject is not None:
                    on_subject(number, len(instances))
    finally:
        windows.close()
    replayed.sort(key=lambda episode: episode.fired)
    return Backtest(rule.id, since, now, len(instances), evaluations, tuple(replayed), tuple(dict.fromkeys(bad)))


class _Replay:
    """One instance, moved through the time from `since` to `until`."""

    def __init__(
        self, instance: Instance, connection: DuckDBPyConnection, windows: Windows, since: datetime, until: datetime
    ) -> None:
        self.instance, self.windows, self.since, self.until = instance, windows, since, until
        source = instance.subject.source.id
        statuses = past.statuses(connection, source, until)
        self.facts = _PastFacts(statuses, lambda check, at: past.check_at(connection, source, check, at), since)
        self.evaluations = 0
        self._moments = self._at(connection)
        self._row: dict[str, Any] | None = None
        self._past: list[tuple[int, int | None]] = []
        self._pages = 0
        self._worst = Severity.INFO
        self._done: list[Episode] = []

    def _at(self, connection: DuckDBPyConnection) -> list[datetime]:
        changed = [moment for moment, _ in self.facts.statuses if self.since < moment]
        if self.instance.watches_status_only and not self.instance.subject.check:
            return [self.since, *changed]
        found = {self.since, *changed}
        found.update(past.moments(connection, self.instance.subject.source.id, self.since, self.until))
        if self.instance.rule.when.needs_clock:
            steps = int((self.until - self.since) / _GRID)
            found.update(self.since + _GRID * step for step in range(steps + 1))
        return sorted(found)

    def episodes(self) -> list[Episode]:
        """The alerts that would have been."""
        last: Observation | None = None
        for at, seen in self._observations():
            self._wait(last, at)
            self._advance(seen, at)
            last = seen
        self._wait(last, self.until)
        self._close(self._row)
        return self._done

    def _observations(self) -> Iterator[tuple[datetime, Observation]]:
        queries = self.instance.queries
        for start in range(0, len(self._moments), _AT_ONCE):
            some = self._moments[start : start + _AT_ONCE]
            asked = [(query, at) for at in some for query in queries]
            answers = iter(self.windows.answer(asked) if asked else ())
            for at in some:
                self.facts.now = at
                held = Severity(self._row["severity"]) if self._row is not None and self._row["fired"] else None
                self.evaluations += 1
                yield at, observed(self.instance, [next(answers) for _ in queries], self.facts, at, held)

    def _wait(self, seen: Observation | None, until: datetime) -> None:
        """Lets the alert's clocks run out before the next moment; what was observed last still holds."""
        while seen is not None and self._row is not None and (due := self._row["due"]) is not None:
            if due >= to_us(until):
                return
            self._advance(seen, from_us(due))

    def _advance(self, seen: Observation, at: datetime) -> None:
        moved = life.advance(self.instance.rule, self._row, seen, self._past, to_us(at))
        calls = (life.Reason.FIRED, life.Reason.WORSE, life.Reason.UNACKNOWLEDGED)
        self._pages += sum(change.reason in calls for change in moved.changes)
        self._row = moved.row
        if self._row is not None:
            self._worst = max(self._worst, Severity(self._row["severity"]), key=lambda severity: severity.rank)
            self._row.setdefault("id", len(self._done) + 1)
            if self._row["resolved"] is not None:
                self._close(self._row)

    def _close(self, row: Mapping[str, Any] | None) -> None:
        if row is not None and row["fired"] is not None:
            self._past.append((row["fired"], row["resolved"]))
            subject, ended = self.instance.subject, row["resolved"]
            self._done.append(
                Episode(
                    subject.source.id, subject.check, self._worst, from_us(row["started"]),
                    from_us(row["fired"]), from_us_or_none(ended), row["text"], self._pages,
                )
            )  # fmt: skip
        self._row, self._pages, self._worst = None, 0, Severity.INFO


def _critical(
    source: str, statuses: Sequence[tuple[datetime, Stood]], since: datetime, until: datetime
) -> Iterator[Incident]:
    """The times between two moments in which a source was critical."""
    ends = [*(moment for moment, _ in statuses), until][1:]
    for (begin, stood), end in zip(statuses, ends, strict=True):
        if stood.status is Status.CRITICAL and end > since:
            yield Incident(source, max(begin, since), end)
