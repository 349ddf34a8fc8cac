"""Days of promises in the warehouse: computed once, computed again, and whole whatever dies meanwhile."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest

from monitoring_pipeline.analysis.sla import days
from monitoring_pipeline.analysis.sla.correcting import correct
from monitoring_pipeline.analysis.sla.days import Computed, recompute, refresh
from monitoring_pipeline.errors import Refusal
from monitoring_pipeline.records import Reclassified
from monitoring_pipeline.store import sla_days as stored
from monitoring_pipeline.store.expiry import expire_hot
from monitoring_pipeline.store.spec import RetentionSpec
from monitoring_pipeline.store.warehouse import open_warehouse
from tests.analysis.sla.promising import Past, at, past


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Past]:
    """Three weeks in which db fails an hour each day."""
    objectives = {"up": {"source": "*", "target": "99%"}, "berlin": {
        "source": "db", "target": "99%", "timezone": "Europe/Berlin"}}  # fmt: skip
    with past(f"sqlite:///{tmp_path}/hot.db", tmp_path, objectives, "db", "api") as found:
        found.status("api", (0, "healthy"))
        found.status("db", *[
            (24 * day + hour, status)
            for day in range(21) for hour, status in ((0, "healthy"), (5, "critical"), (6, "healthy"))
        ])  # fmt: skip
        yield found


def kept(here: Past) -> list[Any]:
    with duckdb.connect(str(here.room.warehouse), read_only=True) as connection:
        return connection.execute(
            "SELECT * EXCLUDE (computed) FROM sla_days ORDER BY objective, subject, day"
        ).fetchall()  # fmt: skip


def test_a_run_that_dies_leaves_whole_weeks_and_the_next_one_goes_on(
    here: Past, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    with monkeypatch.context() as patched:
        patched.setattr(days, "stored", _Dying(2))
        with pytest.raises(KeyboardInterrupt):
            refresh(here.room, at(24 * 21))
    done = len(kept(here))
    assert 0 < done < 61
    here.publish(24 * 21)
    assert refresh(here.room, at(24 * 21)).rows == 61 - done
    first = kept(here)
    assert len(first) == 61  # the last day of Berlin is over two hours before that of UTC
    assert recompute(here.room, date(2026, 5, 1), date(2026, 5, 21), at(24 * 21)).rows == 61
    assert kept(here) == first


class _Dying:
    """The store's doors; writing dies after some calls."""

    def __init__(self, calls: int) -> None:
        self._left = calls

    def __getattr__(self, name: str) -> Any:
        return getattr(stored, name)

    def write_days(self, *arguments: Any) -> None:
        if not self._left:
            raise KeyboardInterrupt
        self._left -= 1
        stored.write_days(*arguments)


def test_writing_dies_in_the_middle_and_nothing_is_lost(here: Past, monkeypatch: pytest.MonkeyPatch) -> None:
    refresh(here.room, at(24 * 3))
    before = kept(here)
    monkeypatch.setattr(stored, "_BATCH", 1)
    columns = stored._columns
    monkeypatch.setattr(stored, "_columns", lambda rows: 1 / 0 if rows[0].subject == "db" else columns(rows))
    with pytest.raises(ZeroDivisionError):
        recompute(here.room, date(2026, 5, 1), date(2026, 5, 3), at(24 * 3))
    monkeypatch.undo()
    assert kept(here) == before


def test_only_days_that_are_over_are_kept(here: Past) -> None:
    assert refresh(here.room, at(24 * 2 - 0.01)) == Computed(4, date(2026, 5, 1), date(2026, 5, 2))
    assert recompute(here.room, date(2026, 5, 2), date(2026, 6, 2), at(24 * 2 + 1)) == Computed(
        3, date(2026, 5, 2), date(2026, 5, 2)
    )  # fmt: skip


def test_days_add_up_to_their_length(here: Past) -> None:
    refresh(here.room, at(24 * 21))
    with duckdb.connect(str(here.room.warehouse), read_only=True) as connection:
        wrong = connection.execute(
            """
            SELECT count(*) FROM sla_days WHERE good + bad + unknown + excluded <> epoch_us("end") - epoch_us(start)
               OR m_good + m_bad + m_unknown + m_excluded <> epoch_us("end") - epoch_us(start)
            """
        ).fetchall()
    assert wrong == [(0,)]


def test_without_objectives_nothing_is_computed(here: Past) -> None:
    here.promise({})
    assert refresh(here.room, at(24 * 21)) == Computed()


def test_an_objective_about_nothing_that_ever_happened_keeps_no_days(here: Past) -> None:
    here.promise({"q": {"kind": "quality", "source": "db", "threshold": 90, "target": "99%"}})
    assert refresh(here.room, at(24 * 21)) == Computed()


def test_a_day_stays_as_it_is_once_what_it_was_computed_from_expires(here: Past) -> None:
    here.promise({"up": {"kind": "quality", "source": "db", "threshold": 90, "target": "99%", "holds": "2d"}})
    here.sample("db", "quality", (0, 99), (30, 80), (60, 99))
    assert refresh(here.room, at(100)).rows == 4
    here.publish(100)
    late = 24 * 120
    with open_warehouse(here.room.warehouse, at(late)) as warehouse:
        warehouse.execute("DELETE FROM samples")
    here.publish(late)
    assert expire_hot(here.store, RetentionSpec(), at(late))["samples"] == 3
    here.correct("db", 30, 40, "up", now=at(late))
    here.publish(late)
    assert refresh(here.room, at(late)).rows == 0
    assert recompute(here.room, date(2026, 5, 1), date(2026, 5, 4), at(late)).rows == 0
    here.publish(late)
    found = here.standing(late, at=at(5))
    assert [part.pair.corrected.bad / 3.6e9 for part in found.parts[:3]] == [0, 18, 12]


def test_nobody_corrects_what_stays_as_it_is(here: Past) -> None:
    here.promise({"up": {"kind": "quality", "source": "db", "threshold": 90, "target": "99%"}})
    late, about = at(24 * 120), (Reclassified.UP,)
    known = {"author": "eva", "reason": "because", "now": late, "frozen": partial(here.room.frozen, now=late)}
    with here.store.write() as connection:
        with pytest.raises(Refusal, match="before 2026-05-31 00:00 UTC is not kept any more"):
            correct(connection, here.room.promises, "db", at(30), at(40), *about, **known)
        correct(connection, here.room.promises, "db", at(24 * 40), at(24 * 41), *about, **known)
        correct(connection, here.room.promises, "api", at(30), at(40), *about, **known)  # nothing was promised


def test_days_that_a_clock_ahead_took_for_past_are_forgotten(here: Past) -> None:
    refresh(here.room, at(24 * 21))
    here.publish(24 * 21)
    before, now = kept(here), at(24 * 10)
    found = here.standing(24 * 10, "berlin", daily=False)
    assert found.parts[-1].end == now
    refresh(here.room, now)
    assert kept(here) == [row for row in before if row[5] <= now.replace(tzinfo=None)]
