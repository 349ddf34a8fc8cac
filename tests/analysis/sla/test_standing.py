"""How promises stand: out of history, out of kept days, and the same either way."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from monitoring_pipeline.analysis.sla.days import refresh
from monitoring_pipeline.records import Source
from monitoring_pipeline.store.expiry import expire_hot, expire_warehouse
from monitoring_pipeline.store.spec import RetentionSpec
from tests.analysis.sla.promising import Past, at, hours, past

UP = {"up": {"source": "*", "target": "99%"}}


@pytest.fixture
def lived(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Past]:
    """One source that was down from hour 10 to 12."""
    url = request.getfixturevalue("postgres_store_url") if hasattr(request, "param") else f"sqlite:///{tmp_path}/hot.db"
    with past(url, tmp_path, UP, "db") as found:
        found.status("db", (0, "healthy"), (10, "critical"), (12, "healthy"))
        yield found


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Past]:
    """One source without a past."""
    with past(f"sqlite:///{tmp_path}/operational.db", tmp_path, UP, "db") as found:
        yield found


def test_a_month_is_accounted_for_to_the_microsecond(lived: Past) -> None:
    found = lived.standing(100)
    assert hours(found) == (98, 2, 0, 0)
    assert found.period.name == "2026-05"
    assert found.account.total == (found.until - found.period.start).total_seconds() * 1e6
    assert found.budget.allowed / 3.6e9 == pytest.approx(7.44)
    assert found.budget.left / 3.6e9 == pytest.approx(5.44)
    assert found.kept is False  # 2 of 100 hours were bad, 1 was allowed so far


def test_kept_days_and_live_ones_say_the_same(lived: Past) -> None:
    before = lived.standing(100)
    lived.publish(100)
    computed = refresh(lived.room, at(100))
    assert (computed.rows, str(computed.first), str(computed.last)) == (4, "2026-05-01", "2026-05-04")
    lived.publish(100)
    after = lived.standing(100)
    assert [part.end for part in after.parts] == [at(24), at(48), at(72), at(96), at(100)]
    assert after.pair == before.pair
    summed = lived.standing(100, daily=False)
    assert [part.end for part in summed.parts] == [at(96), at(100)]
    assert (summed.pair, summed.budget, summed.exhausted_at) == (after.pair, after.budget, after.exhausted_at)
    assert refresh(lived.room, at(101)).rows == 0


@pytest.mark.parametrize("lived", ["postgresql"], indirect=True)
def test_on_postgresql_too_a_correction_is_seen(lived: Past) -> None:
    lived.publish(100)
    refresh(lived.room, at(100))
    lived.publish(100)
    lived.correct("db", 10, 11, "up")
    assert hours(lived.standing(100)) == (99, 1, 0, 0)


def test_a_correction_counts_at_once_and_the_day_is_computed_again(lived: Past) -> None:
    lived.publish(100)
    refresh(lived.room, at(100))
    lived.publish(100)
    entry = lived.correct("db", 10, 11, "up")
    for _ in range(2):
        assert hours(lived.standing(100, daily=False)) == (99, 1, 0, 0)
        found = lived.standing(100)
        assert hours(found) == (99, 1, 0, 0)
        assert hours(found, measured=True) == (98, 2, 0, 0)
        assert list(found.entries) == [entry]
        assert (found.kept, found.kept_as_measured) == (True, False)
        assert refresh(lived.room, at(100)).rows <= 1
        lived.publish(100)
    lived.correct("db", 10, 11, "up", revokes=entry.number)
    assert hours(lived.standing(100)) == (98, 2, 0, 0)


def test_a_gap_that_turns_up_late_makes_kept_time_unknown(lived: Past) -> None:
    lived.publish(100)
    refresh(lived.room, at(100))
    lived.publish(100)
    lived.gap("db", 30, 32.9, 30)
    assert hours(lived.standing(100)) == (pytest.approx(95), 2, pytest.approx(3), 0)
    assert refresh(lived.room, at(100)).rows == 2  # it might have gone on until the next day
    lived.publish(100)
    assert hours(lived.standing(100)) == (pytest.approx(95), 2, pytest.approx(3), 0)


def test_a_late_gap_that_goes_on_beyond_midnight_is_seen_in_both_days(lived: Past) -> None:
    lived.publish(100)
    refresh(lived.room, at(100))
    lived.publish(100)
    lived.gap("db", 46, 47, 2)
    lived.result("db", 50)
    assert hours(lived.standing(100)) == hours(lived.standing(100, daily=False)) == (94, 2, 4, 0)
    assert refresh(lived.room, at(100)).rows == 2
    lived.publish(100)
    assert hours(lived.standing(100)) == (94, 2, 4, 0)


def test_other_terms_make_kept_days_worthless(lived: Past) -> None:
    lived.publish(100)
    refresh(lived.room, at(100))
    lived.publish(100)
    lived.promise({"up": {"source": "*", "target": "99%", "timezone": "Asia/Tokyo"}})
    assert refresh(lived.room, at(100)).rows == 4
    lived.promise({"up": {"source": "*", "target": "95%"}})
    assert refresh(lived.room, at(100)).rows == 0, "a target changes no account"


def test_nobody_knows_what_was_before_the_first_result(here: Past) -> None:
    assert hours(here.standing(5)) == (0, 0, 5, 0)
    here.status("db", (3, "healthy"))
    found = here.standing(5)
    assert hours(found) == (2, 0, 3, 0)
    assert (found.account.attained, found.account.at_least, found.account.coverage) == (1.0, 0.4, 0.4)


def test_warnings_and_unknown_count_as_agreed(here: Past) -> None:
    here.status("db", (0, "healthy"), (4, "warning"), (6, "unknown"), (9, "healthy"))
    assert hours(here.standing(10)) == (7, 0, 3, 0)
    here.promise({"up": {"source": "*", "target": "99%", "warning": "down", "unknown": "bad"}})
    found = here.standing(10)
    assert hours(found) == (5, 2, 3, 0)
    assert found.budget.used / 3.6e9 == 5


def test_maintenance_is_excluded_only_when_that_was_agreed(here: Past) -> None:
    here.status("db", (0, "healthy"), (4, "critical"), (6, "healthy"))
    here.away = [("db", 3, 7)]
    assert hours(here.standing(10)) == (8, 2, 0, 0)
    here.correct("db", 4, 5, "maintenance")
    assert hours(here.standing(10)) == (8, 2, 0, 0)
    here.promise({"up": {"source": "*", "target": "99%", "exclude_maintenance": True}})
    assert hours(here.standing(10)) == (6, 0, 0, 4)
    here.correct("db", 4, 5, "down")
    assert hours(here.standing(10)) == (6, 1, 0, 3)
    assert hours(here.standing(10), measured=True) == (6, 0, 0, 4)


@pytest.mark.parametrize(
    ("gap", "expected"),
    [
        (("not_running", 1, 1.9, 10), (9, 0, 1)),
        (("not_running", 4, 4.9, 10), (8, 1, 1)),  # it was bad, and nobody looked
        (("interrupted", 1, 1, 1), (10 - 2 - 1 / 60, 2, 1 / 60)),
        (("busy", 4, 4.9, 10), (8, 2, 0)),  # another check went on to say that it is bad
    ],
)
def test_a_gap_is_unknown_time(here: Past, gap: tuple[str, float, float, int], expected: tuple[float, ...]) -> None:
    reason, begin, end, slots = gap
    here.status("db", (0, "healthy"), (4, "critical"), (6, "healthy"))
    if gap == ("not_running", 1, 1.9, 10):
        expected = (7, 2, 1)
    here.gap("db", begin, end, slots, reason)
    assert hours(here.standing(10)) == (pytest.approx(expected[0]), pytest.approx(expected[1]), *map(
        pytest.approx, (expected[2], 0)))  # fmt: skip


def test_a_gap_ends_with_the_next_result(here: Past) -> None:
    here.status("db", (0, "healthy"))
    here.gap("db", 1, 2, 2)
    assert hours(here.standing(10)) == (8, 0, 2, 0)
    here.result("db", 2.25)
    assert hours(here.standing(10)) == (8.75, 0, 1.25, 0)


def test_sources_share_a_budget_or_stand_in_for_each_other(tmp_path: Path) -> None:
    sources = [Source("a", component="web"), Source("b", component="web"), Source("c", component="data")]
    objectives: dict[str, Any] = {
        "each": {"source": "*", "target": "90%"},
        "web": {"component": "web", "per": "component", "target": "90%"},
        "pair": {"component": "web", "per": "all", "target": "90%", "redundant": True},
    }
    with past(f"sqlite:///{tmp_path}/operational.db", tmp_path, objectives, *sources) as here:
        here.status("a", (0, "healthy"), (4, "critical"), (6, "healthy"))
        here.status("b", (0, "healthy"), (5, "critical"), (7, "healthy"))
        here.status("c", (0, "healthy"))
        assert [(each.promise.subject, hours(each)[1]) for each in here.standings(10, objectives=["each"])] == [
            ("a", 2), ("b", 2), ("c", 0),
        ]  # fmt: skip
        about_b = {each.promise.objective: each.pair for each in here.standings(10, sources=["b"])}
        assert about_b == {
            each.promise.objective: each.pair for each in here.standings(10) if "b" in each.promise.sources
        }
        assert sorted(about_b) == ["each", "pair", "web"]
        assert hours(here.standing(10, "web")) == (7, 3, 0, 0)
        assert hours(here.standing(10, "pair")) == (9, 1, 0, 0)


def test_quality_and_freshness_hold_until_the_next_sample(here: Past) -> None:
    here.promise({
        "good": {"kind": "quality", "source": "db", "threshold": 95, "target": "90%", "holds": "3h"},
        "fresh": {"kind": "freshness", "source": "db", "threshold": "2h", "target": "90%", "holds": "3h"},
    })  # fmt: skip
    here.sample("db", "quality", (0, 99), (2, 94.9), (3, 95))
    here.sample("db", "age_s", (0, 60), (2, 7200), (3, 7199))
    for objective in ("good", "fresh"):
        assert hours(here.standing(10, objective)) == (5, 1, 4, 0)


def test_a_suite_that_fails_makes_quality_unknown(here: Past) -> None:
    here.promise({"up": {"kind": "quality", "source": "db", "threshold": 95, "target": "90%", "holds": "30h"}})
    here.sample("db", "quality", (0, 99), (4, 99), check="suite")
    here.sample("db", "quality", (0, 96), (4, 97), (8, 90), check="")  # of all suites: that is what counts
    here.quality_run("db", 2, None)
    here.quality_run("db", 4, None)  # another suite was carried out then, which says nothing of this one
    here.quality_run("db", 5, 98)
    assert hours(here.standing(10)) == (5, 2, 3, 0)


def test_a_score_that_leaves_something_out_is_never_good_and_may_be_bad(here: Past) -> None:
    terms = {"kind": "quality", "source": "db", "threshold": 95, "target": "90%", "holds": "30h"}
    here.promise({"up": terms, "whole": {**terms, "metric": "quality.completeness"},
                  "valid": {**terms, "metric": "quality.validity"}})  # fmt: skip
    for metric in ("quality", "quality.completeness", "quality.validity"):
        here.sample("db", metric, (0, 100), (2, 100), (5, 100), (6, 80), (8, 100), check="suite")
    part: dict[str, Any] = {"errors": 1, "findings": '[{"met": null, "dimension": "validity"}]', "status": "unknown"}
    for hour, score, more in ((0, 100, {}), (2, 100, part), (5, 100, {}), (6, 80, part), (8, 100, {})):
        here.quality_run("db", hour, score, **more)
    assert hours(here.standing(10)) == hours(here.standing(10, "valid")) == (5, 2, 3, 0)
    assert hours(here.standing(10, "whole")) == (8, 2, 0, 0)


def test_what_could_not_be_judged_is_unknown_no_longer_than_a_score_holds(here: Past) -> None:
    here.promise({"up": {"kind": "quality", "source": "db", "threshold": 95, "target": "90%", "holds": "3h"}})
    here.sample("db", "quality", (0, 99), (2, 99), (4, 99), (6, 99), (8, 99))
    here.quality_run("db", 0, 99, suite="gone", errors=1)
    assert hours(here.standing(10)) == (7, 0, 3, 0)


def test_two_freshness_checks_must_both_be_fresh(here: Past) -> None:
    here.promise({"up": {"kind": "freshness", "source": "db", "threshold": "2h", "target": "90%", "holds": "30h"}})
    here.sample("db", "age_s", (0, 60), (4, 9000), check="a")
    here.sample("db", "age_s", (0, 60), check="b")
    assert hours(here.standing(10)) == (4, 6, 0, 0)


@pytest.mark.parametrize("percentile", [{}, {"percentile": 95, "slice": "1h"}])
def test_an_answer_that_nobody_could_judge_is_neither_fast_nor_slow(here: Past, percentile: dict[str, Any]) -> None:
    here.promise({"up": {"kind": "response_time", "source": "db", "threshold": "100ms", "target": "95%", **percentile}})
    for hour, status, ms in ((0, "healthy", 50.0), (1, "unknown", 50.0), (2, "unknown", 500.0), (3, "healthy", 500.0)):
        here.result("db", hour, status, ms=ms)
    found = here.standing(4).account
    unit = 3_600_000_000 if percentile else 1
    assert (found.good, found.bad, found.unknown) == (unit, unit, 2 * unit)


def test_checks_are_counted(here: Past) -> None:
    objectives: dict[str, Any] = {
        "fast": {"kind": "response_time", "source": "db", "threshold": "100ms", "target": "95%"},
        "works": {"kind": "success_rate", "source": "db", "target": "95%", "exclude_maintenance": True},
    }
    here.promise(objectives)
    for number in range(10):
        here.result("db", number, ms=50.0 + 10 * number)
    here.result("db", 10, "critical", ms=None)
    here.result("db", 11, "unknown", ms=None)
    here.gap("db", 12, 13, 3)
    fast, works = here.standing(20, "fast").account, here.standing(20, "works").account
    assert (fast.good, fast.bad, fast.unknown) == (5, 6, 4)
    assert (works.good, works.bad, works.unknown) == (10, 1, 4)
    here.away = [("db", 9.5, 10.5)]
    here.correct("db", 0, 1.5, "down")
    found = here.standing(20, "works")
    assert (found.account.good, found.account.bad, found.account.excluded) == (8, 2, 1)
    assert (found.pair.measured.good, found.pair.measured.bad, found.pair.measured.excluded) == (10, 0, 1)
    assert here.standing(20, "fast").account.excluded == 0


def test_a_percentile_is_judged_slice_by_slice(here: Past) -> None:
    here.promise({"up": {
        "kind": "response_time", "source": "db", "threshold": "100ms", "percentile": 90, "slice": "1h", "target": "99%",
    }})  # fmt: skip
    for number in range(20):
        here.result("db", number / 20, ms=99.0 if number < 18 else 500.0)  # p90 is below
        here.result("db", 1 + number / 20, ms=99.0 if number < 17 else 500.0)  # it is not
    here.result("db", 3.5, "critical", ms=None)
    here.result("db", 4.5, "unknown", ms=None)
    here.result("db", 5.5, check_id="other", ms=1.0)
    assert hours(here.standing(5.75)) == (1.75, 2, 2, 0)
    here.publish(30)
    refresh(here.room, at(30))
    here.publish(30)
    assert hours(here.standing(30)) == (2, 2, 26, 0)


def test_a_period_that_is_over_stands_still(lived: Past) -> None:
    found = lived.standing(24 * 40, at=at(5))
    assert (found.period.name, found.until, found.ahead) == ("2026-05", at(24 * 31), 0)
    assert found.burn == {}
    assert hours(found)[1] == 2


def test_the_forecast_follows_what_burns_now(here: Past) -> None:
    here.promise({"up": {"source": "*", "target": "90%"}})
    here.status("db", (0, "healthy"), (99.5, "critical"))
    found = here.standing(100)
    # half of the last hour was bad, 73.9 hours of the month's 74.4 are left
    assert found.exhausted_at is not None
    assert (found.exhausted_at - at(100)).total_seconds() / 3600 == pytest.approx(73.9 / 0.5)
    quiet = here.standing(100 - 0.5)
    assert quiet.exhausted_at is None


def test_a_rolling_window_has_its_own_edges(here: Past) -> None:
    here.promise({"up": {"source": "*", "target": "90%", "window": "2d"}})
    here.status("db", (-100, "healthy"), (10, "critical"), (20, "healthy"))
    here.publish(60)
    refresh(here.room, at(60))
    here.publish(60)
    for hour, bad in ((60, 8.0), (63, 5.0), (67.5, 0.5), (70, 0.0)):
        found = here.standing(hour)
        assert hours(found) == (pytest.approx(48 - bad), pytest.approx(bad), 0, 0)


@pytest.mark.parametrize("seed", range(3))
def test_any_past_adds_up_however_it_is_asked_for(tmp_path: Path, seed: int) -> None:
    dice = random.Random(seed)
    zone = dice.choice(["UTC", "Europe/Berlin", "America/St_Johns"])
    spec = {"source": "*", "target": "99%", "timezone": zone, "exclude_maintenance": True}
    with past(f"sqlite:///{tmp_path}/operational.db", tmp_path, {"up": spec}, "a", "b") as here:
        for source in ("a", "b"):
            moments = sorted(dice.uniform(-5, 100) for _ in range(20))
            statuses = [dice.choice(["healthy", "critical", "unknown", "warning"]) for _ in moments]
            here.status(source, *zip(moments, statuses, strict=True))
            for _ in range(3):
                begin = dice.uniform(0, 95)
                here.gap(source, begin, begin + dice.uniform(0, 5), dice.randint(2, 50))
                here.away.append((source, begin + dice.uniform(-9, 9), begin + 10))
                here.correct(source, begin - 3, begin + dice.uniform(0, 9), dice.choice(["up", "down", "maintenance"]))
        live = here.standings(110)
        here.publish(110)
        refresh(here.room, at(110))
        here.publish(110)
        kept = here.standings(110)
        assert [each.pair for each in kept] == [each.pair for each in live]
        assert [each.pair for each in here.standings(110, daily=False)] == [each.pair for each in live]
        for each in kept:
            assert len(each.parts) >= 4
            for account in (each.account, each.pair.measured):
                assert account.total == (each.until - each.period.start).total_seconds() * 1e6


@pytest.mark.parametrize(("month", "length", "odd"), [("2026-03", 743, 23), ("2025-10", 745, 25), ("2024-02", 696, 24)])
def test_a_month_in_which_clocks_change_is_as_long_as_it_is(here: Past, month: str, length: int, odd: int) -> None:
    here.promise({"up": {"source": "db", "target": "99%", "timezone": "Europe/Berlin"}})
    inside = datetime.fromisoformat(f"{month}-15T12:00:00+00:00")
    hour = (inside - at(0)).total_seconds() / 3600
    here.status("db", (hour - 24 * 20, "healthy"))
    live = here.standing(hour + 24 * 20, at=inside)
    here.publish(hour + 24 * 20)
    refresh(here.room, at(hour + 24 * 20))
    here.publish(hour + 24 * 20)
    kept = here.standing(hour + 24 * 20, at=inside)
    assert live.pair == kept.pair
    assert hours(kept) == (length, 0, 0, 0)
    lengths = [(part.end - part.start).total_seconds() / 3600 for part in kept.parts]
    assert sorted(set(lengths)) == sorted({24, odd})


def test_a_status_holds_however_long_ago_it_came(here: Past) -> None:
    here.status("db", (0, "critical"), (1, "healthy"))
    late = 24 * 1300
    for _ in range(2):
        here.publish(late)
    expire_warehouse(here.room.warehouse, RetentionSpec(), at(late))
    assert expire_hot(here.store, RetentionSpec(), at(late))["status_changes"] == 2
    here.publish(late)
    good, *rest = hours(here.standing(late))
    assert (good > 0, rest) == (True, [0, 0, 0])


def test_a_budget_of_which_nothing_was_counted_yet_is_not_gone(here: Past) -> None:
    here.promise({"up": {"kind": "success_rate", "source": "*", "target": "99%"}})
    for hour in range(-20, 0):
        here.result("db", hour, "critical" if hour < -18 else "healthy")
    assert here.standing(0.01).exhausted_at is None


def test_the_budget_of_a_period_to_come_is_that_of_its_length(here: Past) -> None:
    found = here.standing(100, at=at(24 * 40))
    assert (found.period.name, found.kept, found.exhausted_at) == ("2026-06", None, None)
    assert found.budget.left / 3.6e9 == pytest.approx(0.01 * 30 * 24)
