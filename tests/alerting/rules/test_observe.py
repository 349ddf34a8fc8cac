"""What queries find: set-wise as in the plain reference, and each recorded row exactly once."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, insert

from monitoring_pipeline.alerting.rules.condition import Aggregation, Answer, Query, Series
from monitoring_pipeline.alerting.rules.observe import Windows
from monitoring_pipeline.alerting.rules.reference import Point, answer
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.errors import StoreError
from monitoring_pipeline.store import tables
from monitoring_pipeline.store.expiry import expire_hot
from monitoring_pipeline.store.loading import load_hot
from monitoring_pipeline.store.operational import OperationalStore
from monitoring_pipeline.store.publishing import publish
from tests.store.rows import RETENTION, T0, minutes, result, sample, write

STATUSES = ("healthy", "unknown", "warning", "critical")
TEN = minutes(10)
WINDOWS = tuple(timedelta(minutes=n) for n in (0.5, 1, 2, 5, 17, 30, 60))


def query(
    metric: str = "response_time_ms",
    aggregation: Aggregation = Aggregation.COUNT,
    *,
    source: str = "s",
    check: str = "",
    window: timedelta = timedelta(minutes=10),
    newest: int = 0,
    tags: tuple[tuple[str, str], ...] = (),
) -> Query:
    return Query(Series.SAMPLES, source, check, metric, aggregation, window, newest, tags)


def of_results(
    aggregation: Aggregation, *, source: str = "s", check: str = "", window: timedelta = timedelta(minutes=10),
    newest: int = 0,
) -> Query:  # fmt: skip
    return Query(Series.RESULTS, source, check, "", aggregation, window, newest)


# -- the property: set-wise is as the reference says -----------------------------------------------------

# Few moments, so that many points share one; values that repeat, fall and are negative.
moments = st.integers(0, 15).map(lambda n: minutes(n * 0.5))
sources = st.sampled_from(("s", "s", "s", "t"))
checks = st.sampled_from(("", "", "a", "b"))
tag_sets = st.sampled_from(({}, {}, {"zone": "a"}, {"zone": "b", "disk": "x"}, {"disk": "x", "zone": "b"}))
numbers = st.one_of(st.integers(-3, 6).map(float), st.floats(-1e6, 1e6, allow_nan=False))


@st.composite
def point_lists(draw: st.DrawFn) -> list[Point]:
    points: list[Point] = []
    for number in draw(st.permutations(range(draw(st.integers(0, 40))))):
        common = (draw(sources), draw(checks))
        if draw(st.booleans()):
            metric, unit = draw(st.sampled_from((("m", "ms"), ("m", "ms"), ("m", ""), ("n", "%"))))
            points.append(
                Point(Series.SAMPLES, *common, metric, draw(moments), draw(numbers), number + 1, unit, draw(tag_sets))
            )
        else:
            rank = float(draw(st.integers(0, 3)))
            points.append(Point(Series.RESULTS, *common, "", draw(moments), rank, number + 1))
    return points


@st.composite
def queries(draw: st.DrawFn) -> Query:
    of_samples = draw(st.booleans())
    plain = Query(
        Series.SAMPLES if of_samples else Series.RESULTS,
        draw(sources),
        draw(checks),
        draw(st.sampled_from(("m", "m", "n"))) if of_samples else "",
        Aggregation.LAST,
        draw(st.sampled_from(WINDOWS)),
        draw(st.sampled_from((0, 0, 1, 3, 8))),
        draw(st.sampled_from(((), (("zone", "a"),), (("zone", "b"), ("disk", "x"))))) if of_samples else (),
    )
    return plain._replace(aggregation=draw(st.sampled_from(kinds_of(plain))))


def kinds_of(each: Query) -> list[Aggregation]:
    """The aggregations that its series has."""
    of_results = (Aggregation.CHANGES, Aggregation.FAILURES, Aggregation.FAILED)
    return [kind for kind in Aggregation if each.series is Series.RESULTS or kind not in of_results]


asked_lists = st.lists(st.tuples(queries(), st.integers(0, 12).map(minutes)), min_size=1, max_size=5)


def same(found: Answer, wanted: Answer) -> bool:
    """Equal; numbers to 1e-9, or what remains of sums of millions that cancel out."""
    if (found.value is None) != (wanted.value is None) or found[1:] != wanted[1:]:
        return False
    return found.value is None or math.isclose(found.value, wanted.value or 0.0, rel_tol=1e-9, abs_tol=1e-6)


def check_all(windows: Windows, points: Sequence[Point], asked: Sequence[tuple[Query, datetime]]) -> None:
    for (each, at), found in zip(asked, windows.answer(asked), strict=True):
        wanted = answer(points, each, at)
        assert same(found, wanted), (each, at, found, wanted)


@given(point_lists(), asked_lists)
@settings(max_examples=150, deadline=None)
def test_answers_are_those_of_the_reference(points: list[Point], asked: list[tuple[Query, datetime]]) -> None:
    every = [(each._replace(aggregation=kind), at) for each, at in asked for kind in kinds_of(each)]
    windows = Windows.over(points, [each for each, _ in every])
    try:
        check_all(windows, points, every)
    finally:
        windows.close()


@given(point_lists(), st.lists(queries(), min_size=1, max_size=3))
@settings(max_examples=40, deadline=None)
def test_answers_at_very_many_moments_are_too(points: list[Point], asked: list[Query]) -> None:
    moments = [minutes(n * 0.25) for n in range(80)]
    windows = Windows.over(points, asked)
    try:
        check_all(windows, points, [(each, at) for each in asked for at in moments])
    finally:
        windows.close()


def test_of_values_at_one_moment_the_one_recorded_last_is_the_newest() -> None:
    points = [
        Point(Series.SAMPLES, "s", "", "m", minutes(1), value, number)
        for value, number in ((1.0, 3), (2.0, 5), (3.0, 1))
    ]
    asked = query("m", Aggregation.LAST, newest=2)
    assert Windows.over(points, [asked]).answer([(asked, minutes(2))])[0][:3] == (2.0, 3, (2.0, 1.0))


def test_tags_written_in_another_order_are_the_same_stream() -> None:
    points = [
        Point(Series.SAMPLES, "s", "", "m", minutes(n), float(n), n, "", tags)
        for n, tags in enumerate(({"a": "1", "b": "2"}, {"b": "2", "a": "1"}))
    ]
    asked = [query("m", Aggregation.RATE)]
    assert Windows.over(points, asked).answer([(asked[0], minutes(2))])[0].value == pytest.approx(1 / 60)


# -- loading: each row once, from wherever it lies ------------------------------------------------------

LATER = T0 + timedelta(days=1)


@pytest.fixture
def store(store_url: str) -> Iterator[OperationalStore]:
    store = OperationalStore.open(store_url, T0)
    yield store
    store.close()


@pytest.fixture
def warehouse(tmp_path: Path) -> Path:
    return tmp_path / "warehouse.duckdb"


@pytest.fixture
def published(tmp_path: Path) -> Path:
    return tmp_path / "published.duckdb"


def at(number: float, value: float = 1.0, source: str = "s", **changed: object) -> dict[str, object]:
    return {**sample(source, minutes(number), value), **changed}


def rows_of(points: Sequence[Point]) -> tuple[list[dict[str, object]], list[dict[str, object]]]:
    samples = [
        {
            "source": point.source, "check_id": point.check, "metric": point.metric, "time": to_us(point.time),
            "value": point.value, "unit": point.unit, "tags": json.dumps(dict(point.tags)),
        }
        for point in points if point.series is Series.SAMPLES
    ]  # fmt: skip
    results = [
        {
            **result(point.source, point.time, STATUSES[int(point.value)]), "check_id": point.check,
            "slot": point.id, "finished": to_us(point.time), "manual": point.id % 2 == 0,
        }
        for point in points if point.series is Series.RESULTS
    ]  # fmt: skip
    return samples, results


def insert_rows(store: OperationalStore, points: Sequence[Point]) -> None:
    samples, results = rows_of(points)
    for name, rows in (("samples", samples), ("results", results)):
        if rows:
            write(store, name, rows)


@given(point_lists(), point_lists(), point_lists(), st.lists(queries(), min_size=1, max_size=6))
@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_loaded_advanced_and_published_points_answer_alike(
    store: OperationalStore, tmp_path: Path, old: list[Point], hot: list[Point], new: list[Point], asked: list[Query]
) -> None:
    points = numbered([*old, *hot, *new])
    old, hot, new = points[: len(old)], points[len(old) : -len(new) or None], points[len(points) - len(new) :]
    with store.write() as connection:
        for name in ("samples", "results"):
            connection.execute(delete(tables.metadata.tables[name]))
    for stale in tmp_path.glob("*.duckdb"):
        stale.unlink()
    insert_rows(store, old)
    load_hot(store, tmp_path / "w.duckdb", LATER)
    publish(store, tmp_path / "w.duckdb", tmp_path / "p.duckdb", LATER)
    insert_rows(store, hot)
    windows = Windows.open(store, tmp_path / "p.duckdb", asked, minutes(12), since=minutes(4))
    try:
        insert_rows(store, new)
        with store.read() as connection:
            windows.advance(connection)
            assert windows.advance(connection) == 0
        check_all(windows, points, [(each, minutes(n)) for each in asked for n in (4, 6, 12)])
    finally:
        windows.close()


def numbered(points: Sequence[Point]) -> list[Point]:
    """The same points with ids in the order in which they are written."""
    return [replace(point, id=number) for number, point in enumerate(points, start=1)]


def count_of(windows: Windows, each: Query, moment: datetime = TEN) -> int:
    return windows.answer([(each, moment)])[0].count


def test_a_transaction_that_is_rolled_back_takes_its_points_along(store: OperationalStore, published: Path) -> None:
    asked = [query(), of_results(Aggregation.COUNT)]
    write(store, "samples", [at(1)])
    windows = Windows.open(store, published, asked, minutes(10))
    with pytest.raises(RuntimeError), store.write() as connection:
        connection.execute(insert(tables.samples), [at(2), at(3)])
        connection.execute(insert(tables.results), [result("s", minutes(2))])
        windows.advance(connection)
        assert [count_of(windows, each) for each in asked] == [3, 1]
        raise RuntimeError
    assert [count_of(windows, each) for each in asked] == [1, 0]
    with store.write() as connection:  # on SQLite these get the very ids of the rows that are gone
        connection.execute(insert(tables.samples), [at(4), at(5), at(6)])
        connection.execute(insert(tables.results), [result("s", minutes(5)), result("s", minutes(6))])
        windows.advance(connection)
    assert [count_of(windows, each) for each in asked] == [4, 2]


def test_advancing_twice_in_one_transaction_is_undone_as_a_whole(store: OperationalStore, published: Path) -> None:
    windows = Windows.open(store, published, [query()], minutes(10))
    with pytest.raises(RuntimeError), store.write() as connection:
        for number in (1, 2):
            connection.execute(insert(tables.samples), [at(number)])
            assert windows.advance(connection) == 1
        raise RuntimeError
    assert count_of(windows, query()) == 0


def test_a_second_transaction_on_the_same_connection_is_undone_alone(store: OperationalStore, published: Path) -> None:
    windows = Windows.open(store, published, [query()], minutes(10))
    with store.engine.connect() as connection:
        for number in (1, 2):
            with connection.begin() as transaction:
                connection.execute(insert(tables.samples), [at(number)])
                windows.advance(connection)
                if number == 2:
                    transaction.rollback()
    assert count_of(windows, query()) == 1


def test_a_later_rollback_does_not_touch_what_was_committed(store: OperationalStore, published: Path) -> None:
    windows = Windows.open(store, published, [query()], minutes(10))
    with store.write() as connection:
        connection.execute(insert(tables.samples), [at(1)])
        windows.advance(connection)
    with pytest.raises(RuntimeError), store.write() as connection:
        windows.advance(connection)
        raise RuntimeError
    assert count_of(windows, query()) == 1


def test_rows_of_other_processes_come_with_the_next_advance(
    store: OperationalStore, store_url: str, published: Path
) -> None:
    windows = Windows.open(store, published, [query()], minutes(10))
    other = OperationalStore.open(store_url, T0)
    write(other, "samples", [at(1), at(2)])
    other.close()
    with store.write() as connection:
        connection.execute(insert(tables.samples), [at(3)])
        assert windows.advance(connection) == 3
    assert count_of(windows, query()) == 3


def test_more_rows_than_a_page_are_all_taken(
    store: OperationalStore, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring_pipeline.store.points._PAGE_ROWS", 3)
    write(store, "samples", [at(n) for n in range(1, 8)])
    windows = Windows.open(store, published, [query()], minutes(10))
    assert count_of(windows, query()) == 7
    write(store, "samples", [at(n) for n in range(1, 7)])
    with store.read() as connection:
        assert windows.advance(connection) == 6


def test_skipped_results_and_what_nobody_asks_about_are_left_out(store: OperationalStore, published: Path) -> None:
    write(store, "results", [result("s", minutes(1), skipped="breaker"), result("s", minutes(2)), result("t", T0)])
    write(store, "samples", [at(1), at(2, metric="other"), at(3, source="t")])
    windows = Windows.open(store, published, [query(), of_results(Aggregation.COUNT)], minutes(10))
    with store.read() as connection:
        assert windows.advance(connection) == 0
    assert windows.size == 2


def test_numbers_that_are_none_are_left_out() -> None:
    points = [Point(Series.SAMPLES, "s", "", "m", minutes(1), value) for value in (math.nan, math.inf, 3.0)]
    found = Windows.over(points, [query("m", Aggregation.AVG)]).answer([(query("m", Aggregation.AVG), minutes(2))])
    assert found[0][:2] == (3.0, 1)


def test_a_query_that_was_not_announced_finds_what_was_kept_for_others(
    store: OperationalStore, published: Path
) -> None:
    write(store, "samples", [at(1, check_id="web"), at(2, check_id="db")])
    windows = Windows.open(store, published, [query()], minutes(10))
    assert count_of(windows, query(check="db")) == 1
    assert count_of(windows, query("never")) == 0
    write(store, "samples", [at(3, metric="never"), at(3, check_id="db")])
    with store.read() as connection:
        windows.advance(connection)
    assert count_of(windows, query(check="db")) == 2
    assert count_of(windows, query("never")) == 1


# -- the published copy --------------------------------------------------------------------------------


def publish_all(store: OperationalStore, warehouse: Path, published: Path, times: int = 1) -> None:
    load_hot(store, warehouse, LATER)
    for _ in range(times):
        publish(store, warehouse, published, LATER)


def test_expired_rows_come_from_the_published_copy(store: OperationalStore, warehouse: Path, published: Path) -> None:
    write(store, "samples", [at(1), at(2)])
    publish_all(store, warehouse, published, times=2)
    expire_hot(store, RETENTION, LATER)
    write(store, "samples", [at(3)])
    windows = Windows.open(store, published, [query()], minutes(10))
    assert count_of(windows, query()) == 3


def test_without_the_copy_rules_are_judged_by_hot_rows_and_backtests_are_refused(
    store: OperationalStore, warehouse: Path, published: Path
) -> None:
    write(store, "samples", [at(1), at(2)])
    publish_all(store, warehouse, published, times=2)
    expire_hot(store, RETENTION, LATER)
    write(store, "samples", [at(3)])
    published.unlink()
    windows = Windows.open(store, published, [query()], minutes(10))
    assert count_of(windows, query()) == 1
    write(store, "samples", [at(4)])
    with store.read() as connection:
        assert windows.advance(connection) == 1
    with pytest.raises(StoreError, match="publish it again"):
        Windows.open(store, published, [query()], minutes(10), since=T0)


def test_a_copy_that_is_no_database_does_not_stop_rules(store: OperationalStore, published: Path) -> None:
    write(store, "samples", [at(1)])
    published.write_text("this is not DuckDB" * 1000)
    assert count_of(Windows.open(store, published, [query()], minutes(10)), query()) == 1


def test_a_copy_of_another_store_does_not_hide_rows_with_the_same_ids(
    store: OperationalStore, warehouse: Path, published: Path, tmp_path: Path
) -> None:
    other = OperationalStore.open(f"sqlite:///{tmp_path / 'other.db'}", T0)
    write(other, "samples", [at(1, 10.0), at(2, 20.0)])
    publish_all(other, warehouse, published)
    other.close()
    write(store, "samples", [at(1, 11.0), at(2, 21.0)])
    each = query(newest=4)
    found = Windows.open(store, published, [each], minutes(10)).answer([(each, minutes(10))])[0]
    assert found.newest == (21.0, 20.0, 11.0, 10.0)


def test_a_row_that_the_warehouse_holds_twice_counts_once(
    store: OperationalStore, warehouse: Path, published: Path
) -> None:
    import duckdb

    write(store, "samples", [at(1), at(2)])
    load_hot(store, warehouse, LATER)
    with duckdb.connect(str(warehouse)) as connection:
        connection.execute("INSERT INTO samples SELECT * FROM samples")
    publish(store, warehouse, published, LATER)
    assert count_of(Windows.open(store, published, [query()], minutes(10)), query()) == 2


def test_only_wanted_spans_are_loaded_and_old_points_are_let_go(
    store: OperationalStore, warehouse: Path, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "samples", [at(n) for n in range(10)])
    publish_all(store, warehouse, published)
    write(store, "samples", [at(n) for n in range(10)])
    each = query(window=timedelta(minutes=5))
    windows = Windows.open(store, published, [each], minutes(9))
    assert windows.size == 10
    assert count_of(windows, each, minutes(11)) == 6
    monkeypatch.setattr("monitoring_pipeline.alerting.rules.observe._PRUNE_ROWS", 0)
    write(store, "samples", [at(11)])
    with store.read() as connection:
        windows.advance(connection)
    assert windows.size == 7
    assert count_of(windows, each, minutes(11)) == 7


def test_many_moments_of_queries_over_several_streams_stay_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Portions end where a query ends, not in the middle of its streams."""
    monkeypatch.setattr("monitoring_pipeline.alerting.rules.observe._ROWS_AT_ONCE", 1)
    points = [
        Point(Series.SAMPLES, "s", check, "m", minutes(n / 4), float(n), n)
        for n in range(40)
        for check in ("a", "b", "c")
    ]
    asked = [query("m", kind, window=timedelta(minutes=2)) for kind in (Aggregation.SUM, Aggregation.RATE)]
    check_all(Windows.over(points, asked), points, [(each, minutes(n / 8)) for each in asked for n in range(90)])


EVERY = [query("m", kind, window=timedelta(minutes=3), newest=3) for kind in kinds_of(query())]
EVERY += [of_results(kind, check=check) for kind in kinds_of(of_results(Aggregation.LAST)) for check in ("", "a")]


def wave(count: int) -> list[Point]:
    """Points of three checks that go up and down, a second or so apart; every third is a result."""
    points = []
    for number in range(1, count + 1):
        series = Series.SAMPLES if number % 3 else Series.RESULTS
        value = float(number * 7919 % 101 if number % 3 else number * 7919 % 4)
        metric = "m" if number % 3 else ""
        moment = T0 + timedelta(seconds=number * 31 % 600)
        points.append(Point(series, "s", "abc"[number % 5 % 3], metric, moment, value, number))
    return points


def test_very_many_rows_are_aggregated_apart_and_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("monitoring_pipeline.alerting.rules.asking._MANY", 10)
    points = wave(200)
    check_all(Windows.over(points, EVERY), points, [(each, minutes(n)) for each in EVERY for n in (1, 4, 9)])


def test_what_comes_in_little_by_little_is_sorted_in(
    store: OperationalStore, published: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("monitoring_pipeline.alerting.rules.shelf._SMALL", 20)
    monkeypatch.setattr("monitoring_pipeline.alerting.rules.shelf._SHARE", 3)
    points = wave(200)
    windows = Windows.open(store, published, EVERY, minutes(10))
    for begin in range(0, 200, 8):
        insert_rows(store, points[begin : begin + 8])
        with store.read() as connection:
            windows.advance(connection)
        known = points[: begin + 8]
        check_all(windows, known, [(each, minutes(n)) for each in EVERY for n in (4, 9)])


def test_nothing_asked_imports_nothing() -> None:
    code = """
        import sys
        from datetime import datetime, timedelta, UTC
        from pathlib import Path
        from monitoring_pipeline.alerting.rules.condition import Aggregation, Query, Series
        from monitoring_pipeline.alerting.rules.observe import Windows
        from monitoring_pipeline.store.operational import OperationalStore

        now = datetime(2026, 3, 1, tzinfo=UTC)
        store = OperationalStore.open("sqlite://", now)
        windows = Windows.open(store, Path("/nowhere"), [], now)
        with store.write() as connection:
            assert windows.advance(connection) == 0
        assert windows.answer([]) == []
        assert not {"duckdb", "numpy"} & sys.modules.keys()
        asked = Query(Series.SAMPLES, "s", "", "m", Aggregation.P95, timedelta(minutes=5), 3)
        windows = Windows.open(store, Path("/nowhere"), [asked], now)
        assert windows.answer([(asked, now)])[0].value is None
        assert "duckdb" in sys.modules
        assert not {"pandas", "pyarrow"} & sys.modules.keys()
    """
    subprocess.run([sys.executable, "-c", textwrap.dedent(code)], check=True, timeout=60)
