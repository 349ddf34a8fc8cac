"""Scores follow the log of samples: once each, the same whatever is killed and however it is cut into pieces."""

from __future__ import annotations

import itertools
import shutil
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection

from monitoring_pipeline.alerting.scored import Scored
from monitoring_pipeline.analysis.calendars import HOUR_US
from monitoring_pipeline.analysis.scoring.ahead import noted
from monitoring_pipeline.analysis.spec import AnalysisSpec
from monitoring_pipeline.clock import to_us
from monitoring_pipeline.records import Sample
from monitoring_pipeline.store import scoring as stored
from monitoring_pipeline.store.operational import OperationalStore
from tests.analysis.scoring.samples import INTERVAL, LATER, T0, Bench, batches

DAYS = 16
SPIKES = (24 * DAYS + 3, 24 * DAYS + 17)


class Killed(Exception):
    pass


@pytest.fixture(scope="module")
def learnt(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a store whose series have been scored for two weeks, and what was learnt."""
    folder = tmp_path_factory.mktemp("learnt")
    bench = Bench(OperationalStore.open(f"sqlite:///{folder / 'operational.db'}", T0), folder, AnalysisSpec())
    score(bench, LATER)  # from the first sample on: the mark of an empty log is 0
    for samples in batches(24 * DAYS):
        bench.record(samples)
    while score(bench, LATER):
        pass
    bench.store.close()
    return folder


@pytest.fixture
def benches(learnt: Path, tmp_path: Path) -> Iterator[tuple[Bench, Bench]]:
    """Two copies of it, to go on with."""
    found = []
    for name in ("one", "other"):
        shutil.copytree(learnt, tmp_path / name)
        store = OperationalStore.open(f"sqlite:///{tmp_path / name / 'operational.db'}", T0)
        found.append(Bench(store, tmp_path / name, AnalysisSpec()))
    yield found[0], found[1]
    for bench in found:
        bench.store.close()


def two_days(spikes: tuple[int, ...] = SPIKES) -> Iterator[tuple[int, list[Sample]]]:
    """What comes then, by hour."""
    return itertools.islice(enumerate(batches(24 * (DAYS + 2), spikes=spikes)), 24 * DAYS, None)


def score(bench: Bench, now: datetime) -> frozenset[tuple[str, str]]:
    """As a process that begins, scores what there is, and ends."""
    scoring = bench.scoring()
    scoring.load()
    with bench.store.write() as connection:
        touched = scoring.advance(connection, now)
    scoring.write()
    return touched


def in_one_go(bench: Bench) -> None:
    for _, samples in two_days():
        bench.record(samples)
    while score(bench, LATER):
        pass


def test_a_spike_becomes_scores_an_event_and_its_end(benches: tuple[Bench, Bench]) -> None:
    bench, _ = benches
    scoring = bench.scoring()
    for hour, samples in two_days():
        bench.record(samples)
        with bench.store.write() as connection:
            touched = scoring.advance(connection, T0 + hour * INTERVAL)
        assert touched == {(f"source-{number}", "web") for number in range(3)}
    since = T0 + 24 * DAYS * INTERVAL
    assert [row[:2] for row in bench.happened("anomaly", "anomaly_end", since=since)] == [
        ("source-0", "anomaly"), ("source-0", "anomaly_end"), ("source-0", "anomaly"), ("source-0", "anomaly_end"),
    ]  # fmt: skip
    assert "expected" in bench.happened("anomaly", since=since)[0][-1]
    high = [row for row in bench.told(since) if row[1] == "anomaly.response_time_ms" and row[3] >= 2]
    assert len(high) >= len(SPIKES)
    assert {row[1] for row in bench.told(since)} == {
        "anomaly.response_time_ms", "deviation.response_time_ms", "expected_low.response_time_ms",
        "expected_high.response_time_ms",
    }  # fmt: skip


def test_both_databases_score_alike(store_url: str, tmp_path: Path) -> None:
    stores = [OperationalStore.open(url, T0) for url in (store_url, f"sqlite:///{tmp_path / 'plain.db'}")]
    one, other = (Bench(store, tmp_path / name, AnalysisSpec()) for store, name in zip(stores, "ab", strict=True))
    for bench in (one, other):
        score(bench, LATER)
        for samples in batches(40):
            bench.record(samples)
            if bench is one:
                score(bench, LATER)
        score(bench, LATER)
        bench.record([Sample("source-0", "response_time_ms", T0, 1.0)])  # too late: left out
        assert score(bench, LATER) == {("source-0", "")}
    assert_same(one, other)
    for store in stores:
        store.close()


def test_scores_do_not_depend_on_how_samples_are_cut_into_pieces(benches: tuple[Bench, Bench]) -> None:
    bench, other = benches
    in_one_go(other)
    for hour, samples in two_days():
        for sample in samples:
            bench.record([sample])
        if hour % 5 == 0:
            score(bench, T0 + hour * INTERVAL)
    score(bench, LATER)
    assert_same(bench, other)


@pytest.mark.parametrize("step", ["before the commit", "before the checkpoint", "after it"])
def test_scores_are_the_same_whatever_is_killed(benches: tuple[Bench, Bench], step: str) -> None:
    bench, other = benches
    in_one_go(other)
    for hour, samples in two_days():
        bench.record(samples)
        kill(bench, step, T0 + hour * INTERVAL)
    score(bench, LATER)
    assert_same(bench, other)


def kill(bench: Bench, step: str, now: datetime) -> None:
    scoring = bench.scoring()
    if step == "before the commit":
        with pytest.raises(Killed), bench.store.write() as connection:
            scoring.advance(connection, now)
            raise Killed
    with bench.store.write() as connection:  # the same process goes on, or it is a first time
        scoring.advance(connection, now)
    if step == "after it":
        scoring.write()


def test_two_processes_taking_turns_score_each_sample_once(benches: tuple[Bench, Bench]) -> None:
    bench, other = benches
    in_one_go(other)
    processes = [bench.scoring(), bench.scoring()]
    for hour, samples in two_days():
        bench.record(samples)
        with bench.store.write() as connection:
            processes[hour % 7 < 3].advance(connection, LATER)
    assert_same(bench, other)


def test_what_broke_is_taken_back_and_scored_again(
    benches: tuple[Bench, Bench], monkeypatch: pytest.MonkeyPatch
) -> None:
    bench, other = benches
    in_one_go(other)
    scored = Scored(bench.scoring(), None)
    scored.load()
    broken = {24 * DAYS + 2, 24 * DAYS + 3, 24 * DAYS + 20}
    for hour, samples in two_days():
        bench.record(samples)
        with bench.store.write() as connection, monkeypatch.context() as patched:
            if hour in broken:
                patched.setattr("monitoring_pipeline.analysis.scoring.online.insert_events", broke)
            now = T0 + hour * INTERVAL
            assert scored.is_due(connection, now)
            scored.judge(connection, (), (), now)
            # Twice a second it would read again all that was learnt.
            assert hour not in broken or not scored.is_due(connection, now + timedelta(seconds=5))
    scored.close()
    assert_same(bench, other)


def broke(*_: object) -> None:
    raise RuntimeError("a disk that is no more")


def test_nothing_is_learnt_from_a_source_in_trouble(benches: tuple[Bench, Bench]) -> None:
    since, until = 24 * DAYS + 4, 24 * DAYS + 40
    in_trouble = range(since, until)

    def troubled(connection: Connection, now: datetime) -> Mapping[str, str]:
        return {"source-0": "the source is critical"} if (now - T0) / INTERVAL in in_trouble else {}

    for bench, patient in zip(benches, (True, False), strict=True):
        bench.troubled = troubled
        for hour, samples in two_days(tuple(in_trouble)):
            bench.record(samples)
            if patient or hour % 24 == 23 or hour + 1 in (since, until):
                score(bench, T0 + hour * INTERVAL)
    bench, other = benches
    assert_same(bench, other)
    assert [row[1] for row in bench.happened(stored.PAUSED, stored.RESUMED)] == [stored.PAUSED, stored.RESUMED]
    scores = [
        row[3] for row in bench.told(T0 + since * INTERVAL) if row[:2] == ("source-0", "anomaly.response_time_ms")
    ]
    assert min(scores[: until - since]) > 1.5  # a day and a half of it are as strange as the first hour


def test_what_is_ahead_of_the_clock_is_left_out_also_when_it_is_taken_again(benches: tuple[Bench, Bench]) -> None:
    bench, other = benches
    scorings = [bench.scoring(), None]  # the second process begins anew each time
    for hour, samples in two_days():
        now = T0 + hour * INTERVAL
        for place, each in enumerate(benches):
            each.record(samples)
            if hour % 24 < 6:
                each.record([Sample("source-1", "response_time_ms", now + 5 * INTERVAL, 900.0, "ms", "web")])
            with each.store.write() as connection:
                (scorings[place] or each.scoring()).advance(connection, now)
    assert_same(bench, other)
    since = T0 + 24 * DAYS * INTERVAL
    told = [row for row in bench.told(since) if row[:2] == ("source-1", "anomaly.response_time_ms")]
    assert max(row[3] for row in told) < 2
    assert len({row[2] for row in told}) > 40  # it is scored all the while
    (first, second) = bench.happened(stored.AHEAD)
    assert first[0] == "source-1"
    assert first[-1].endswith("UTC, 5h ahead of the clock: such samples are not scored")
    assert second[2] - first[2] == 24 * HOUR_US
    with bench.store.read() as connection:
        assert len(stored.read_ahead(connection)) <= 4


def test_forecasts_may_lie_ahead() -> None:
    rows = [(1, "a", "web", metric, "", "{}", to_us(T0 + INTERVAL), 1.0) for metric in ("forecast.load", "load")]
    assert noted([], rows[:1], 0, T0) is None
    limit = to_us(T0) + HOUR_US // 12
    assert noted([], rows, 0, T0) == [stored.Ahead(0, 1, limit, to_us(T0) + HOUR_US)]
    assert noted([], rows, 0, T0 + INTERVAL) is None


def test_who_reads_something_else_than_what_it_wrote_learns_anew(benches: tuple[Bench, Bench]) -> None:
    bench, _ = benches
    (bench.folder / "scoring.state").write_bytes(b"{}")
    scoring = bench.scoring()
    scoring.load()
    assert len(scoring.scorer.roster) == 3  # from what is hot
    (bench.folder / "scoring.state").unlink()
    scoring.load()
    assert len(scoring.scorer.roster) == 3


def assert_same(one: Bench, other: Bench) -> None:
    assert one.happened("anomaly", "anomaly_end", "level_shift") == other.happened(
        "anomaly", "anomaly_end", "level_shift"
    )
    mine, theirs = (sorted(bench.told()) for bench in (one, other))
    assert [row[:3] for row in mine] == [row[:3] for row in theirs]
    assert [row[3] for row in mine] == pytest.approx([row[3] for row in theirs], rel=1e-9, abs=1e-9)
