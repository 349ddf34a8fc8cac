"""The ledger of corrections: only ever longer, and whoever touches an entry is found out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import delete, insert, select, update

from monitoring_pipeline.errors import NotFound
from monitoring_pipeline.records import LedgerEntry, Reclassified
from monitoring_pipeline.store import ledger, tables
from monitoring_pipeline.store.alerts import audit_of
from monitoring_pipeline.store.operational import OperationalStore

NOW = datetime(2026, 5, 10, 12, 30, 0, 250_000, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    opened = OperationalStore.open(store_url, NOW)
    with opened.write() as connection:
        for number in range(4):
            ledger.append(
                connection, author="eva", now=NOW + timedelta(minutes=number), source="db", as_=Reclassified.UP,
                start=NOW, end=NOW + timedelta(hours=1), reason=f"Grund {number}: “ätsch”",
                revokes=2 if number == 3 else None,
            )  # fmt: skip
    yield opened
    opened.close()


def entries(store: OperationalStore) -> list[LedgerEntry]:
    with store.read() as connection:
        return ledger.entries(connection)


def verdict(store: OperationalStore) -> ledger.Break | None:
    with store.read() as connection:
        found = ledger.entries(connection)
        return ledger.check_chain(found) or ledger.missing(connection, found)


def tamper(store: OperationalStore, statement: Any) -> None:
    with store.write() as connection:
        connection.execute(statement)


def test_entries_are_numbered_sealed_and_audited(store: OperationalStore) -> None:
    found = entries(store)
    assert [entry.number for entry in found] == [1, 2, 3, 4]
    assert [entry.previous for entry in found] == ["", *(entry.hash for entry in found[:-1])]
    assert found[3].revokes == 2
    assert verdict(store) is None
    with store.read() as connection:
        assert [kept.detail["hash"] for kept in audit_of(connection, "source:db")] == [each.hash for each in found]
        assert ledger.entries(connection, ["api"]) == []
        assert ledger.get(connection, 3) == found[2]
        with pytest.raises(NotFound, match="entry of the ledger '9'"):
            ledger.get(connection, 9)


@pytest.mark.parametrize(
    "change",
    [
        {"author": "max"}, {"reason": "other"}, {"as": "down"}, {"starts": 0}, {"ends": 1}, {"source": "api"},
        {"at": 0}, {"objective": "up"}, {"revokes": 1}, {"hash": "0" * 64},
    ],
)  # fmt: skip
def test_a_changed_entry_is_found(tmp_path: Any, change: dict[str, Any]) -> None:
    store = OperationalStore.open(f"sqlite:///{tmp_path}/hot.db", NOW)
    with store.write() as connection:
        for _ in range(3):
            ledger.append(
                connection, author="eva", now=NOW, source="db", start=NOW, end=NOW + timedelta(1),
                as_=Reclassified.UP, reason="r",
            )  # fmt: skip
    tamper(store, update(tables.ledger).where(tables.ledger.c.number == 2).values(change))
    found = verdict(store)
    assert found is not None
    assert found.number == 2
    store.close()


@pytest.mark.parametrize("change", [{"as": "sideways"}, {"ends": 2**62}])
def test_an_entry_that_cannot_be_is_named(store: OperationalStore, change: dict[str, Any]) -> None:
    tamper(store, update(tables.ledger).where(tables.ledger.c.number == 2).values(**change))
    with pytest.raises(ledger.Unreadable, match="entry 2 of the ledger cannot be read"):
        entries(store)
    with store.read() as connection:
        assert ledger.count(connection) == 4


def test_an_audit_log_that_cannot_be_read_is_told(store: OperationalStore) -> None:
    tamper(store, update(tables.audit).values(detail="gone"))
    found = verdict(store)
    assert found is not None
    assert "the audit log about the ledger was changed" in found.why


def test_an_entry_that_was_taken_away_is_missed(store: OperationalStore) -> None:
    tamper(store, delete(tables.ledger).where(tables.ledger.c.number == 2))
    assert verdict(store) == ledger.Break(2, "entry 2 is missing, the next one there is has number 3")


def test_that_the_last_entry_was_taken_away_the_audit_log_knows(store: OperationalStore) -> None:
    tamper(store, delete(tables.ledger).where(tables.ledger.c.number == 4))
    assert verdict(store) == ledger.Break(4, "the audit log knows it, and it is gone")


def test_a_chain_that_was_sealed_anew_is_not_the_one_the_audit_log_knows(store: OperationalStore) -> None:
    previous, forged = "", []
    for entry in entries(store):
        entry = replace(entry, previous=previous, author="max" if entry.number == 3 else entry.author)
        previous = ledger.entry_hash(entry)
        forged.append(replace(entry, hash=previous))
    tamper(store, delete(tables.ledger))
    with store.write() as connection:
        for entry in forged:
            connection.execute(insert(tables.ledger).values(ledger._row(entry)))
    assert ledger.check_chain(entries(store)) is None
    assert verdict(store) == ledger.Break(3, "the audit log knows another hash of it")


def test_an_entry_that_was_put_in_is_found(store: OperationalStore) -> None:
    with store.write() as connection:
        row = connection.execute(select(tables.ledger).where(tables.ledger.c.number == 4)).mappings().one()
        connection.execute(insert(tables.ledger).values({**row, "number": 5}))
    found = verdict(store)
    assert found is not None
    assert found.number == 5


def test_an_entry_that_was_put_in_at_the_end_and_sealed_is_found(store: OperationalStore) -> None:
    last = entries(store)[-1]
    forged = replace(last, number=5, previous=last.hash)
    with store.write() as connection:
        row = ledger._row(replace(forged, hash=ledger.entry_hash(forged)))
        connection.execute(insert(tables.ledger).values(row))
    assert ledger.check_chain(entries(store)) is None
    assert verdict(store) == ledger.Break(5, "the audit log does not know it")


def test_what_was_exported_reads_back(store: OperationalStore) -> None:
    assert [ledger.of_document(ledger.document(entry)) for entry in entries(store)] == entries(store)


def test_a_transaction_that_fails_leaves_no_hole(store: OperationalStore) -> None:
    with pytest.raises(RuntimeError), store.write() as connection:
        ledger.append(
            connection, author="eva", now=NOW, source="db", start=NOW, end=NOW, as_=Reclassified.UP, reason="r"
        )  # fmt: skip
        raise RuntimeError
    assert len(entries(store)) == 4
    assert verdict(store) is None
