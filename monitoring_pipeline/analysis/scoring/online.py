"""The door that follows the log of samples: scores what is new, inside the transaction of whoever records.

    scoring = Scoring(store, spec, calendar, checkpoints)
    scoring.load()                               # once per process
    touched = scoring.advance(connection, now)   # samples above the mark -> scores, events, mark
    scoring.close()                              # writes down what was learnt

Scores, events and the mark commit together with what the transaction records besides, or not at all. What was learnt
is in memory, and in a checkpoint that may be older than the mark: samples between the two are taken again, without
telling anybody. So a process may end at any point, and several may take turns.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import structlog
from sqlalchemy import Connection, event
from sqlalchemy.exc import SQLAlchemyError

from monitoring_pipeline.analysis.calendars import Calendar
from monitoring_pipeline.analysis.scoring.ahead import ahead_events, noted
from monitoring_pipeline.analysis.scoring.checkpoints import Checkpoint, Checkpoints
from monitoring_pipeline.analysis.scoring.scorer import Scorer
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.records import Event
from monitoring_pipeline.records.metric import is_computed
from monitoring_pipeline.store import marks
from monitoring_pipeline.store import scoring as stored
from monitoring_pipeline.store.events import insert_events
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.points import Row
from monitoring_pipeline.store.results import insert_samples
from monitoring_pipeline.store.scoring import Ahead, Mark

__all__ = ["Scoring", "Troubled"]

log = structlog.get_logger(__name__)
_MOST_ROWS = 20_000
# So many samples of each series: with one a minute and three rows recorded of it, that is every five minutes.
_WRITTEN_EVERY = 5

Troubled = Callable[[Connection, datetime], Mapping[str, str]]
"""The sources that are not themselves at the moment, with the reason: nothing is learnt from them."""


def _nobody(connection: Connection, now: datetime) -> Mapping[str, str]:
    return {}


class Scoring:
    """Scores samples of one store. For one thread at a time. Raises StoreError, and what the store raises."""

    def __init__(
        self,
        store: OperationalStore,
        spec: AnalysisSpec,
        calendar: Calendar,
        checkpoints: Checkpoints,
        *,
        followed: Collection[str] = (),
        troubled: Troubled = _nobody,
    ) -> None:
        self._store, self._spec, self._calendar, self._checkpoints = store, spec, calendar, checkpoints
        self._followed, self._troubled = followed, troubled
        self._store_id = marks.store_id(store)
        self._scorer: Scorer | None = None
        self._ahead: list[Ahead] = []
        self._at, self._event, self._written, self._full, self._lost = Mark(0), 0, 0, 0, False

    def load(self) -> None:
        """Reads what was learnt, and takes again what was scored since it was written down."""
        scorer = self._restored()
        self._written = self._at.id
        with self._store.read() as connection:
            mark = stored.read_mark(connection)
            if mark is not None:
                self._lost = not len(scorer.roster) and mark.id > 0
                self._replay(connection, scorer, mark)
        self._scorer = scorer

    @property
    def scorer(self) -> Scorer:
        """What is in memory; `load` first."""
        if self._scorer is None:
            self.load()
        assert self._scorer is not None  # noqa: S101 - just loaded
        return self._scorer

    @property
    def at(self) -> Mark:
        """How far it has come."""
        return self._at

    def is_due(self, connection: Connection) -> bool:
        """Whether there are samples that nobody scored; cheap."""
        return stored.last_sample(connection) > self._at.id

    def advance(self, connection: Connection, now: datetime) -> frozenset[tuple[str, str]]:
        """Scores the samples above the mark and records what follows; answers the checks (source, id) it is about.

        At most 20,000 samples; more are left for the next call. Where it raises, call `forget` and take back what it
        wrote.
        """
        event.listen(connection, "rollback", lambda _: self.forget())
        mark = stored.read_mark(connection)
        if self._scorer is None or (mark is not None and mark.generation != self._at.generation):
            self.load()
        scorer = self.scorer
        if mark is None:
            self._at = Mark(stored.last_sample(connection), self._at.generation)
            stored.note_begin(connection, now)
        else:
            self._replay(connection, scorer, mark)
        if self._lost:
            self._lost = False
            stored.note_lost(connection, True)
        self._pause(connection, scorer, now)
        rows = stored.samples_after(connection, self._at.id)[:_MOST_ROWS]
        if rows:
            found = scorer.take(rows, self._leave_out(connection, rows, now))
            insert_samples(connection, found.samples)
            insert_events(connection, found.events)
            self._at = Mark(rows[-1][0], self._at.generation)
        if self._at != mark:
            stored.set_mark(connection, self._at)
        self._complain(scorer)
        return frozenset((row[1], row[2]) for row in rows if not is_computed(row[3]))

    def adopt(self, scorer: Scorer, last: int) -> None:
        """Puts what was learnt anew from samples up to the id `last` in place of what is known.

        All processes take it over with their next sample.
        """
        with self._store.write() as connection:
            mark = stored.read_mark(connection) or Mark(stored.last_sample(connection))
            self._at, self._event = Mark(min(last, mark.id), mark.generation), 0
            self._replay(connection, scorer, mark)
            self._scorer, self._at = scorer, Mark(mark.id, mark.generation + 1)
            # Before the commit: whoever sees the new generation must find it.
            self.write(connection)
            stored.note_lost(connection, False)
            stored.set_mark(connection, self._at)

    def forget(self) -> None:
        """Drops what is in memory: a transaction was taken back."""
        self._scorer = None

    def close(self) -> None:
        """Writes down what was learnt when that is worth it, and frees the memory.

        To take samples again costs a few microseconds each, to write down 10,000 series takes a second.
        """
        news = self._at.id - self._written
        if (
            self._scorer is not None
            and news
            and (not self._written or news > _WRITTEN_EVERY * len(self._scorer.roster))
        ):
            self.write()
        self._scorer = None

    def write(self, connection: Connection | None = None) -> None:
        """Writes down what was learnt, between transactions or in one; what cannot be written is learnt again."""
        newest = self._checkpoints.read_head()
        mine = Checkpoint(self._store_id, self._at.id, self._event, self._at.generation, self.scorer.to_arrays())
        if newest is not None and newest[:1] == (self._store_id,) and newest[1:] >= (mine.generation, mine.id):
            return
        try:
            self._checkpoints.write(mine, connection)
            self._written = mine.id
        except (OSError, SQLAlchemyError) as error:
            log.warning("what was learnt of series could not be written down", error=str(error))

    # -- inside a transaction ------------------------------------------------------------------------

    def _restored(self) -> Scorer:
        """What the checkpoint has, or nothing yet."""
        checkpoint = self._checkpoints.read()
        scorer = Scorer(self._spec, self._calendar, self._followed)
        self._at, self._event = Mark(0), 0
        if checkpoint is None or checkpoint.store_id != self._store_id:
            return scorer
        try:
            scorer.restore(checkpoint.arrays)
        except (KeyError, ValueError) as error:
            log.warning("what was learnt is of another version and is learnt anew", error=str(error))
            return Scorer(self._spec, self._calendar, self._followed)
        self._at, self._event = Mark(checkpoint.id, checkpoint.generation), checkpoint.event
        return scorer

    def _replay(self, connection: Connection, scorer: Scorer, mark: Mark) -> None:
        """Takes what others scored, or we before a restart: the same samples in the same order, telling nobody."""
        self._ahead = stored.read_ahead(connection)
        newest = stored.last_event(connection)
        pauses = stored.pauses_after(connection, self._event) if newest > self._event else []
        last = self._at.id
        for pause in pauses:
            last = self._take_again(connection, scorer, last, min(pause.after, mark.id))
            scorer.pause(pause.source, pause.paused)
        self._take_again(connection, scorer, last, mark.id)
        self._at, self._event = mark, newest

    def _take_again(self, connection: Connection, scorer: Scorer, after: int, upto: int) -> int:
        while after < upto and (rows := stored.samples_after(connection, after, upto)):
            scorer.take(rows, self._ahead)
            after = rows[-1][0]
        return max(after, upto)

    def _leave_out(self, connection: Connection, rows: Sequence[Row], now: datetime) -> Sequence[Ahead]:
        """What of new samples is ahead of the clock: notes that, and says so once a day for each source."""
        notes = noted(self._ahead, rows, self._at.id, now)
        if notes is None:
            return ()
        self._ahead = notes
        stored.set_ahead(connection, notes)
        insert_events(connection, ahead_events(rows, notes[-1:], now))
        return notes[-1:]

    def _pause(self, connection: Connection, scorer: Scorer, now: datetime) -> None:
        """Notes whose samples are not learnt from now on, and whose are again."""
        troubled = self._troubled(connection, now)
        changed = sorted(scorer.paused ^ troubled.keys())
        if changed:
            insert_events(
                connection, [_pause_event(source, troubled.get(source), self._at.id, now) for source in changed]
            )
            for source in changed:
                scorer.pause(source, source in troubled)
            self._event = stored.last_event(connection)

    def _complain(self, scorer: Scorer) -> None:
        if scorer.roster.full > self._full:
            if not self._full:
                log.warning("more series than analysis.max_series: the rest is not scored", limit=self._spec.max_series)
            self._full = scorer.roster.full


def _pause_event(source: str, reason: str | None, after: int, now: datetime) -> Event:
    if reason is None:
        return Event(source, stored.RESUMED, source, now, "what is measured is learnt again", detail={"after": after})
    text = f"what is measured is not learnt: {reason}"
    return Event(source, stored.PAUSED, source, now, text, detail={"after": after})
