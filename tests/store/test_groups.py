"""Groups, their members and what the stages have to do, as the store keeps them."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import func, insert, select

from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import AlertMode, AlertState, Severity
from monitoring_pipeline.store import groups, states
from monitoring_pipeline.store.groups import Agenda, Group, Member, group_key
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.tables import memberships, transitions

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    yield opened
    opened.close()


def group(key: str = "a#1", *alerts: int) -> Group:
    members = {alert: Member(alert, NOW) for alert in alerts}
    return Group(key, "a", AlertMode.ACTIVE, "{}", NOW, members=members)


def keep(store: OperationalStore, *changed: Group) -> dict[str, Group]:
    """The groups as they are read back."""
    with store.write() as connection:
        groups.save(connection, changed)
    with store.read() as connection:
        return groups.open_groups(connection)


def moved(store: OperationalStore, *rows: tuple[int, str, str, datetime | None]) -> None:
    values = [
        {
            "alert_id": alert, "at": to_us(NOW), "before": before, "after": after, "severity": "critical",
            "reason": "because", "text": "", "by": "", "handled": None if handled is None else to_us(handled),
        }
        for alert, before, after, handled in rows
    ]  # fmt: skip
    with store.write() as connection:
        connection.execute(insert(transitions), values)


def test_a_group_is_read_back_as_it_was_kept(store: OperationalStore) -> None:
    made = group("a#1", 1, 2)
    made.flush_at = made.flushed_at = made.notified_at = LATER
    made.sequence = 3
    made.members[1].told_state, made.members[1].told_severity = AlertState.FIRING, Severity.ERROR
    found = keep(store, made)["a#1"]
    assert (found.route, found.mode, found.labels, found.created) == ("a", AlertMode.ACTIVE, "{}", NOW)
    assert (found.flush_at, found.flushed_at, found.notified_at, found.sequence) == (LATER, LATER, LATER, 3)
    assert [(each.alert, each.joined, each.told_state, each.told_severity) for each in found.members.values()] == [
        (1, NOW, AlertState.FIRING, Severity.ERROR), (2, NOW, None, None),
    ]  # fmt: skip
    assert [member.is_told for member in found.members.values()] == [True, False]


def test_what_changed_is_written_and_what_left_is_gone(store: OperationalStore) -> None:
    found = keep(store, group("a#1", 1, 2), group("b#1", 1))
    found["a#1"].sequence = 1
    found["a#1"].leave(1)
    found["a#1"].members[3] = Member(3, LATER)
    again = keep(store, *found.values())
    assert (again["a#1"].sequence, list(again["a#1"].members)) == (1, [2, 3])
    assert list(again["b#1"].members) == [1]


def test_a_group_without_members_is_removed(store: OperationalStore) -> None:
    found = keep(store, group("a#1", 1, 2), group("b#1", 1))
    found["a#1"].leave(1)
    found["a#1"].leave(2)
    assert list(keep(store, *found.values())) == ["b#1"]
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(memberships)).scalar_one() == 1


def test_a_group_that_came_and_went_in_one_pass_is_never_written(store: OperationalStore) -> None:
    made = group("a#1", 1)
    made.leave(1)
    assert keep(store, made) == {}


def test_writes_nothing_where_nothing_changed(store: OperationalStore) -> None:
    found = keep(store, group("a#1", 1))
    with store.read() as connection:  # a write would fail on PostgreSQL, and be lost
        groups.save(connection, found.values())
    assert list(found["a#1"].members) == [1]


@pytest.mark.parametrize(
    ("labels", "mode", "key"),
    [
        ("source=orders", AlertMode.ACTIVE, "night/source=orders#7"),
        ("", AlertMode.ACTIVE, "night/#7"),
        ("source=orders", AlertMode.SHADOW, "night/source=orders#7/shadow"),
    ],
)
def test_keys_are_readable(labels: str, mode: AlertMode, key: str) -> None:
    assert group_key("night", mode, labels, 7) == key


def test_long_keys_are_cut_and_stay_different() -> None:
    keys = {group_key("night", AlertMode.ACTIVE, "x" * 500 + end, 7) for end in "ab"}
    assert [len(key) for key in keys] == [200, 200]


def test_the_agenda(store: OperationalStore) -> None:
    def agenda() -> Agenda:
        with store.read() as connection:
            return groups.agenda(connection, "asked")

    assert agenda() == Agenda(moved=False, flush_at=None, asked=None, is_open=False)
    moved(store, (1, "pending", "firing", None))
    early, late = group("a#1", 1), group("b#1", 1)
    early.flush_at, late.flush_at = NOW, LATER
    keep(store, early, late)
    with store.write() as connection:
        states.set_meta(connection, "asked", str(to_us(NOW)))
    assert agenda() == Agenda(moved=True, flush_at=NOW, asked=NOW, is_open=True)


def test_who_ended_lately(store: OperationalStore) -> None:
    moved(
        store, (1, "firing", "resolved", NOW), (2, "firing", "resolved", LATER), (2, "firing", "resolved", LATER),
        (3, "pending", "firing", LATER), (4, "firing", "resolved", None),
    )  # fmt: skip
    with store.read() as connection:
        assert groups.resolved_since(connection, NOW) == [2]


def test_who_was_muted_once(store: OperationalStore) -> None:
    moved(
        store, (1, "suppressed", "firing", NOW), (2, "firing", "suppressed", NOW), (3, "suppressed", "firing", NOW),
        (4, "acknowledged", "firing", NOW),
    )  # fmt: skip
    with store.read() as connection:
        assert groups.unmuted_among(connection, range(1, 1500)) == {1, 3}
        assert groups.unmuted_among(connection, [2, 3, 4]) == {3}
