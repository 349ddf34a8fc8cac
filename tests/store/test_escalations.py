"""Rows of escalations, and of people who stand in, in both databases."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import insert
from sqlalchemy.exc import IntegrityError

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.store.escalations import (
    Escalation,
    EscalationState,
    alerts_of,
    begin_escalation,
    escalations_of,
    find_escalations,
    modes_of,
    next_due,
    open_escalations,
    stirred,
    unescalated,
    update_escalation,
    without_next_step,
)
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.overrides import Override, add_override, end_override, list_overrides
from monitoring_pipeline.store.tables import escalations

T0 = datetime(2026, 5, 6, 12, tzinfo=UTC)


def at(minutes: float) -> datetime:
    return T0 + timedelta(minutes=minutes)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, T0)
    yield opened
    opened.close()


def begin(store: OperationalStore, group: str, first: float = 5, now: float = 0) -> bool:
    with store.write() as connection:
        return begin_escalation(connection, group, "main", "{}", at(first), at(now))


def newest(store: OperationalStore, group: str) -> Escalation:
    with store.read() as connection:
        return escalations_of(connection, [group])[group][-1]


def change(store: OperationalStore, escalation: Escalation) -> None:
    with store.write() as connection:
        update_escalation(connection, escalation)


def test_a_row_comes_back_as_it_was_written(store: OperationalStore) -> None:
    begin(store, "g")
    found = newest(store, "g")
    assert found == Escalation(
        1, "g", "main", "{}", EscalationState.RUNNING, T0, level=0, round=0, resumed=0, next_at=at(5), remaining=None,
        changed=T0,
    )  # fmt: skip
    moved = replace(
        found, state=EscalationState.PAUSED, level=2, round=1, resumed=3, next_at=None, remaining=17, changed=at(9)
    )
    change(store, moved)
    assert newest(store, "g") == moved


def test_a_group_has_one_open_escalation_and_may_have_had_others(store: OperationalStore) -> None:
    assert begin(store, "g")
    assert not begin(store, "g", now=1)
    for state in (EscalationState.ACKNOWLEDGED, EscalationState.EXHAUSTED):
        change(store, replace(newest(store, "g"), state=state, next_at=None))
        assert not begin(store, "g", now=2)
    change(store, replace(newest(store, "g"), state=EscalationState.RESOLVED, next_at=None))
    assert begin(store, "g", now=3)
    with store.read() as connection:
        assert [each.id for each in open_escalations(connection)] == [2]
        assert [each.id for each in escalations_of(connection, ["g", "h"])["g"]] == [1, 2]
        assert escalations_of(connection, ["h"]) == {"h": []}
        assert [each.id for each in find_escalations(connection)] == [2, 1]
        assert [each.id for each in find_escalations(connection, states=[EscalationState.RESOLVED])] == [1]


def test_the_database_itself_refuses_a_second_open_one(store: OperationalStore) -> None:
    begin(store, "g")
    with store.read() as connection:
        row = dict(connection.execute(escalations.select()).mappings().one())
    with pytest.raises(IntegrityError), store.write() as connection:
        connection.execute(insert(escalations).values(row | {"id": 99}))


def test_what_is_due_next(store: OperationalStore) -> None:
    with store.read() as connection:
        assert next_due(connection) is None
    for group, first in (("a", 7), ("b", 3), ("c", 5)):
        begin(store, group, first)
    change(store, replace(newest(store, "b"), state=EscalationState.RESOLVED, next_at=None))
    with store.read() as connection:
        assert next_due(connection) == at(5)
        assert [each.group for each in without_next_step(connection, at(6))] == ["c"]
        assert [each.group for each in without_next_step(connection, at(5))] == []


def test_groups_that_are_unknown_have_no_alerts(store: OperationalStore) -> None:
    begin(store, "g")
    with store.read() as connection:
        assert alerts_of(connection, ["g", "h"]) == {"g": [], "h": []}
        assert modes_of(connection, ["g"]) == {}
        assert [each.group for each in stirred(connection, at(1))] == ["g"], "nothing of it fires"
        assert unescalated(connection, ["pages"], at(1)) == {}


def test_many_groups_at_once(store: OperationalStore) -> None:
    """More than a database takes as parameters of one statement."""
    names = [f"g{number}" for number in range(1201)]
    rows = [
        {
            "group_key": name, "open_key": name, "policy_name": "main", "policy": "{}", "state": "running",
            "started": to_us(T0), "level": 0, "round": 0, "resumed": 0, "next_at": to_us(at(number)), "remaining": None,
            "changed": to_us(T0),
        }
        for number, name in enumerate(names)
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(escalations), rows)
    with store.read() as connection:
        assert sum(len(found) for found in escalations_of(connection, names).values()) == 1201
        assert len(alerts_of(connection, names)) == 1201


# -- overrides ---------------------------------------------------------------------------------------


def override(store: OperationalStore, person: str, start: float, end: float, rota: str = "primary") -> int:
    with store.write() as connection:
        return add_override(connection, Override(rota, person, at(start), at(end), "anna", "holidays"), T0)


def people(store: OperationalStore, **how: object) -> list[str]:
    with store.read() as connection:
        return [each.person for each in list_overrides(connection, **how)]  # type: ignore[arg-type]


def test_overrides_are_kept_and_found(store: OperationalStore) -> None:
    number = override(store, "ben", 10, 20)
    override(store, "carla", 20, 30)
    override(store, "dora", 10, 20, "secondary")
    with store.read() as connection:
        assert list_overrides(connection)[0] == Override(
            "primary", "ben", at(10), at(20), "anna", "holidays", T0, number
        )
    assert people(store) == ["ben", "carla", "dora"]
    assert people(store, rota="primary", since=at(20)) == ["carla"]
    assert people(store, until=at(20)) == ["ben", "dora"]
    assert people(store, since=at(20), until=at(20.1)) == ["carla"]


def test_an_override_ends_now_or_never_begins(store: OperationalStore) -> None:
    running, coming = override(store, "ben", 0, 20), override(store, "carla", 20, 30)
    with store.write() as connection:
        assert end_override(connection, running, at(5))
        assert end_override(connection, coming, at(5))
        assert not end_override(connection, running, at(6))
        assert not end_override(connection, coming, at(6))
    with store.read() as connection:
        assert [(each.person, each.end) for each in list_overrides(connection)] == [("ben", at(5))]


def test_overrides_that_make_no_sense(store: OperationalStore) -> None:
    override(store, "ben", 0, 20)
    with store.write() as connection:
        with pytest.raises(ValueError, match="an override ends after it begins"):
            add_override(connection, Override("primary", "ben", at(5), at(5)), T0)
        with pytest.raises(NotFound, match="7"):
            end_override(connection, 7, T0)
