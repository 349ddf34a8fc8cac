"""Attempts are kept once each; windows over them are the same however far they got on their way to history."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, func, select

from monitoring_pipeline.records import CollectionAttempt, CollectionCheck
from monitoring_pipeline.store import history, tables
from monitoring_pipeline.store.activity import DAY, HOUR, LOOKED_BACK, SPANS, Activity, Stretch, activities
from monitoring_pipeline.store.collections import insert_attempts, known_before, latest
from monitoring_pipeline.store.collectors import CollectorState, collector_states, forget_collectors
from monitoring_pipeline.store.expiry import expire_warehouse
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from monitoring_pipeline.store.spec import RetentionSpec

NOW = datetime(2026, 11, 30, 14, 20, tzinfo=UTC)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    found = OperationalStore.open(store_url, NOW)
    yield found
    found.close()


def attempt(key: str, ago: timedelta = timedelta(0), *, success: bool = True, **fields: object) -> CollectionAttempt:
    given_ = {"collector": "loader", "source": "orders", "duration_ms": 100.0, **fields}
    return CollectionAttempt(key=key, success=success, at=NOW - ago, received=NOW - ago, **given_)  # type: ignore[arg-type]


def insert(store: OperationalStore, attempts: Sequence[CollectionAttempt]) -> list[str]:
    with store.write() as connection:
        return [each.key for each in insert_attempts(connection, attempts)]


def states(store: OperationalStore) -> dict[str, CollectorState]:
    with store.read() as connection:
        return collector_states(connection)


def asked(store: OperationalStore, published: Path) -> dict[str, Activity]:
    with history.connect(store, published, now=NOW, since=NOW - LOOKED_BACK, tables=("collections",)) as connection:
        return activities(connection, states(store), NOW)


def test_an_attempt_is_kept_once(store: OperationalStore):
    assert insert(store, [attempt("a"), attempt("b"), attempt("a", success=False)]) == ["a", "b"]
    assert insert(store, [attempt("b"), attempt("c")]) == ["c"]
    assert insert(store, [attempt(f"many-{n % 700}") for n in range(1400)]) == [f"many-{n}" for n in range(700)]
    with store.read() as connection:
        assert connection.execute(select(func.count()).select_from(tables.collections)).scalar_one() == 703


def test_a_state_follows_the_attempts_in_their_own_order(store: OperationalStore):
    minute = timedelta(minutes=1)
    insert(store, [attempt("c", 3 * minute, success=False, error="third"), attempt("a", 5 * minute)])
    insert(store, [attempt("d", 2 * minute, success=False, error="fourth", source="elsewhere")])
    insert(store, [attempt("b", 4 * minute, success=False, error="late"), attempt("z", 9 * minute)])
    assert states(store)["loader"] == CollectorState(
        "loader", "elsewhere", NOW - 9 * minute, NOW - 2 * minute, NOW - 5 * minute, "fourth", 2
    )
    insert(store, [attempt("e")])
    assert (states(store)["loader"].failures, states(store)["loader"].last_success) == (0, NOW)
    with store.write() as connection:
        assert forget_collectors(connection, NOW) == 0
        assert forget_collectors(connection, NOW + minute) == 1
    assert states(store) == {}


# -- windows -----------------------------------------------------------------------------------------


def reference(attempts: Sequence[CollectionAttempt], span: timedelta) -> Stretch:
    """What a Stretch means, in plain Python; quantiles interpolate as statistics.quantiles does."""
    inside = [each for each in attempts if NOW - span < each.at <= NOW]
    times = sorted(each.duration_ms for each in inside if each.duration_ms is not None)
    qualities = [each.quality for each in inside if each.quality is not None]
    return Stretch(
        len(inside),
        sum(not each.success for each in inside),
        sum(each.rows or 0 for each in inside),
        sum(each.bytes or 0 for each in inside),
        sum(each.success and each.rows is not None for each in inside),
        statistics.median(times) if times else None,
        quality=statistics.mean(qualities) if qualities else None,
    )


def agree(found: Stretch, wanted: Stretch, times: Sequence[float]) -> None:
    assert (found.attempts, found.failures, found.rows, found.bytes, found.counted) == (
        wanted.attempts, wanted.failures, wanted.rows, wanted.bytes, wanted.counted,
    )  # fmt: skip
    assert found.quality == (None if wanted.quality is None else pytest.approx(wanted.quality))
    if wanted.p50_ms is None:
        assert (found.p50_ms, found.p95_ms) == (None, None)
        return
    assert found.p50_ms is not None
    assert found.p95_ms is not None
    # A bucket's middle is within 2.5 % of one of the two values around the median.
    middle = sorted(times)[(len(times) - 1) // 2 : len(times) // 2 + 1]
    assert 0.97 * middle[0] <= found.p50_ms <= 1.03 * middle[-1]
    assert 0.999 * found.p50_ms <= found.p95_ms <= 1.03 * max(times)


ATTEMPTS = st.lists(
    st.builds(
        lambda ago, name, check, fields, success: attempt(
            "", timedelta(minutes=ago), success=success, collector=name, check=check, **fields
        ),
        st.one_of(st.integers(0, 300), st.integers(0, 8 * 24 * 60)),
        st.sampled_from(["one", "two"]),
        st.sampled_from([None, None, CollectionCheck.PARSING]),
        st.fixed_dictionaries(
            {
                "rows": st.none() | st.integers(0, 10_000).map(float),
                "bytes": st.none() | st.integers(0, 10_000).map(float),
                "duration_ms": st.none() | st.floats(0.01, 1e6),
                "quality": st.none() | st.floats(0, 100),
            }
        ),
        st.booleans(),
    ),
    max_size=40,
)


@given(ATTEMPTS, st.lists(st.integers(0, 40), max_size=2))
@settings(max_examples=8, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
def test_windows_are_what_they_are_however_much_is_loaded(tmp_path_factory, attempts, loads):
    """Whatever came when, and whatever of it is history already: late ones, empty hours and edges of windows."""
    folder = tmp_path_factory.mktemp("windows")
    store = OperationalStore.open(f"sqlite:///{folder}/operational.db", NOW)
    warehouse, published = folder / "warehouse.duckdb", folder / "published.duckdb"
    attempts = [
        CollectionAttempt(**{name: getattr(each, name) for name in each.__slots__} | {"key": str(number)})
        for number, each in enumerate(attempts)
    ]
    cuts = sorted({min(load, len(attempts)) for load in loads})
    for start, end in zip([0, *cuts], [*cuts, len(attempts)], strict=True):
        insert(store, attempts[start:end])
        if end in cuts:
            load_hot(store, warehouse, NOW)
            publish(store, warehouse, published, NOW)
    found = asked(store, published)
    assert set(found) == {each.collector for each in attempts}
    for name, activity in found.items():
        mine = [each for each in attempts if each.collector == name]
        for span in SPANS:
            inside = [each.duration_ms for each in mine if NOW - span < each.at and each.duration_ms is not None]
            agree(activity.windows[span], reference(mine, span), inside)
        for check, stretch in activity.checks.items():
            some = [each for each in mine if (each.check or "") == check]
            times = [each.duration_ms for each in some if each.at > NOW - DAY and each.duration_ms is not None]
            agree(stretch, reference(some, DAY), times)
        assert sum(stretch.attempts for stretch in activity.checks.values()) == activity.windows[DAY].attempts
    store.close()


def test_habits_are_parts_of_the_hours_that_the_last_one_lies_in(tmp_path: Path):
    store = OperationalStore.open(f"sqlite:///{tmp_path}/operational.db", NOW)
    # 14:20 now: of a day before count two thirds of 13h and a third of 14h.
    day = timedelta(days=1)
    thirteen, fourteen = timedelta(minutes=50), timedelta(minutes=10)
    for number in range(6):
        insert(store, [attempt(f"a{number}", day + thirteen, rows=30, duration_ms=300.0)])
        insert(store, [attempt(f"b{number}", day + fourteen, success=number % 2 == 0, rows=None, duration_ms=600.0)])
        insert(store, [attempt(f"c{number}", 20 * day + thirteen)])
    insert(store, [attempt("d", 3 * day + thirteen)])
    insert(store, [attempt("now")])
    load_hot(store, tmp_path / "warehouse.duckdb", NOW)
    publish(store, tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb", NOW)
    yesterday, before = asked(store, tmp_path / "published.duckdb")["loader"].habits
    assert yesterday.attempts == pytest.approx(6)
    assert (yesterday.failures, yesterday.rows, yesterday.counted) == pytest.approx((1, 120, 4))
    assert yesterday.p50_ms == pytest.approx(400)
    assert before.attempts == pytest.approx(2 / 3)
    store.close()


def test_old_attempts_expire_with_their_hours(tmp_path: Path):
    store = OperationalStore.open(f"sqlite:///{tmp_path}/operational.db", NOW)
    warehouse = tmp_path / "warehouse.duckdb"
    insert(store, [attempt("old", timedelta(days=100)), attempt("new")])
    load_hot(store, warehouse, NOW)
    deleted = expire_warehouse(warehouse, RetentionSpec(), NOW)
    assert (deleted["collections"], deleted["collection_hours"], deleted["collection_durations"]) == (1, 1, 1)
    store.close()


def test_attempts_are_found_again(tmp_path: Path):
    store = OperationalStore.open(f"sqlite:///{tmp_path}/operational.db", NOW)
    published = tmp_path / "published.duckdb"
    insert(store, [attempt("it's old", 2 * HOUR, success=False, error="no", check=CollectionCheck.SCHEMA)])
    load_hot(store, tmp_path / "warehouse.duckdb", NOW)
    publish(store, tmp_path / "warehouse.duckdb", published, NOW)
    with store.write() as connection:
        connection.execute(delete(tables.collections))
    insert(store, [attempt("new", tags={"region": "eu"}, rows=3)])
    with history.connect(store, published, now=NOW, tables=("collections",)) as connection:
        assert known_before(connection, ["it's old", "new", "other"], NOW - 3 * HOUR) == {"it's old", "new"}
        assert known_before(connection, ["it's old"], NOW - HOUR) == set()
        newest, oldest = latest(connection, "loader", NOW - DAY, NOW)
        assert (newest.key, newest.rows, newest.tags, newest.at) == ("new", 3, {"region": "eu"}, NOW)
        assert (oldest.check, oldest.error, oldest.rows) == (CollectionCheck.SCHEMA, "no", None)
        assert latest(connection, "loader", NOW - DAY, NOW, failed=True) == [oldest]
        assert latest(connection, "loader", NOW - DAY, NOW, check=CollectionCheck.SCHEMA) == [oldest]
        assert latest(connection, "loader", NOW - DAY, NOW, limit=1) == [newest]
    store.close()
