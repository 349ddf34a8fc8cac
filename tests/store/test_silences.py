"""Silences and maintenance announced by people, as the store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store import silences
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.silences import Silence, SilenceKind

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def minute(number: float) -> datetime:
    return NOW + timedelta(minutes=number)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


def add(store: OperationalStore, kind: str = "silence", **values: Any) -> Silence:
    given = {"author": "eva", "reason": "known", "now": NOW, **values}
    with store.write() as connection:
        return silences.add(connection, SilenceKind(kind), {"source": ["db*"]}, **given)


def active(store: OperationalStore, at: float, kind: SilenceKind | None = None) -> list[int]:
    with store.read() as connection:
        return [each.id for each in silences.active(connection, minute(at), kind)]


def test_is_read_back_as_it_was_added(store: OperationalStore) -> None:
    added = add(store, ends=minute(5))
    assert added == Silence(
        1, SilenceKind.SILENCE, {"source": ["db*"]}, "eva", "known", NOW, NOW, minute(5), ""
    )  # fmt: skip
    with store.read() as connection:
        assert silences.get(connection, 1) == added
        with pytest.raises(NotFound, match="silence"):
            silences.get(connection, 2)


@pytest.mark.parametrize(
    ("values", "moments"),
    [
        ({}, [0, 1, 10_000]),
        ({"ends": minute(1)}, [0]),
        ({"starts": minute(1)}, [1, 10_000]),
        ({"starts": minute(0.5), "ends": minute(2)}, [1]),
    ],
)
def test_is_active_from_its_start_and_before_its_end(
    store: OperationalStore, values: dict[str, Any], moments: list[float]
) -> None:
    added = add(store, **values)
    assert [at for at in (-1, 0, 1, 10_000) if active(store, at)] == moments
    assert [at for at in (-1, 0, 1, 10_000) if added.is_active(minute(at))] == moments


def test_cannot_end_before_it_starts(store: OperationalStore) -> None:
    with pytest.raises(ValueError, match="before it starts"):
        add(store, ends=NOW)


def test_is_ended_once(store: OperationalStore) -> None:
    added = add(store, ends=minute(5))
    with store.write() as connection:
        assert silences.end(connection, added.id, "max", minute(1))
        assert not silences.end(connection, added.id, "max", minute(2))
        ended = silences.get(connection, added.id)
    assert (ended.ends, ended.ended_by) == (minute(1), "max")
    assert active(store, 1) == []


def test_one_that_has_not_begun_never_does_once_it_is_ended(store: OperationalStore) -> None:
    added = add(store, starts=minute(5))
    with store.write() as connection:
        assert silences.end(connection, added.id, "max", minute(1))
    assert active(store, 6) == []


def test_kinds_are_told_apart(store: OperationalStore) -> None:
    add(store)
    add(store, "maintenance")
    assert active(store, 0, SilenceKind.MAINTENANCE) == [2]
    assert active(store, 0) == [1, 2]
    with store.read() as connection:
        assert [each.id for each in silences.find(connection)] == [2, 1]
        assert [each.id for each in silences.find(connection, kind=SilenceKind.SILENCE)] == [1]


def test_what_was_over_can_be_left_out(store: OperationalStore) -> None:
    add(store, ends=minute(1))
    add(store, ends=minute(3))
    add(store)
    with store.read() as connection:
        assert [each.id for each in silences.find(connection, over_since=minute(2))] == [3, 2]
        assert [each.id for each in silences.find(connection, limit=1)] == [3]


def test_the_next_change(store: OperationalStore) -> None:
    def next_change(at: float) -> datetime | None:
        with store.read() as connection:
            return silences.next_change(connection, minute(at))

    assert next_change(-1) is None
    add(store, starts=minute(2), ends=minute(4))
    assert [next_change(at) for at in (-1, 0, 2, 4)] == [NOW, minute(2), minute(4), None]
