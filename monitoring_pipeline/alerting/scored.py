"""Scores what was recorded before it is judged, in the same transaction: a strange number alerts at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import datetime, timedelta

import structlog
from sqlalchemy import Connection
from sqlalchemy.exc import OperationalError

from monitoring_pipeline.analysis.scoring.machine_code import AtOnce, Code
from monitoring_pipeline.analysis.scoring.online import Scoring
from monitoring_pipeline.checks.judge import Judge

__all__ = ["Scored"]

log = structlog.get_logger(__name__)
_REST = timedelta(seconds=20)


class Scored:
    """A `checks.judge.Judge` that scores and then lets another one judge, if there is one.

    While the detector's code is not there samples wait; whoever judges does not.
    """

    def __init__(self, scoring: Scoring, judge: Judge | None, code: Code | None = None) -> None:
        self._scoring, self._judge, self._code = scoring, judge, code or AtOnce()
        self._complained = False
        self._broke: datetime | None = None

    def load(self, sources: Collection[str] | None = None) -> None:
        """Reads what was learnt, and what the other one needs."""
        self._code.begin()
        if self._code.is_there():
            self._scoring.load()
        if self._judge is not None:
            self._judge.load(sources)

    def is_due(self, connection: Connection, now: datetime) -> bool:
        """Whether samples wait for their scores, or the other one has something to do."""
        return (not self.rests(now) and self._scoring.is_due(connection)) or (
            self._judge is not None and self._judge.is_due(connection, now)
        )

    def judge(
        self, connection: Connection, touched: Collection[tuple[str, str]], changed: Collection[str], now: datetime
    ) -> bool:
        """Scores new samples, and has judged what is about them as well as what was `touched`."""
        scored = self._score(connection, now)
        return self._judge is not None and self._judge.judge(connection, {*touched, *scored}, changed, now)

    def _score(self, connection: Connection, now: datetime) -> Collection[tuple[str, str]]:
        """What breaks takes only itself back; results are recorded and judged all the same."""
        if self.rests(now):
            return ()
        try:
            with connection.begin_nested():
                return self._scoring.advance(connection, now)
        except OperationalError:
            self._scoring.forget()
            raise  # the store itself: nothing was recorded, all of it is tried again
        except Exception:
            self._scoring.forget()
            self._broke = now
            if not self._complained:
                log.exception("samples were recorded, but could not be scored")
            self._complained = True
            return ()

    def rests(self, now: datetime) -> bool:
        """Whether nothing is scored now. Where it broke just now: to read what was learnt again twice a second would
        cost checks their slots."""
        return not self._code.is_there() or (self._broke is not None and timedelta(0) <= now - self._broke < _REST)

    def nudge(self) -> None:
        """Passed on."""
        if self._judge is not None:
            self._judge.nudge()

    async def work(self, stop: asyncio.Event) -> None:
        """Lets the other one tell people."""
        if self._judge is not None:
            await self._judge.work(stop)

    def close(self) -> None:
        """Writes down what was learnt, and gives back the rest."""
        self._scoring.close()
        if self._judge is not None:
            self._judge.close()
